"""Parquet files, through pyarrow (the extra `parquet`): columns as in a table, rows counted from 1."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.problem import DATA, USAGE, Bad, Problem
from .options import Reading
from .rows import Row, Written
from .table import Cells, columns_of, row_of

LOOKED_AT = 200


def parse(content: bytes, name: str, reading: Reading, group_by: str | None, part: str | None) -> Iterator[Row | Bad]:
    """The rows of a Parquet file. Raises Problem where it is damaged or pyarrow is not there."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Problem(f"{name} needs pyarrow: pip install 'neocog[parquet]'", USAGE) from None
    try:
        table = parquet.read_table(pyarrow.BufferReader(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Problem(f"{name} is not a Parquet file that can be read: {error}", DATA) from None
    header = Cells(0, list(table.column_names))
    columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in table.columns]
    rows = [Cells(at, list(row)) for at, row in enumerate(zip(*columns, strict=True), 1)]
    if not rows:
        raise Problem(f"{name} is empty; expected rows of text and label", DATA)
    found = columns_of([header, *rows[:LOOKED_AT]], reading, group_by, name)
    for row in rows:
        yield row_of(row, found, Written(name, "", part))
