"""A zip or tar of a folder per class, read from front to back without unpacking it to the disk."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from pathlib import Path

from ..problem import DATA, Problem
from .content import LARGEST_FILE, Content, Kind, Unreadable, too_large
from .folder import stamp_of
from .listing import Item, Listing, is_hidden, kind_of_file, place

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
Member = tuple[str, Callable[[], bytes]]  # a regular file's name, and a function that reads it while it is at hand


class Archive:
    """Files in an archive. Links, absolute names and names that lead out of it are not followed."""

    def __init__(self, path: str, names: Sequence[str], kind: Kind) -> None:
        self.where, self.kind = path, kind
        self.path = Path(path)
        self.names = names

    def stamp(self) -> Iterator[Hashable]:
        yield str(self.path.resolve())
        yield stamp_of(self.path.parent, self.path.name)

    def listing(self, group_by: str | None) -> Listing:
        paths = [(name, split_name(name)) for name in self.names]
        shown = [(name, pieces) for name, pieces in paths if is_shown(pieces) and self.kind.named(name)]
        chosen = {name for name, _ in shown}
        ignored = Counter(kind_of_file(name) for name in self.names if name not in chosen)
        items, outside = place(shown)
        return Listing(items, ignored=ignored, outside=outside)

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        places = defaultdict(list)  # several, where a table names parts of one file
        for at, item in enumerate(items):
            places[item.name].append(at)
        for name, content in read_members(self.path, places):
            yield from ((at, content) for at in places[name])

    def full(self, name: str) -> str:
        return f"{self.where}!{name}"


def is_shown(pieces: tuple[str, ...]) -> bool:
    """Whether a name leads to a file inside, not hidden."""
    return bool(pieces) and ".." not in pieces and not is_hidden(pieces)


def names_in(path: Path) -> list[str]:
    """The regular files of an archive, each once."""
    return list(dict.fromkeys(name for name, _ in members(path)))


def split_name(name: str) -> tuple[str, ...]:
    """`./train/cats/1.jpg` as its pieces; an absolute name keeps a first piece that marks it as leading outside."""
    pieces = tuple(piece for piece in name.replace("\\", "/").split("/") if piece not in ("", "."))
    return ("..", *pieces) if name.startswith("/") else pieces


def read_members(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, bytes | Unreadable]]:
    """The wanted files of an archive with their bytes, each once, in the order in which they lie there."""
    left = set(wanted)
    for name, read in members(path):
        if name in left:
            left.remove(name)
            yield name, careful(read)


def careful(read: Callable[[], bytes]) -> bytes | Unreadable:
    try:
        return read()
    except Unreadable as problem:
        return problem
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:  # one member: a checksum, a password
        return Unreadable(f"cannot be unpacked ({error})")


def members(path: Path, largest: int = LARGEST_FILE) -> Iterator[Member]:
    """The regular files of an archive; what is a folder, a link or a device is left out.

    Reading one of more than `largest` bytes raises Unreadable.
    """
    count = 0
    try:
        for member in zip_members(path, largest) if zipfile.is_zipfile(path) else tar_members(path, largest):
            yield member
            count += 1
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise Problem(f"{path} could not be read: {os.strerror(error.errno)}", DATA) from error
        raise Problem(
            f"{path} is damaged or breaks off after {count:,} files ({error}): copy, download or pack it again", DATA
        ) from error


def zip_members(path: Path, largest: int) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if not info.is_dir() and not stat.S_ISLNK(info.external_attr >> 16):
                yield info.filename, lambda info=info: checked(info.file_size, largest, lambda: archive.read(info))  # type: ignore[misc]


def tar_members(path: Path, largest: int) -> Iterator[Member]:
    # Not the faster "r|*": at the end of a truncated file it stops as if all was well.
    with tarfile.open(path) as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep 1 kB of each of the files
            if info.isreg():
                yield info.name, lambda info=info: checked(info.size, largest, lambda: tar_bytes(archive, info))  # type: ignore[misc]


def tar_bytes(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(info)
    return file.read() if file else b""


def checked(size: int, largest: int, read: Callable[[], bytes]) -> bytes:
    """Refuses a member that would fill the memory before it is unpacked."""
    if size > largest:
        raise too_large(size, largest)
    return read()
