"""Parquet files, through pyarrow (the extra `parquet`): columns as in a table, rows counted from 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..problem import DATA, USAGE, Problem
from .table import Row, Table


def read(name: str, content: bytes) -> Table:
    """The rows of a Parquet file. Raises Problem if it is damaged or pyarrow is missing."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Problem(f"{name} needs pyarrow: pip install 'neocog[parquet]'", USAGE) from None
    try:
        table = parquet.read_table(pyarrow.BufferReader(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Problem(f"{name} is not a Parquet file that can be read: {error}", DATA) from None
    return Table(name, rows_of(table), list(table.column_names))


def rows_of(table: Any) -> Iterator[Row]:
    columns = [["" if value is None else str(value) for value in column.to_pylist()] for column in table.columns]
    for number, cells in enumerate(zip(*columns, strict=True), 1):
        yield Row(number, list(cells))
