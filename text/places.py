"""Places: files by their names, in a folder or in an archive, read when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ..core.problem import Bad
from ..core.sources.archive import is_shown, names_in, read_members, split_name
from ..core.sources.content import Content
from ..core.sources.folder import stamp_of, walk
from ..core.sources.listing import is_hidden


class Place(Protocol):
    """Where files lie; their names are paths within it."""

    where: str

    @property
    def names(self) -> Sequence[str]: ...

    bad: Sequence[Bad]  # folders that may not be entered

    def stamp(self, names: Sequence[str]) -> Iterator[Hashable]:
        """What changes when one of the files does."""

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        """The files with these names, in the order that is cheapest to read."""

    def full(self, name: str) -> str:
        """What people may call a file."""


class Disk:
    """A folder, or a single file of one."""

    bad: Sequence[Bad] = ()

    def __init__(self, where: str, names: Sequence[str] | None = None) -> None:
        self.where, self.root = where, Path(where)
        if names is None:
            found, self.bad = walk(self.root)
            names = [name for name in found if not is_hidden(Path(name).parts)]
        self.names = names

    def stamp(self, names: Sequence[str]) -> Iterator[Hashable]:
        yield str(self.root.resolve())
        yield from sorted(stamp_of(self.root, name) for name in names)
        yield from sorted(self.bad)

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        for name in names:
            yield name, self.root / name

    def full(self, name: str) -> str:
        return os.path.join(self.where, name)


class Packed:
    """A zip or tar, read without unpacking it to the disk."""

    bad: Sequence[Bad] = ()

    def __init__(self, where: str) -> None:
        self.where, self.path = where, Path(where)
        self.names = [name for name in names_in(self.path) if is_shown(split_name(name))]

    def stamp(self, names: Sequence[str]) -> Iterator[Hashable]:
        yield str(self.path.resolve())
        yield stamp_of(self.path.parent, self.path.name)

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        yield from read_members(self.path, names)

    def full(self, name: str) -> str:
        return f"{self.where}!{name}"
