"""A folder per class, with or without train/, val/ and test/ around the classes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

from ..problem import Bad
from .content import Content, Kind, file_reason
from .listing import Item, Listing, is_hidden, kind_of_file, place


class Folder:
    """Files in folders. Links to files and folders are followed, each real folder is visited once."""

    def __init__(self, path: str, kind: Kind) -> None:
        self.where, self.kind = path, kind
        self.root = Path(path)

    def stamp(self) -> Iterator[Hashable]:
        yield str(self.root.resolve())
        files, bad = walk(self.root)
        yield from sorted(stamp_of(self.root, name) for name in files if self.kind.named(name))
        yield from sorted(bad)

    def listing(self, group_by: str | None) -> Listing:
        files, bad = walk(self.root)
        shown = [name for name in files if self.kind.named(name) and not is_hidden(Path(name).parts)]
        items, outside = place((name, Path(name).parts) for name in shown)
        chosen = set(shown)
        return Listing(items, bad, Counter(kind_of_file(name) for name in files if name not in chosen), outside)

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        for at, item in enumerate(items):
            yield at, self.root / item.name

    def full(self, name: str) -> str:
        return os.path.join(self.where, name)


def walk(root: Path) -> tuple[list[str], list[Bad]]:
    """All files under a folder, by their path within it, and the folders that could not be read.

    Real folders come first and linked ones after, so that a link never takes the place of the folder it points to;
    a folder that was seen is not entered again, so that a loop of links ends.
    """
    files: list[str] = []
    bad: list[Bad] = []
    seen: set[str] = set()
    waiting, links = [""], list[str]()
    while waiting or links:
        folder = waiting.pop() if waiting else links.pop(0)
        real = os.path.realpath(root / folder)
        if real in seen:
            continue
        seen.add(real)
        try:
            found = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
        except OSError as error:
            bad.append(Bad(folder or ".", file_reason(root / folder, error)))
            continue
        for entry in found:
            name = os.path.join(folder, entry.name)
            if not is_folder(entry):
                files.append(name)
            elif not is_hidden([entry.name]):
                (links if entry.is_symlink() else waiting).append(name)
    return files, bad


def is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def stamp_of(root: Path, name: str) -> tuple[str, int, int, int]:
    """Name, size, time of change and permissions; a file that cannot be asked counts as absent."""
    try:
        status = os.stat(root / name)
    except OSError:
        return name, -1, 0, 0
    return name, status.st_size, status.st_mtime_ns, status.st_mode
