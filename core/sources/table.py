"""Tables as rows of cells, whatever their format: CSV, TSV, JSON Lines, Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from ..problem import DATA, Bad, Problem

if TYPE_CHECKING:
    from .judge import LabelColumn

DELIMITED, JSON_LINES, PARQUET = (".csv", ".tsv", ".tab"), (".jsonl", ".ndjson", ".json"), (".parquet",)
TABLES = (*DELIMITED, *JSON_LINES, *PARQUET)  # suffixes
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
    use: ColumnUse | None = None  # what the columns were taken for, once they are known


def read_table(name: str, content: bytes | Path, encoding: str | None = None) -> Table:
    """Reads a table in the format that its suffix names; any other suffix is read as delimited text."""
    from . import parquet
    from .encodings import decode_text

    if PurePath(name).suffix.lower() in PARQUET:
        return parquet.read(name, content)
    text, issues = decode_text(content.read_bytes() if isinstance(content, Path) else content, encoding)
    table = parse_table(name, text)
    table.remarks += issues.sentences(name)
    return table


def parse_table(name: str, text: str) -> Table:
    """The table in a decoded text."""
    from . import delimited, jsonl

    return jsonl.read(name, text) if PurePath(name).suffix.lower() in JSON_LINES else delimited.read(name, text)


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
