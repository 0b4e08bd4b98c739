"""Delimited text, CSV and TSV; the delimiter and the use of quotes are detected."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ..problem import Bad
from .content import LARGEST_FILE
from .formula import is_escaped, unescape
from .table import EXAMINED, Row, Table, excerpt

DELIMITERS = (",", "\t", ";", "|")
DECLARATION = re.compile(r"\"?sep=([,;\t|])\"?[^\S\n]*\n", re.IGNORECASE)  # a first line for Excel
ESCAPED = re.compile(r'\\(["\\])')
MOST_LINES = 1000  # of one row: a longer one has a quote that is never closed
csv.field_size_limit(LARGEST_FILE)  # the default limit of the csv module refuses a long text


class Dialect(NamedTuple):
    """The delimiter of a table, whether quotes enclose its cells, and whether a backslash escapes a quote in them."""

    delimiter: str
    quoted: bool
    escaped: bool = False


class _UnclosedQuote(Exception):
    """A quote that is opened and never closed."""


def read(name: str, text: str) -> Table:
    if declared := DECLARATION.match(text):
        text = "\n" + text[declared.end() :]  # lines keep their numbers
    dialect = detect_dialect(text, declared[1] if declared else DELIMITERS)
    return Table(name, unescaped(read_rows(name, text, dialect)), delimiter=dialect.delimiter)


def unescaped(rows: Iterator[Row | Bad]) -> Iterator[Row | Bad]:
    """The rows with the cells that neocog has escaped for spreadsheets as they were (formula.py)."""
    escaped: bool | None = None
    for row in rows:
        if isinstance(row, Bad):
            yield row
            continue
        escaped = is_escaped(row.cells) if escaped is None else escaped  # the first row is the header
        yield row._replace(cells=[unescape(cell) for cell in row.cells]) if escaped else row


def examined_lines(text: str) -> list[str]:
    return [line for line in text[: 1 << 20].split("\n", EXAMINED)[:EXAMINED] if line.strip()]


def detect_dialect(text: str, delimiters: Sequence[str] = DELIMITERS) -> Dialect:
    """The delimiter that cuts the first rows into the same number of columns, and how quotes enclose cells."""
    lines = examined_lines(text)
    candidates = []
    for delimiter in delimiters:
        quoted = quotes_enclose(lines, delimiter)
        dialect = Dialect(delimiter, quoted, quoted and backslashes_escape(lines, delimiter))
        mode, share = regularity(lines, dialect)
        if mode > 1:
            candidates.append((share, -DELIMITERS.index(delimiter), dialect))
    return max(candidates)[2] if candidates else Dialect(",", True)


def regularity(lines: Sequence[str], dialect: Dialect) -> tuple[int, float]:
    """The most common number of columns, and the share of rows that have it."""
    widths = [len(row) for row in _reader(lines, dialect) if row]
    mode = max(set(widths), key=widths.count, default=1)
    return mode, widths.count(mode) / max(1, len(widths))


def quotes_enclose(lines: Sequence[str], delimiter: str) -> bool:
    """Returns True if cells that begin with a quote also end with one, so that quotes are not part of the text.

    In a table with commas, quotes keep the commas of a text; a table with tabs often has quotes as plain characters:
    there they enclose cells if all of them end on their line, or if the rows are more regular so.
    """
    if delimiter != "\t":
        return True
    opened = [cell for line in lines for cell in line.split(delimiter) if cell.startswith('"')]
    if not opened:
        return False
    if all(len(cell) > 1 and cell.endswith('"') for cell in opened):
        return True
    plain, quoted = (regularity(lines, Dialect(delimiter, quoted)) for quoted in (False, True))
    return quoted[0] > 1 and quoted[1] > plain[1]


def backslashes_escape(lines: Sequence[str], delimiter: str) -> bool:
    """Returns True if quotes within quoted cells are written with a backslash, as MySQL writes them, not doubled."""
    within = re.compile(rf'(?<![\\"])\\"(?=[^"\n{re.escape(delimiter)}])')
    return any(within.search(line) for line in lines if line.startswith('"') or f'{delimiter}"' in line)


def doubled_quotes(text: str) -> str:
    """Writes quotes that a backslash escapes in the standard way, doubled."""
    return ESCAPED.sub(lambda match: '""' if match[1] == '"' else "\\", text)


def _reader(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    if not dialect.quoted:
        return csv.reader(lines, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=dialect.delimiter)


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
    lines, start = (doubled_quotes(text) if dialect.escaped else text).split("\n"), 0
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
