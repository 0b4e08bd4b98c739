"""JSON Lines: an object a line, whose fields are the columns of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from ..problem import Bad
from .table import Row, Table, excerpt


def read(name: str, text: str) -> Table:
    """The objects as rows; the first one decides the columns."""
    objects = read_objects(name, text)
    skipped: list[Bad] = []
    for line, fields in objects:
        if isinstance(fields, Bad):
            skipped.append(fields)
            continue
        header = list(fields)
        rows = (row_of(line, fields, header) for line, fields in chain([(line, fields)], objects))
        return Table(name, chain(skipped, rows), header)
    return Table(name, iter(skipped))


def row_of(line: int, fields: dict[str, Any] | Bad, header: list[str]) -> Row | Bad:
    if isinstance(fields, Bad):
        return fields
    return Row(line, ["" if (value := fields.get(name)) is None else str(value) for name in header])


def read_objects(name: str, text: str) -> Iterator[tuple[int, dict[str, Any] | Bad]]:
    """The object of each line that is not blank, with its number."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, Bad(where, f"is not JSON ({error}): {excerpt(line)}")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            yield number, Bad(where, f"is {type(value).__name__}, not an object of fields: {excerpt(line)}")
