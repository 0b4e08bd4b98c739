"""Sources: what DATA, --test and --valid may be, told apart by looking at them."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from ..core.domain import Source
from ..core.problem import DATA, Problem
from ..core.sources.archive import ENDINGS as ARCHIVES
from ..core.sources.archive import Archive, names_in
from ..core.sources.content import Content, file_reason
from ..core.sources.folder import Folder, stamp_of
from ..core.sources.gather import missing
from ..core.sources.listing import Item, Listing, Origin
from ..core.sources.survey import Placed
from ..core.sources.table import ENDINGS as TABLES
from ..core.sources.table import Table
from .batches import batches_among
from .datasets import KNOWN, NAMES, Digits, data_set
from .idx import IMAGES, idx_at
from .picture import PICTURES


class Packed:
    """An archive. What is in it is looked at when it must be: that takes seconds, and a cache may know it already."""

    def __init__(self, path: str) -> None:
        self.where = path

    @cached_property
    def inner(self) -> Origin:
        names = names_in(Path(self.where))
        return batches_among(self.where, names) or Archive(self.where, names, PICTURES)

    def stamp(self) -> Iterator[Hashable]:
        yield str(Path(self.where).resolve())
        yield stamp_of(Path(self.where).parent, Path(self.where).name)

    def listing(self, group_by: str | None) -> Listing:
        return self.inner.listing(group_by)

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        return self.inner.contents(items)

    def full(self, name: str) -> str:
        return f"{self.where}!{name}"


def origins(source: Source, cache: Path) -> list[Placed]:
    """The places that a source names: DATA, and what is given for validation and test."""
    said = ((source.data, None), (source.valid, "valid"), (source.test, "test"))
    return [Placed(origin(path, cache), part) for path, part in said if path is not None]


def origin(text: str, cache: Path) -> Origin:
    """What a path or a name stands for; where both are there, the path does."""
    path = Path(text)
    if not os.path.exists(text):
        if text == "digits":
            return Digits()
        if text not in KNOWN:
            raise missing(text, NAMES)
        return named(text, cache)
    return in_folder(text, path) if path.is_dir() else from_file(text, path)


def named(name: str, cache: Path) -> Origin:
    path = data_set(name, cache)
    names = KNOWN[name].labels
    idx = idx_at(path, names) if names else None
    return idx or (in_folder(str(path), path) if path.is_dir() else from_file(str(path), path))


def in_folder(text: str, path: Path) -> Origin:
    try:
        names = os.listdir(path)
    except OSError as error:
        raise Problem(f"{text} {file_reason(path, error)}", DATA) from error
    if any(IMAGES.fullmatch(name) for name in names) and (idx := idx_at(path)):
        return idx
    return batches_among(text, names) or Folder(text, PICTURES)


def from_file(text: str, path: Path) -> Origin:
    name = path.name.lower()
    if not os.access(path, os.R_OK):
        raise Problem(f"{text} may not be read (permission denied)", DATA)
    if name.endswith(ARCHIVES):
        return Packed(text)
    if name.endswith(TABLES):
        return Table(text, PICTURES)
    if idx := idx_at(path):
        return idx
    found = "one picture" if PICTURES.named(name) else "not a kind of data that vision knows"
    raise Problem(f"{text} is {found}; expected {PICTURES.expected}", DATA)
