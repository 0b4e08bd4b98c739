"""The rows of a table of files as inputs for prediction: paths relative to it, or files in it (Parquet)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from ..inputs import BytesInput, FileInput, Input
from ..problem import DATA, Problem
from ..stream import Table as InputTable
from .columns import Columns, TableOptions, describe, find_columns
from .content import Kind
from .file_source import FileSource, open_files
from .parquet import read_files
from .table import EXAMINED, Row, Table, is_table, read_table

ALL_ROWS = range(1, 1 << 62)


def file_table(path: str, kind: Kind, options: TableOptions, spans: bool = False) -> InputTable | None:
    """The rows of a table with the files of a kind in them; None if the path is no table.

    Raises Problem if no column holds files, or if rows name parts of files.
    """
    if not is_table(path) or not os.path.isfile(path):
        return None
    files, name = open_files(path)
    source = FileSource(files, kind, options, name, spans=spans)
    table = read_table(path, Path(path), options.encoding)
    rows = (row for row in table.rows if isinstance(row, Row))
    head = list(islice(rows, EXAMINED))
    if not head:
        raise Problem(f"{path} is empty; expected rows with a {kind.noun} in each", DATA)
    if table.embedded:
        used = f"{path}: {kind.noun}: column {table.embedded}"
        return InputTable(table.header, _embedded(path, table, chain(head, rows)), remarks=[*table.remarks, used])
    columns = find_columns(head, table.header, source.cells, options, None, path, need_label=False)
    if columns.span is not None:
        raise Problem(
            f"{path} names parts of {kind.noun}s by their start and end, which predict does not read; give it the "
            f"{kind.noun}s, whose windows are predicted with their times",
            DATA,
        )
    header = table.header
    if header is None and columns.has_header:
        header = head.pop(0).cells
    inputs = _named(source, name or "", columns, chain(head, rows))
    return InputTable(header, inputs, table.delimiter, [*table.remarks, f"{path}: {describe(columns, source.cells)}"])


def _embedded(path: str, table: Table, rows: Iterator[Row]) -> Iterator[tuple[Sequence[str], Input]]:
    """The cells of each row, and the file in it."""
    assert table.embedded
    for row, (number, content) in zip(rows, read_files(path, Path(path), table.embedded, ALL_ROWS), strict=False):
        yield row.cells, BytesInput(content, f"{path}:{number}")


def _named(
    source: FileSource, table: str, columns: Columns, rows: Iterator[Row]
) -> Iterator[tuple[Sequence[str], Input]]:
    """The cells of each row, and the file that it names."""
    for row in rows:
        cell = row.cells[columns.value[0]].strip() if len(row.cells) > columns.value[0] else ""
        name = source.locate(table, cell) if cell else None
        yield row.cells, FileInput(source.display_name(name or cell))
