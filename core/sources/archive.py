"""Files in a zip or tar, read from front to back without unpacking it to the disk."""

from __future__ import annotations

import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from itertools import count
from pathlib import Path

from ..problem import DATA, Bad, Problem
from .content import LARGEST_FILE, Content, Unreadable, counted, too_large
from .fields import first_values
from .folder import file_fingerprint
from .layout import is_visible, split_path, visible
from .source import DataSource, SampleInfo, SourceManifest, natural
from .split_names import split_in

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
NAMED = 3  # archives that a message names
KEPT = 1 << 27  # bytes of unpacked files that stay in memory from the listing of the names until they are read
Member = tuple[str, Callable[[], bytes]]  # the name of a regular file, and a function that reads it


def archives_hint(location: str, names: Iterable[str]) -> str:
    """Which archives lie in a folder that holds no data besides, as the end of a message; "" if there are none."""
    archives = sorted((name for name in visible(names) if name.lower().endswith(ENDINGS)), key=natural)
    if not archives:
        return ""
    if not os.path.isdir(location):  # then it is an archive itself
        return f"; unpack {first_values(archives, NAMED)}, which it holds"
    if len(archives) == 1:
        return f"; it holds the archive {archives[0]}: name it as the data, {os.path.join(location, archives[0])}"
    of_split = {split_in(name)[0]: os.path.join(location, name) for name in archives[::-1]}
    data = of_split.get("train") or os.path.join(location, archives[0])
    test = f" --test {of_split['test']}" if {"train", "test"} <= of_split.keys() else ""
    held = f"{counted(len(archives), 'archive')} ({first_values(archives, NAMED)})"
    return f"; it holds {held}: name one as the data, {data}{test}"


class ArchiveFiles:
    """Files in an archive. Links, absolute names and names that lead outside are not followed.

    Listing the names of a compressed tar unpacks all of it: files are kept on the way, up to KEPT bytes.
    """

    bad: Sequence[Bad] = ()

    def __init__(self, location: str) -> None:
        self.location, self.path = location, Path(location)
        self.kept: dict[str, bytes] = {}

    @cached_property
    def names(self) -> list[str]:
        return list(dict.fromkeys(self._list_members()))

    def _list_members(self) -> Iterator[str]:
        room = KEPT
        for name, read in members(self.path, largest=KEPT):
            if room > 0 and name not in self.kept and is_visible(split_path(name)):
                content = read_member(read)
                if isinstance(content, bytes):
                    self.kept[name] = content
                    room -= len(content)
            yield name

    def fingerprint(self, names: Iterable[str]) -> Iterator[Hashable]:
        yield str(self.path.resolve())
        yield file_fingerprint(self.path.parent, self.path.name)

    def exists(self, name: str) -> bool:
        return name in self._name_set

    @cached_property
    def _name_set(self) -> frozenset[str]:
        return frozenset(self.names)

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        wanted = dict.fromkeys(names)
        for name in [name for name in self.kept if name in wanted]:
            del wanted[name]
            yield name, self.kept.pop(name)
        if wanted:
            yield from read_members(self.path, wanted)

    def display_name(self, name: str) -> str:
        return f"{self.location}!{name}"


class ArchiveSource:
    """An archive whose content decides how it is read.

    The decision waits until the content is needed: unpacking takes seconds, and a cache may make it unnecessary.
    """

    def __init__(self, location: str, choose: Callable[[ArchiveFiles], DataSource]) -> None:
        self.location, self.choose = location, choose
        self.files = ArchiveFiles(location)

    @cached_property
    def source(self) -> DataSource:
        return self.choose(self.files)

    def fingerprint(self) -> Iterator[Hashable]:
        return self.files.fingerprint(())

    def scan(self, group_by: str | None) -> SourceManifest:
        return self.source.scan(group_by)

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        return self.source.contents(samples)

    def display_name(self, name: str) -> str:
        return self.files.display_name(name)


def read_members(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes | Unreadable]]:
    """The wanted files of an archive with their bytes, each once, in the order of the archive."""
    missing = set(wanted)
    for name, read in members(path):
        if name in missing:
            missing.remove(name)
            yield name, read_member(read)
        if not missing:
            return


def read_member(read: Callable[[], bytes]) -> bytes | Unreadable:
    try:
        return read()
    except Unreadable as problem:
        return problem


def members(path: Path, largest: int = LARGEST_FILE) -> Iterator[Member]:
    """The regular files of an archive, without folders, links and devices.

    Reading one raises Unreadable if it has more than `largest` bytes or if it alone is damaged.
    """
    counter = count()
    with damage_reported(path, counter):
        for name, read in zip_members(path, largest) if zipfile.is_zipfile(path) else tar_members(path, largest):
            yield name, partial(read_reported, path, counter, read)
            next(counter)


def read_reported(path: Path, counter: count[int], read: Callable[[], bytes]) -> bytes:
    with damage_reported(path, counter):
        return read()


@contextmanager
def damage_reported(path: Path, counter: count[int]) -> Iterator[None]:
    """Raises Problem for an archive that is damaged after the counted files, or that cannot be read."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise Problem(f"{path} could not be read: {os.strerror(error.errno)}", DATA) from error
        reason = str(error).partition("\n")[0].rstrip(":")  # tarfile adds a line for each kind that it tried
        where = f"after {next(counter):,} files ({reason})"
        raise Problem(f"{path} is damaged or breaks off {where}: copy, download or pack it again", DATA) from error


def zip_members(path: Path, largest: int) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
                yield info.filename, lambda info=info: zip_bytes(archive, info, largest)  # type: ignore[misc]


def zip_bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo, largest: int) -> bytes:
    if info.file_size > largest:
        raise too_large(info.file_size, largest)
    try:
        return archive.read(info)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise Unreadable(f"cannot be unpacked ({error})") from error  # one member: a checksum, a password


def tar_members(path: Path, largest: int) -> Iterator[Member]:
    # Not the faster "r|*", which does not notice that a file is truncated.
    with tarfile.open(path) as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep 1 kB for each file
            if info.isreg():
                yield info.name, lambda info=info: tar_bytes(archive, info, largest)  # type: ignore[misc]


def tar_bytes(archive: tarfile.TarFile, info: tarfile.TarInfo, largest: int) -> bytes:
    if info.size > largest:  # refused before it fills the memory
        raise too_large(info.size, largest)
    file = archive.extractfile(info)
    return file.read() if file else b""
