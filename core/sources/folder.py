"""Files in a folder and its subfolders."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from ..problem import Bad
from .content import Content, Kind, file_reason
from .source import PROGRAM_FOLDERS, is_hidden


class FolderFiles:
    """Files under a folder. Links to files and folders are followed; each real folder is visited once."""

    def __init__(self, location: str) -> None:
        self.location, self.root = location, Path(location)
        self.bad: Sequence[Bad] = ()

    @cached_property
    def names(self) -> list[str]:
        names, self.bad = walk(self.root)
        return names

    def fingerprint(self, names: Iterable[str]) -> Iterator[Hashable]:
        yield str(self.root.resolve())
        yield from sorted(file_fingerprint(self.root, name) for name in names)
        yield from sorted(self.bad)

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.root / name)

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        for name in names:
            yield name, self.root / name

    def display_name(self, name: str) -> str:
        return os.path.join(self.location, name)


def folder_fingerprint(path: str, kind: Kind) -> Iterator[Hashable]:
    """Values that change when a file of the kind under a folder changes."""
    files = FolderFiles(path)
    yield from files.fingerprint([name for name in files.names if kind.named(name)])


def walk(root: Path) -> tuple[list[str], list[Bad]]:
    """All files under a folder, by their path within it, and the folders that could not be read.

    Real folders come first and linked ones after them, so that a link never takes the place of the folder it points
    to; a visited folder is not entered again, so that a loop of links ends.
    """
    files: list[str] = []
    bad: list[Bad] = []
    visited: set[str] = set()
    waiting, links = [""], list[str]()
    while waiting or links:
        folder = waiting.pop() if waiting else links.pop(0)
        real = os.path.realpath(root / folder)
        if real in visited:
            continue
        visited.add(real)
        try:
            entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            if not is_hidden(Path(folder).parts):  # what programs leave is often closed, and not needed
                bad.append(Bad(folder or ".", file_reason(root / folder, error)))
            continue
        for entry in entries:
            name = os.path.join(folder, entry.name)
            if not is_folder(entry):
                files.append(name)
            elif not entry.name.startswith(".") or entry.name in PROGRAM_FOLDERS:  # those are counted
                (links if entry.is_symlink() else waiting).append(name)
    return files, bad


def is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def file_fingerprint(root: Path, name: str) -> tuple[str, int, int, int]:
    """Name, size, modification time and permissions; a file without a status counts as absent."""
    try:
        status = os.stat(root / name)
    except OSError:
        return name, -1, 0, 0
    return name, status.st_size, status.st_mtime_ns, status.st_mode
