"""Places: files by their names, in a folder or in an archive, read when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from ..core.problem import Bad
from ..core.sources.archive import careful, is_shown, members, read_members, split_name
from ..core.sources.content import Content
from ..core.sources.folder import stamp_of, walk
from ..core.sources.listing import is_hidden

KEPT = 1 << 27  # bytes of an archive, unpacked, that the memory holds until they are asked for


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
    """A zip or tar, read without unpacking it to the disk; what it holds is kept from the look at its names on.

    An archive is gone through from front to back, and twice would take twice as long.
    """

    bad: Sequence[Bad] = ()

    def __init__(self, where: str) -> None:
        self.where, self.path = where, Path(where)
        self.kept: dict[str, bytes] = {}
        self.names = list(dict.fromkeys(self._looked_at()))

    def _looked_at(self) -> Iterator[str]:
        room = KEPT
        for name, read in members(self.path, largest=KEPT):
            if is_shown(split_name(name)):
                content = careful(read) if room > 0 and name not in self.kept else None
                if isinstance(content, bytes):
                    self.kept[name] = content
                    room -= len(content)
                yield name

    def stamp(self, names: Sequence[str]) -> Iterator[Hashable]:
        yield str(self.path.resolve())
        yield stamp_of(self.path.parent, self.path.name)

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, Content]]:
        wanted = set(names)
        for name in [name for name in self.kept if name in wanted]:
            wanted.remove(name)
            yield name, self.kept.pop(name)
        if wanted:
            yield from read_members(self.path, wanted)

    def full(self, name: str) -> str:
        return f"{self.where}!{name}"
