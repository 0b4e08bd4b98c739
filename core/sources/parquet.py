"""Parquet files, through pyarrow (the extra `parquet`): columns as in a table, rows counted from 1.

As Hugging Face `datasets` writes them: a column of pictures or recordings is a struct of their bytes and a path, and
the names of classes stand in the metadata of the schema.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ..problem import DATA, USAGE, Problem
from .table import Row, Table, cell_text

BATCH = 256  # rows read at a time, as each may hold a picture


def read(name: str, content: bytes | Path) -> Table:
    """The rows of a Parquet file. Raises Problem if it is damaged or pyarrow is missing.

    In a column of encoded files the cells are their paths; `Table.embedded` names it.
    """
    file = _open(name, content)
    header = list(file.schema_arrow.names)
    embedded = next((field.name for field in file.schema_arrow if _holds_files(field.type)), None)
    classes = _class_names(file.schema_arrow.metadata or {})
    return Table(name, _rows(file, name, header, embedded, classes), header, embedded=embedded, classes=classes)


def read_files(name: str, content: bytes | Path, column: str, rows: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """The encoded files in the rows of a column, numbered from 1."""
    number = 0
    for batch in _batches(_open(name, content), name, [column]):
        for value in batch.column(0):
            number += 1
            if number in rows:
                value = value.as_py()
                yield number, (value.get("bytes") if isinstance(value, dict) else value) or b""


def _open(name: str, content: bytes | Path) -> Any:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise Problem(f"{name} needs pyarrow: pip install 'neocog[parquet]'", USAGE) from None
    try:
        return parquet.ParquetFile(content if isinstance(content, Path) else pyarrow.BufferReader(content))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Problem(f"{name} is not a Parquet file that can be read: {error}", DATA) from None


def _holds_files(kind: Any) -> bool:
    """Returns True for the type of a column of encoded files: bytes, or a struct of bytes and path."""
    from pyarrow import types

    if types.is_struct(kind):
        return any(field.name == "bytes" and _is_binary(field.type) for field in kind)
    return _is_binary(kind)


def _is_binary(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """The names of the classes of each column of numbers, as Hugging Face `datasets` keeps them in the schema."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        return {
            column: list(map(str, feature["names"]))
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError):
        return {}


def _batches(file: Any, name: str, columns: list[str]) -> Iterator[Any]:
    """Some rows at a time. Raises Problem where the file is damaged."""
    import pyarrow

    try:
        yield from file.iter_batches(BATCH, columns=columns)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Problem(f"{name} is not a Parquet file that can be read: {error}", DATA) from None


def _rows(
    file: Any, name: str, header: list[str], embedded: str | None, classes: dict[str, list[str]]
) -> Iterator[Row]:
    """The rows, without the bytes of embedded files."""
    columns = [column for column in header if column != embedded]
    has_paths = embedded is not None and any(path == f"{embedded}.path" for path in _leaves(file))
    number = 0
    for batch in _batches(file, name, [*columns, *([f"{embedded}.path"] if has_paths else [])]):
        cells = {column: batch.column(column).to_pylist() for column in columns}
        if embedded is not None:
            paths = batch.column(embedded).to_pylist() if has_paths else [None] * batch.num_rows
            cells[embedded] = [(path or {}).get("path") or "embedded" for path in paths]
        for index in range(batch.num_rows):
            number += 1
            yield Row(number, [_cell(cells[column][index], classes.get(column)) for column in header])


def _leaves(file: Any) -> list[str]:
    return [file.schema.column(index).path for index in range(len(file.schema))]


def _cell(value: Any, names: list[str] | None) -> str:
    """A value as a cell; of a column of classes the name of the class, empty for the −1 of rows without one."""
    if names is not None and isinstance(value, int):
        return names[value] if 0 <= value < len(names) else ""
    return cell_text(value)
