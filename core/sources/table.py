"""Tables as rows of cells, whatever their format: CSV, TSV, JSON Lines, Parquet, Excel; also compressed with gzip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from ..problem import DATA, Bad, Problem
from .content import Unreadable, fetched
from .gzipped import unpacked, without_ending

if TYPE_CHECKING:
    from .judge import LabelColumn

DELIMITED, JSON_LINES, PARQUET = (".csv", ".tsv", ".tab"), (".jsonl", ".ndjson", ".json"), (".parquet",)
SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")  # the last three are refused with how to export them
TABLES = (*DELIMITED, *JSON_LINES, *PARQUET, *SPREADSHEETS)  # suffixes
SEVERAL = "|"  # between the values of a list in a cell
EXCERPT = 60  # characters of a row in a message
EXAMINED = 200  # rows that decide what the columns mean


class Row(NamedTuple):
    """The cells of a row, and the line it begins on."""

    line: int
    cells: list[str]


@dataclass
class ColumnUse:
    """What the columns of a table were taken for, and the labels in it."""

    text: str  # "text: column review; label: column stars"
    label: LabelColumn
    hint: str = ""  # the options that name other columns, if these were recognised by their cells
    labels: set[str] = field(default_factory=set)


@dataclass
class Table:
    """A table that is read row by row."""

    name: str
    rows: Iterator[Row | Bad]  # a row that cannot be read is Bad
    header: list[str] | None = None  # the names of the columns if the format has them; the first row may be a header
    delimiter: str = ","
    remarks: list[str] = field(default_factory=list)  # about the encoding and the columns
    embedded: str | None = None  # the column whose cells are encoded files, such as pictures
    classes: dict[str, list[str]] = field(default_factory=dict)  # the names of classes in their order, by column
    questions: list[str] = field(default_factory=list)  # columns of choices, as annotation programs export them
    use: ColumnUse | None = None  # what the columns were taken for, once they are known


def read_table(name: str, content: bytes | Path, encoding: str | None = None) -> Table:
    """Reads a table in the format that its suffix names; any other suffix is read as delimited text."""
    from . import parquet, spreadsheet
    from .encodings import decode_text

    content = unpacked(name, content)
    if suffix_of_table(name) in PARQUET:
        return parquet.read(name, content)
    if suffix_of_table(name) in SPREADSHEETS:
        return spreadsheet.read(name, content)
    text, issues = decode_text(content_of(name, content), encoding)
    table = parse_table(name, text)
    table.remarks += issues.sentences(name)
    return table


def content_of(name: str, content: bytes | Path) -> bytes:
    """The bytes of a table. Raises Problem for a file that cannot be read."""
    try:
        result = fetched(content)
    except Unreadable as problem:
        raise Problem(f"{name} {problem}", DATA) from None
    assert isinstance(result, bytes)
    return result


def suffix_of_table(name: str) -> str:
    """The suffix of a name in lower case, without that of gzip: `.csv` of reviews.csv.gz."""
    return PurePath(without_ending(name)).suffix.lower()


def is_table(name: str) -> bool:
    """Returns True for the name of a table, which may be compressed."""
    return suffix_of_table(name) in TABLES


def holds_text(name: str) -> bool:
    """Returns True for the name of a table in a text format."""
    return suffix_of_table(name) in (*DELIMITED, *JSON_LINES)


def parse_table(name: str, text: str) -> Table:
    """The table in a decoded text."""
    from . import delimited, jsonl

    return jsonl.read(name, text) if suffix_of_table(name) in JSON_LINES else delimited.read(name, text)


def cell_text(value: Any) -> str:
    """A value of JSON or Parquet as a cell: empty for none, several values of a list divided by bars."""
    if value is None:
        return ""
    if isinstance(value, list | tuple) and all(isinstance(item, str | int | float) for item in value):
        return SEVERAL.join(map(str, value))
    return str(value)


def empty(name: str, noun: str) -> Problem:
    return Problem(f"{name} is empty; expected rows of {noun} and label", DATA)


def excerpt(line: Any) -> str:
    """The beginning of a row for a message, on one line."""
    text = " ".join(str(line).split())
    return repr(text if len(text) <= EXCERPT else text[:EXCERPT] + "…")


def excerpt_of(cells: Sequence[str]) -> str:
    return excerpt(" | ".join(cells))
