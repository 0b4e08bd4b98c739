"""Predictions for lines of standard input as they arrive, and for the rows of a table."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO

from .capability import Capability
from .data import Preprocessing
from .inputs import BytesInput, Input

if TYPE_CHECKING:
    from .model import Model

AT_ONCE = 1 << 16  # bytes that are read at once, where so many wait
TOGETHER = 500  # rows of a table that are answered at once


class Table(NamedTuple):
    """A table of inputs for prediction: its rows are written again with the predictions beside them."""

    header: list[str] | None
    rows: Iterable[tuple[list[str], Input]]  # the cells of a row, and the input in them
    delimiter: str = ","


@dataclass(frozen=True)
class Tabular(Capability):
    """Inputs that may stand in a table."""

    # A file, and the options of the domain -> the table in it; None if the file is not one.
    read: Callable[[str, Preprocessing, Mapping[str, Any]], Table | None]


@dataclass(frozen=True)
class LineInputs(Capability):
    """Inputs that are lines of text: standard input holds one per line, answered as they arrive."""


def arriving(file: BinaryIO) -> Iterator[list[bytes]]:
    """The lines of a pipe or a terminal in groups: all those that have arrived, without waiting for more."""
    held = b""
    while chunk := os.read(file.fileno(), AT_ONCE):
        *lines, held = (held + chunk).split(b"\n")
        if lines:
            yield lines
    if held:
        yield [held]


def lines(model: Model, groups: Iterable[list[bytes]], top: int) -> Iterator[dict[str, Any]]:
    """The answer to each line, as Model.predict gives it, with the line as its input."""
    for group in groups:
        for line, answer in zip(group, model.predict([BytesInput(line) for line in group], top), strict=True):
            yield {**answer, "input": line.decode("utf-8", "replace").rstrip("\r")}


def rows(model: Model, table: Table, top: int = 1) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """The cells of each row with the answer to it, as Model.predict gives it, with the row's own input."""
    waiting = iter(table.rows)
    while group := list(islice(waiting, TOGETHER)):
        predictions = model.predict([value for _, value in group], top)
        for (cells, _), prediction in zip(group, predictions, strict=True):
            yield cells, prediction


def write_csv(model: Model, table: Table, file: TextIO | None = None) -> int:
    """Writes the table with the task's columns added; returns how many rows have no prediction."""
    columns = model.task.csv_columns()
    out = csv.writer(file or sys.stdout, delimiter=table.delimiter, lineterminator="\n")
    if table.header:
        out.writerow([*table.header, *columns])
    failed = 0
    for cells, row in rows(model, table):
        failed += "problem" in row
        out.writerow([*cells, *([""] * len(columns) if "problem" in row else model.task.csv_cells(row))])
    return failed
