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
STARTS = ("start", "begin", "onset", "from")  # seconds into the file, where a row names a part of it
ENDS = ("end", "stop", "offset", "to")
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
    names: Sequence[str] = ()  # of all columns, where there is a header
    span: tuple[int, int] | None = None  # of the seconds where a part of a file begins and ends

    @property
    def width(self) -> int:
        return len(self.names)


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
        rows = rows_of(self.text(), self.where)
        columns = columns_of(rows, group_by, self.where, self.kind)
        listing = Listing([], grouped=columns.group is not None)
        for row in rows:
            found = self.item(row, columns)
            if isinstance(found, Bad):
                listing.bad.append(found)
            else:
                listing.items.append(found)
        return listing

    def text(self) -> str:
        return text_of(self.path)

    def there(self, name: str) -> bool:
        """Whether a file that a row names is there."""
        return os.path.lexists(self.path.parent / name)

    def item(self, row: Row, columns: Columns) -> Item | Bad:
        """The file that a row names, or what is wrong with the row."""
        where = f"{self.path.name}:{row.line}"
        if len(row.cells) != columns.width:
            raise Problem(f"{self.where}:{row.line} has {len(row.cells)} columns; expected {columns.width}", DATA)
        name, label = row.cells[columns.path].strip(), same_label(row.cells[columns.label])
        if not name or not label:
            return Bad(where, "names no file" if not name else "has no label")
        if not self.there(name):
            return Bad(where, f"names {name}, which does not exist")
        part = None if columns.split is None else self.part(row, row.cells[columns.split])
        group = None if columns.group is None else row.cells[columns.group]
        fields = dict(zip(columns.names, (cell.strip() for cell in row.cells), strict=True))
        return Item(name, label, part, group, self.span(row, columns), fields)

    def span(self, row: Row, columns: Columns) -> tuple[float, float] | None:
        """From and to in seconds; None where both are left empty, or nobody asks for a part."""
        if columns.span is None or not any(texts := [row.cells[at].strip() for at in columns.span]):
            return None
        try:
            start, end = map(float, texts)
        except ValueError:
            told = " to ".join(texts)
            raise Problem(
                f"{self.where}:{row.line} has the times {told!r}; expected seconds, as in 1.5", DATA
            ) from None
        return start, end

    def part(self, row: Row, text: str) -> str:
        if text.strip().lower() not in PART_OF:
            raise Problem(f"{self.where}:{row.line} has the split {text!r}; expected train, valid or test", DATA)
        return PART_OF[text.strip().lower()]

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        for at, item in enumerate(items):
            yield at, self.path.parent / item.name

    def full(self, name: str) -> str:
        return os.path.join(os.path.dirname(self.where), name)


def rows_of(text: str, where: str) -> list[Row]:
    """The rows of a table that are not empty, with the line of the file on which each ends."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_in(text.split("\n", 1)[0]))
    try:
        rows = [Row(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise Problem(f"{where}:{reader.line_num} cannot be read: {error}", DATA) from error
    if not rows:
        raise Problem(f"{where} is empty; expected rows of path and label", DATA)
    return rows


def text_of(path: Path) -> str:
    try:
        return decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise Problem(f"{path} {file_reason(path, error)}", DATA) from error


def decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Problem(f"{where}:{line} is not UTF-8; save the table as UTF-8", DATA) from error


def delimiter_in(line: str) -> str:
    return max(("\t", ";", ","), key=line.count)


def columns_of(rows: list[Row], group_by: str | None, where: str, kind: Kind) -> Columns:
    """Where the columns are; takes the header off `rows` where there is one."""
    header = [cell.strip().lower() for cell in rows[0].cells]
    path, label = first_of(PATHS, header), first_of(LABELS, header)
    if path is not None and label is not None:
        rows.pop(0)
        group = header.index(group_by.lower()) if group_by and group_by.lower() in header else None
        start, end = first_of(STARTS, header), first_of(ENDS, header)
        span = None if start is None or end is None else (start, end)
        return Columns(path, label, header.index(SPLIT) if SPLIT in header else None, group, header, span)
    if (path is not None or label is not None) and not kind.named(header[0]):
        lacks = f"a label ({', '.join(LABELS)})" if label is None else f"a path ({', '.join(PATHS)})"
        raise Problem(f"{where}:1 has the columns {', '.join(header)}; none of them is {lacks}", DATA)
    if len(header) < 2:
        raise Problem(f"{where}:{rows[0].line} has one column; expected path and label, divided by , ; or tab", DATA)
    return Columns(0, 1, None, None, [f"column {at + 1}" for at in range(len(header))])


def first_of(names: tuple[str, ...], header: list[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
