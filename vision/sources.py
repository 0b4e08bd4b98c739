"""Sources: what DATA, --test and --valid may be, told apart by looking at them."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ..core.domain import Source
from ..core.problem import DATA, USAGE, Problem, did_you_mean
from .archive import ENDINGS as ARCHIVES
from .archive import Archive, names_in
from .batches import batches_among
from .datasets import KNOWN, NAMES, Digits, data_set
from .folder import Folder, stamp_of
from .idx import IMAGES, idx_at
from .listing import Item, Listing, Origin, is_picture
from .picture import Content, file_reason
from .table import ENDINGS as TABLES
from .table import Table

KINDS = "a folder with one folder per class, a .zip or .tar of it, IDX files, CIFAR-10 batches or a .csv of path, label"


class Placed(NamedTuple):
    """A place that pictures come from, and the part they are for where that was said."""

    origin: Origin
    part: str | None


class Packed:
    """An archive. What is in it is looked at when it must be: that takes seconds, and a cache may know it already."""

    def __init__(self, path: str) -> None:
        self.where = path

    @cached_property
    def inner(self) -> Origin:
        names = names_in(Path(self.where))
        return batches_among(self.where, names) or Archive(self.where, names)

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
    return batches_among(text, names) or Folder(text)


def from_file(text: str, path: Path) -> Origin:
    name = path.name.lower()
    if not os.access(path, os.R_OK):
        raise Problem(f"{text} may not be read (permission denied)", DATA)
    if name.endswith(ARCHIVES):
        return Packed(text)
    if name.endswith(TABLES):
        return Table(text)
    if idx := idx_at(path):
        return idx
    found = "one picture" if is_picture(name) else "not a kind of data that vision knows"
    raise Problem(f"{text} is {found}; expected {KINDS}", DATA)


def missing(text: str, names: Sequence[str] = ()) -> Problem:
    """The first part of a path that is not there, with what may have been meant."""
    path = Path(text)
    lost = next((p for p in reversed([path, *path.parents]) if not os.path.lexists(p)), path)
    near = [p.name for p in lost.parent.iterdir()] if lost.parent.is_dir() and os.access(lost.parent, os.R_OK) else []
    hint = did_you_mean(lost.name, [*near, *names])
    where = f"{text} does not exist" if lost == path else f"{text} does not exist: there is no {lost}"
    return Problem(where + hint, USAGE)
