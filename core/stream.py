"""Answers to what arrives: a line of standard input, a row of a table, as soon as it is there."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from .domain import Table

if TYPE_CHECKING:
    from .model import Model

AT_ONCE = 1 << 16  # bytes that are read at once, where so many wait
TOGETHER = 500  # rows of a table that are answered at once


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
        for line, answer in zip(group, model.predict(group, top), strict=True):
            yield {**answer, "input": line.decode("utf-8", "replace").rstrip("\r")}


def rows(model: Model, table: Table, top: int = 1) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """The cells of each row with the answer to it, as Model.predict gives it, with the row's own input."""
    waiting = iter(table.rows)
    while group := list(islice(waiting, TOGETHER)):
        answers = model.predict([given for _, given in group], top)
        for (cells, given), answer in zip(group, answers, strict=True):
            yield cells, {**answer, "input": given.decode("utf-8", "replace")}


def write_csv(model: Model, table: Table, file: TextIO | None = None) -> int:
    """The table with two columns more, the answer and its probability; gives how many rows have none."""
    out = csv.writer(file or sys.stdout, delimiter=table.delimiter, lineterminator="\n")
    if table.header:
        out.writerow([*table.header, "predicted", "probability"])
    failed = 0
    for cells, answer in rows(model, table):
        best = answer["predictions"][0] if "predictions" in answer else None
        failed += best is None
        out.writerow([*cells, best["label"], f"{best['probability']:.4f}"] if best else [*cells, "", ""])
    return failed
