"""Predictions for lines of standard input as they arrive, and for the rows of a table."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO

from .capability import Capability
from .data import Preprocessing
from .format import visible
from .inputs import BytesInput, Input
from .sources.formula import escape

if TYPE_CHECKING:
    from .model import Model

READ_SIZE = 1 << 16  # bytes read at a time
BATCH = 500  # rows of a table that are predicted together


class Table(NamedTuple):
    """A table of inputs for prediction: its rows are written again with the predictions beside them."""

    header: list[str] | None
    rows: Iterable[tuple[Sequence[str], Input]]  # the cells of a row, and the input in them
    delimiter: str = ","
    remarks: Sequence[str] = ()  # on what was taken for the input, for the user


@dataclass(frozen=True)
class Tabular(Capability):
    """Inputs that may be cells of a table."""

    # Reads a file with the options of the domain; returns None if it is not a table.
    read: Callable[[str, Preprocessing, Mapping[str, Any]], Table | None]


def arriving(file: BinaryIO) -> Iterator[list[bytes]]:
    """The lines of a pipe or a terminal in groups: all those that have arrived, without waiting for more."""
    partial = b""
    while chunk := os.read(file.fileno(), READ_SIZE):
        *lines, partial = (partial + chunk).split(b"\n")
        if lines:
            yield lines
    if partial:
        yield [partial]


def lines(model: Model, groups: Iterable[list[bytes]], top: int) -> Iterator[dict[str, Any]]:
    """The prediction for each line, as Model.predict returns it, with the line as its input."""
    for group in groups:
        for line, prediction in zip(group, model.predict([BytesInput(line) for line in group], top), strict=True):
            yield {**prediction, "input": line.decode("utf-8", "replace").rstrip("\r")}


def rows(model: Model, table: Table, top: int = 1) -> Iterator[tuple[Sequence[str], dict[str, Any]]]:
    """The cells of each row with its prediction, as Model.predict returns it."""
    remaining = iter(table.rows)
    while group := list(islice(remaining, BATCH)):
        predictions = model.predict([value for _, value in group], top)
        for (cells, _), prediction in zip(group, predictions, strict=True):
            yield cells, prediction


def write_csv(model: Model, table: Table, file: TextIO | None = None, delimiter: str | None = None) -> int:
    """Writes the table with the task's columns added; returns how many rows have no prediction.

    `delimiter` is that of the table by default.
    """
    columns = model.task.csv_columns()
    out = csv.writer(file or _standard_output(), delimiter=delimiter or table.delimiter, lineterminator="\n")
    if table.header:
        out.writerow([*map(escape, table.header), *columns])
    failed = 0
    for cells, row in rows(model, table):
        failed += "problem" in row
        for predicted in [[""] * len(columns)] if "problem" in row else model.task.csv_lines(row):
            out.writerow(map(escape, [*cells, *predicted]))
    return failed


class Shown:
    """A terminal that is written to; escape sequences in what others wrote are shown and do nothing."""

    def __init__(self, terminal: TextIO) -> None:
        self.terminal = terminal

    def write(self, text: str) -> int:
        return self.terminal.write(visible(text))


def _standard_output() -> TextIO | Shown:
    """A program gets the cells of a table as they are."""
    return Shown(sys.stdout) if sys.stdout.isatty() else sys.stdout
