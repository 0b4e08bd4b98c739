"""JSON Lines, and JSON in one piece: objects whose fields are the columns of a table.

Read in one piece are an array of objects, an object with one such array, columns as pandas writes them (a list or an
object of values for each) and the exports of Label Studio, whose choices become columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any

from ..problem import DATA, Bad, Problem
from .table import EXAMINED, Row, Table, cell_text, excerpt

Numbered = tuple[int, dict[str, Any] | Bad]  # an object with its line, or with its number in an array

TOO_DEEP = "is nested too deep to be read: expected an object of texts and labels"


def read(name: str, text: str) -> Table:
    """The objects as rows; the first ones decide the columns."""
    questions: dict[str, None] = {}
    objects = objects_in(name, text, questions)
    first = list(islice(objects, EXAMINED))
    header = list(dict.fromkeys(field for _, fields in first if isinstance(fields, dict) for field in fields))
    rows = (row_of(name, line, fields, header) for line, fields in chain(first, objects))
    return Table(name, rows, header or None, questions=[*questions])


def row_of(name: str, line: int, fields: dict[str, Any] | Bad, header: list[str]) -> Row | Bad:
    if isinstance(fields, Bad):
        return fields
    try:
        return Row(line, [cell_text(fields.get(column)) for column in header])
    except RecursionError:
        return Bad(f"{name}:{line}", TOO_DEEP)


def objects_in(name: str, text: str, questions: dict[str, None]) -> Iterator[Numbered]:
    """The objects of a text: one in each line, or all in one piece; adds the questions of Label Studio's tasks.

    Raises Problem for a piece that is not JSON.
    """
    first, _, rest = text.strip().partition("\n")
    if not first.startswith(("[", "{")) or (rest and _parse(first) is not None):
        return read_lines(name, text, questions)
    if (value := _parse(text)) is not None:
        return read_array(name, _choices_as_columns(_records(value), questions))
    if first.startswith("{"):
        return read_lines(name, text, questions)  # which names the lines that are not JSON
    raise Problem(f"{name} is not JSON, or nested too deep; expected an array of objects, or one in each line", DATA)


def _parse(text: str) -> Any:
    """The value of a JSON text; None if it is not one."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def read_lines(name: str, text: str, questions: dict[str, None]) -> Iterator[Numbered]:
    """The object of each line that is not blank, with its number."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            value = json.loads(line)
        except RecursionError:
            yield number, Bad(where, TOO_DEEP)
            continue
        except ValueError as error:
            yield number, Bad(where, f"is not JSON ({error}): {excerpt(line)}")
            continue
        if isinstance(value, dict):
            yield number, next(iter(_choices_as_columns([value], questions)))
        else:
            yield number, Bad(where, f"is {type(value).__name__}, not an object of fields: {excerpt(line)}")


def read_array(name: str, values: Iterable[Any]) -> Iterator[Numbered]:
    """The objects of an array, numbered from 1."""
    for number, value in enumerate(values, 1):
        if isinstance(value, dict):
            yield number, value
        else:
            yield (
                number,
                Bad(f"{name}:{number}", f"is {type(value).__name__}, not an object of fields: {excerpt(value)}"),
            )


def _records(value: Any) -> list[Any]:
    """The objects in one JSON value: an array of them, an object with one such array, or columns of values."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return [value]
    arrays = [item for item in value.values() if isinstance(item, list) and item and isinstance(item[0], dict)]
    if len(arrays) == 1:
        return arrays[0]
    columns = list(value.values())
    if len(columns) > 1 and all(isinstance(column, list) for column in columns):
        return [dict(zip(value, cells, strict=False)) for cells in zip(*columns, strict=False)]
    if len(columns) > 1 and all(isinstance(column, dict) and column.keys() == columns[0].keys() for column in columns):
        return [{field: value[field][index] for field in value} for index in columns[0]]
    return [value]


def _choices_as_columns(values: Iterable[Any], questions: dict[str, None]) -> Iterator[Any]:
    """The tasks of Label Studio as rows: their data, and a column for each question that was answered by choices."""
    for value in values:
        if not isinstance(value, dict):
            yield value
        elif isinstance(value.get("data"), dict) and isinstance(value.get("annotations"), list):
            answers = _answers(value["annotations"])
            questions |= dict.fromkeys(answers)
            yield value["data"] | answers
        else:
            yield {name: _without_choices(item) for name, item in value.items()}


def _without_choices(item: Any) -> Any:
    """The choices of `{"choices": […]}`, as Label Studio's short form writes several; other values as they are."""
    return item["choices"] if isinstance(item, dict) and item.keys() == {"choices"} else item


def _answers(annotations: Iterable[Any]) -> dict[str, Any]:
    """The choices of a task by their questions: those of its first annotation that was not cancelled."""
    for annotation in annotations:
        if not isinstance(annotation, dict) or annotation.get("was_cancelled"):
            continue
        results = [result for result in annotation.get("result") or () if isinstance(result, dict)]
        return {
            str(result.get("from_name")): result["value"]["choices"]
            for result in results
            if isinstance(result.get("value"), dict) and "choices" in result["value"]
        }
    return {}
