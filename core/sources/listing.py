"""Listing: which examples a source has, with label and part, before any of them is decoded."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import NamedTuple, Protocol

from ..problem import Bad
from .content import Content

PART_OF = {
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "test": "test",
    "testing": "test",
}


class Item(NamedTuple):
    """One example of a source. `name` is unique to it within the source, or the path that a table's row gives."""

    name: str
    label: str
    part: str | None = None  # "train", "valid" or "test" where the source says so
    group: str | None = None  # what --group-by asks for, where the source is a table with such a column
    span: tuple[float, float] | None = None  # from and to, in seconds, where a table names a part of a recording


@dataclass
class Listing:
    """The examples of one source, and what was left out."""

    items: list[Item]
    bad: list[Bad] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)  # how many files, by suffix
    outside: int = 0  # files that lie in no class folder
    order: list[str] | None = None  # the labels in their official order, where there is one
    grouped: bool = False  # whether items carry a group of their own


class Origin(Protocol):
    """A place that examples come from: a folder, an archive, a table, arrays."""

    where: str

    def stamp(self) -> Iterator[Hashable]:
        """What changes when a file changes, found without reading the files."""

    def listing(self, group_by: str | None) -> Listing: ...

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        """The content of each item, with its position in `items`, in the order that is cheapest to read."""

    def full(self, name: str) -> str:
        """What people may call the file with this name."""


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts 9 before 10."""
    pieces = re.split(r"([0-9]+)", text)
    return tuple((0, int(piece), piece) if piece.isdecimal() else (1, 0, piece) for piece in pieces if piece)


def same_label(text: str) -> str:
    """One spelling for what looks the same: macOS writes é as two characters, others as one."""
    return unicodedata.normalize("NFC", text).strip()


def is_hidden(pieces: Sequence[str]) -> bool:
    return any(piece.startswith(".") or piece == "__MACOSX" for piece in pieces)


def kind_of_file(name: str) -> str:
    """A file's suffix, or its name where it has none."""
    return PurePath(name).suffix.lower() or PurePath(name).name


def place(paths: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[list[Item], int]:
    """Items with label and part from the folders they lie in, and the number of files that lie in none.

    `paths` are names with the folders and the file name they consist of.
    """
    listed = sorted(paths, key=lambda path: natural(path[0]))
    depth = wrapping([pieces for _, pieces in listed])
    inner = [(name, pieces[depth:]) for name, pieces in listed]
    parts = part_folders([pieces for _, pieces in inner])
    items = []
    for name, pieces in inner:
        part = parts.get(pieces[0])
        folders = pieces[1:-1] if part else pieces[:-1]
        if folders and (part or not parts):
            items.append(Item(name, same_label(folders[0]), part))
    return items, len(inner) - len(items)


def wrapping(paths: Sequence[tuple[str, ...]]) -> int:
    """How many folders are merely wrapped around the class folders or train/ and test/, as archives often do."""
    for depth in range(min(map(len, paths), default=0) - 1):
        heads = {pieces[depth] for pieces in paths}
        if len(heads) > 1 or heads.pop().lower() in PART_OF:
            return depth
    return 0


def part_folders(paths: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """The top folders that are parts, not classes: named like one, with folders and no files directly in them.

    A class may be called "train" or "test", so parts need a train/ among them, or nothing else beside them.
    """
    shallowest: dict[str, int] = {}
    for pieces in paths:
        shallowest[pieces[0]] = min(len(pieces), shallowest.get(pieces[0], len(pieces)))
    parts = {head: PART_OF[head.lower()] for head, low in shallowest.items() if head.lower() in PART_OF and low >= 3}
    return parts if "train" in parts.values() or len(parts) == len(shallowest) else {}
