"""A table of files: CSV or TSV with a path and a label in each row."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..problem import DATA, Bad, Problem
from .content import Content, Kind, file_reason
from .folder import stamp_of
from .listing import PART_OF, Item, Listing, same_label

PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "audio")
LABELS = ("label", "class", "category", "target", "y")
SPLIT = "split"
ENDINGS = (".csv", ".tsv")


class Row(NamedTuple):
    line: int
    cells: list[str]


class Columns(NamedTuple):
    """The positions of what a table says."""

    path: int
    label: int
    split: int | None
    group: int | None
    width: int  # how many columns there are


class Table:
    """Files named by the rows of a table; their paths are relative to it."""

    def __init__(self, path: str, kind: Kind) -> None:
        self.where, self.kind = path, kind
        self.path = Path(path)

    def stamp(self) -> Iterator[Hashable]:
        yield str(self.path.resolve())
        yield stamp_of(self.path.parent, self.path.name)
        for item in self.listing(None).items:
            yield stamp_of(self.path.parent, item.name)

    def listing(self, group_by: str | None) -> Listing:
        rows = rows_of(self.path)
        columns = columns_of(rows, group_by, self.where, self.kind)
        listing = Listing([], grouped=columns.group is not None)
        for row in rows:
            found = self.item(row, columns)
            if isinstance(found, Bad):
                listing.bad.append(found)
            else:
                listing.items.append(found)
        return listing

    def item(self, row: Row, columns: Columns) -> Item | Bad:
        """The file that a row names, or what is wrong with the row."""
        where = f"{self.path.name}:{row.line}"
        if len(row.cells) != columns.width:
            raise Problem(f"{self.where}:{row.line} has {len(row.cells)} columns; expected {columns.width}", DATA)
        name, label = row.cells[columns.path].strip(), same_label(row.cells[columns.label])
        if not name or not label:
            return Bad(where, "names no file" if not name else "has no label")
        if not os.path.lexists(self.path.parent / name):
            return Bad(where, f"names {name}, which does not exist")
        part = None if columns.split is None else self.part(row, row.cells[columns.split])
        return Item(name, label, part, None if columns.group is None else row.cells[columns.group])

    def part(self, row: Row, text: str) -> str:
        if text.strip().lower() not in PART_OF:
            raise Problem(f"{self.where}:{row.line} has the split {text!r}; expected train, valid or test", DATA)
        return PART_OF[text.strip().lower()]

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        for at, item in enumerate(items):
            yield at, self.path.parent / item.name

    def full(self, name: str) -> str:
        return os.path.join(os.path.dirname(self.where), name)


def rows_of(path: Path) -> list[Row]:
    """The rows of a table that are not empty, with the line of the file on which each ends."""
    text = text_of(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_in(text.split("\n", 1)[0]))
    try:
        rows = [Row(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise Problem(f"{path}:{reader.line_num} cannot be read: {error}", DATA) from error
    if not rows:
        raise Problem(f"{path} is empty; expected rows of path and label", DATA)
    return rows


def text_of(path: Path) -> str:
    try:
        content = path.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise Problem(f"{path} {file_reason(path, error)}", DATA) from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Problem(f"{path}:{line} is not UTF-8; save the table as UTF-8", DATA) from error


def delimiter_in(line: str) -> str:
    return max(("\t", ";", ","), key=line.count)


def columns_of(rows: list[Row], group_by: str | None, where: str, kind: Kind) -> Columns:
    """Where the columns are; takes the header off `rows` where there is one."""
    header = [cell.strip().lower() for cell in rows[0].cells]
    path, label = first_of(PATHS, header), first_of(LABELS, header)
    if path is not None and label is not None:
        rows.pop(0)
        group = header.index(group_by.lower()) if group_by and group_by.lower() in header else None
        return Columns(path, label, header.index(SPLIT) if SPLIT in header else None, group, len(header))
    if (path is not None or label is not None) and not kind.named(header[0]):
        lacks = f"a label ({', '.join(LABELS)})" if label is None else f"a path ({', '.join(PATHS)})"
        raise Problem(f"{where}:1 has the columns {', '.join(header)}; none of them is {lacks}", DATA)
    if len(header) < 2:
        raise Problem(f"{where}:{rows[0].line} has one column; expected path and label, divided by , ; or tab", DATA)
    return Columns(0, 1, None, None, len(header))


def first_of(names: tuple[str, ...], header: list[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
