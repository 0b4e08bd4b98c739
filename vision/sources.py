"""Sources: what DATA, --test and --valid may be, told apart by looking at them."""

from __future__ import annotations

import os
from pathlib import Path

from ..core.data import DataSpec
from ..core.problem import DATA, Problem
from ..core.sources.archive import ENDINGS as ARCHIVES
from ..core.sources.content import file_reason
from ..core.sources.expand import missing
from ..core.sources.folder import Folder
from ..core.sources.listing import Origin
from ..core.sources.packed import Packed
from ..core.sources.survey import Placed
from ..core.sources.table import ENDINGS as TABLES
from ..core.sources.table import Table
from .batches import batches_among
from .datasets import KNOWN, NAMES, Digits, data_set
from .idx import IMAGES, idx_at
from .picture import PICTURES


def origins(source: DataSpec, cache: Path) -> list[Placed]:
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
        return Packed(text, PICTURES, lambda names: batches_among(text, names))
    if name.endswith(TABLES):
        return Table(text, PICTURES)
    if idx := idx_at(path):
        return idx
    found = "one picture" if PICTURES.named(name) else "not a kind of data that vision knows"
    raise Problem(f"{text} is {found}; expected {PICTURES.expected}", DATA)
