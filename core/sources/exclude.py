"""Examples that a table names to be left out of training: `train --exclude FILE`."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path

from .. import files
from ..problem import DATA, Problem
from .formula import unescape
from .manifest import NAMED, Manifest
from .table import Row, read_table

NAME_COLUMNS = ("file", "input", "name", "path")
EXCLUDE = "exclude"  # the column that says which rows are left out; without it all are
NO = frozenset({"", "no", "n", "0", "false", "keep"})
YES = frozenset({"yes", "y", "1", "true", "exclude", "x"})


def fingerprint(path: str | None) -> Hashable:
    """A value that changes with the content of the table, a part of the key of a cache."""
    return None if path is None else blake2b(_content(path), digest_size=16).hexdigest()


def _content(path: str) -> bytes:
    files.require_file(Path(path), "a table of files to leave out, as neocog clean writes it")
    return Path(path).read_bytes()


def excluded_names(path: str) -> list[str]:
    """The names of the rows that a table leaves out. Raises Problem if it is no table of names."""
    return list(_excluded_names(path, fingerprint(path)))


@cache
def _excluded_names(path: str, fingerprint: Hashable) -> tuple[str, ...]:
    table = read_table(path, _content(path))
    rows = [row.cells for row in table.rows if isinstance(row, Row) and any(row.cells)]
    header = table.header
    is_list = all(len(cells) == 1 for cells in rows)
    if header is None and rows and (not is_list or rows[0][0].strip().lower() in NAME_COLUMNS):
        header = rows.pop(0)
    columns = [cell.strip().lower() for cell in header or ["file"]]
    name = next((columns.index(column) for column in NAME_COLUMNS if column in columns), None)
    if name is None:
        raise Problem(
            f"{path} has the columns {', '.join(columns[:NAMED])}; expected one called {' or '.join(NAME_COLUMNS)}",
            DATA,
        )
    mark = columns.index(EXCLUDE) if EXCLUDE in columns else None
    return tuple(unescape(cells[name]) for cells in rows if len(cells) > name and _is_marked(cells, mark, path))


def _is_marked(cells: Sequence[str], mark: int | None, path: str) -> bool:
    """Whether a row is left out."""
    if mark is None:
        return True
    value = cells[mark].strip().lower() if len(cells) > mark else ""
    if value not in YES | NO:
        raise Problem(f"{path}: the column {EXCLUDE} is yes or no; got {cells[mark]!r}", DATA)
    return value in YES


def leave_out(manifest: Manifest, path: str) -> None:
    """Removes the samples that a table names, by their whole name or by that within their source.

    Raises Problem if the table names none of them; names that are not in the data are counted in a remark.
    """
    names = set(excluded_names(path))
    indices_of: dict[str, list[int]] = {}
    for index, sample in enumerate(manifest.samples):
        for name in {manifest.display_name(index), sample.name}:
            indices_of.setdefault(name, []).append(index)
    known = {name for name in names if name in indices_of}
    if names and not known:
        example = manifest.display_name(0) if manifest.samples else "none"
        raise Problem(
            f"none of the {len(names):,} names in {path} is in {manifest.spec.data}: the first is {min(names)}, "
            f"the names of the data are such as {example}",
            DATA,
        )
    removed = {index for name in known for index in indices_of[name]}
    kept = [index for index in range(len(manifest.samples)) if index not in removed]
    manifest.samples = [manifest.samples[index] for index in kept]
    manifest.source_indices = [manifest.source_indices[index] for index in kept]
    manifest.remarks.append(f"left out {manifest.kind.counted(len(removed))} named in {os.path.basename(path)}")
    if missing := len(names) - len(known):
        manifest.remarks.append(f"{missing:,} names in {os.path.basename(path)} are not in the data")
