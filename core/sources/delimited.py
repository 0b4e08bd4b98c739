"""Delimited text, CSV and TSV; the delimiter and the use of quotes are detected."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..problem import Bad
from .content import LARGEST_FILE
from .table import EXAMINED, Row, Table, excerpt

DELIMITERS = (",", "\t", ";", "|")
MOST_LINES = 1000  # of one row: a longer one has a quote that is never closed
csv.field_size_limit(LARGEST_FILE)  # the default limit of the csv module refuses a long text


class Dialect(NamedTuple):
    """The delimiter of a table, and whether quotes enclose its cells."""

    delimiter: str
    quoted: bool


class _UnclosedQuote(Exception):
    """A quote that is opened and never closed."""


def read(name: str, text: str) -> Table:
    dialect = detect_dialect(text)
    return Table(name, read_rows(name, text, dialect), delimiter=dialect.delimiter)


def detect_dialect(text: str) -> Dialect:
    """The delimiter that cuts the first rows into the same number of columns, and whether quotes enclose cells."""
    lines = [line for line in text[: 1 << 20].split("\n", EXAMINED)[:EXAMINED] if line.strip()]
    candidates = []
    for delimiter in DELIMITERS:
        dialect = Dialect(delimiter, quotes_enclose(lines, delimiter))
        widths = [len(row) for row in _reader(lines, dialect) if row]
        mode = max(set(widths), key=widths.count, default=1)
        if mode > 1:
            candidates.append((widths.count(mode) / len(widths), -DELIMITERS.index(delimiter), dialect))
    return max(candidates)[2] if candidates else Dialect(",", True)


def quotes_enclose(lines: Sequence[str], delimiter: str) -> bool:
    """Returns True if cells that begin with a quote also end with one, so that quotes are not part of the text.

    In a table with commas, quotes keep the commas of a text; a table with tabs often has quotes as plain characters.
    """
    if delimiter != "\t":
        return True
    opened = [cell for line in lines for cell in line.split(delimiter) if cell.startswith('"')]
    return bool(opened) and all(len(cell) > 1 and cell.endswith('"') for cell in opened)


def _reader(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    if dialect.quoted:
        return csv.reader(lines, delimiter=dialect.delimiter)
    return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)


class _Lines:
    """The lines of a text for the csv module; raises _UnclosedQuote in a row that does not end."""

    def __init__(self, lines: Sequence[str], start: int) -> None:
        self.lines, self.position, self.row_start = lines, start, start

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.position >= len(self.lines):
            raise StopIteration
        if self.position - self.row_start >= MOST_LINES:
            raise _UnclosedQuote
        self.position += 1
        return self.lines[self.position - 1] + "\n"


def read_rows(name: str, text: str, dialect: Dialect) -> Iterator[Row | Bad]:
    """The rows that are not empty, with the line each begins on.

    A quote that is not closed would swallow the rest of the file: its row is Bad, and reading goes on after its line.
    """
    lines, start = text.split("\n"), 0
    while start < len(lines):
        source = _Lines(lines, start)
        try:
            for cells in _reader(source, dialect):
                first, source.row_start = source.row_start, source.position
                if _is_open(lines, first, source.position, dialect):
                    source.row_start = first
                    raise _UnclosedQuote
                if any(cell.strip() for cell in cells):
                    yield Row(first + 1, [cell.rstrip("\n") for cell in cells])
            return
        except _UnclosedQuote:
            reason = f"opens a quote that is not closed: {excerpt(lines[source.row_start])}"
        except csv.Error as error:
            reason = f"cannot be read ({error}): {excerpt(lines[source.row_start])}"
        yield Bad(f"{name}:{source.row_start + 1}", reason)
        start = source.row_start + 1


def _is_open(lines: Sequence[str], first: int, end: int, dialect: Dialect) -> bool:
    """Returns True if a row extends to the end of the file because its quote is never closed."""
    if not dialect.quoted or end < len(lines) or end - first < 1:
        return False
    quotes = sum(line.count('"') for line in lines[first:end])
    return quotes % 2 == 1 and any(cell.startswith('"') for cell in lines[first].split(dialect.delimiter))
