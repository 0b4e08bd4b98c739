"""Predictions as files with a row for each input: CSV, JSON Lines or one JSON document."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ..core import files, stream
from ..core.sources.formula import escape

if TYPE_CHECKING:
    from ..core.data import Examples
    from ..core.metrics import Floats
    from ..core.model import Model
    from ..core.stream import Table
    from ..core.tasks import Task

ENDINGS = (".csv", ".jsonl", ".json")
BATCH = 1000  # examples whose rows are made together


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], task: Task, extra: Sequence[str] = ()) -> None:
    """Writes rows of `predict --json` to a file as they come, in the format that its ending names.

    A CSV file has the columns of the task, and those of `extra` that rows may have: "label", "correct", "problem".
    """
    suffix = path.suffix.lower()
    fill = partial(_csv, task=task, extra=extra) if suffix == ".csv" else _json_lines if suffix == ".jsonl" else _json
    _write(path, lambda file: fill(rows, file))


def problem_column(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The column of problems, if a row has one."""
    return ["problem"] if any("problem" in row for row in rows) else []


def write_table(path: Path, model: Model, table: Table, top: int) -> int:
    """Writes the predictions for a table; as CSV, the table with columns added. Returns how many rows have none."""
    if path.suffix.lower() != ".csv":
        rows = [row for _, row in stream.rows(model, table, top)]
        write_rows(path, rows, model.task, problem_column(rows))
        return sum("problem" in row for row in rows)
    counts: list[int] = []
    _write(path, lambda file: counts.append(stream.write_csv(model, table, file, delimiter=",")))
    return counts[0]


def labelled_rows(task: Task, predictions: Floats, examples: Examples, top: int) -> Iterator[dict[str, Any]]:
    """The rows of an evaluation: name, true label, prediction and, where a prediction is right or wrong, which."""
    correct = task.correct(predictions, examples.targets.numpy())
    for start in range(0, len(predictions), BATCH):
        for index, row in enumerate(task.measured_rows(predictions[start : start + BATCH], top), start):
            target = {"input": examples.names[index], "label": task.target_text(examples.targets[index])}
            verdict = {} if correct is None else {"correct": bool(correct[index])}
            yield target | row | verdict


def _write(path: Path, fill: Any) -> None:
    def fill_path(temporary: Path) -> None:
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            fill(file)

    files.write(path, fill_path)


def _csv(rows: Iterable[Mapping[str, Any]], file: TextIO, task: Task, extra: Sequence[str]) -> None:
    """A header and a row for each input; a true label stands before the prediction."""
    names = task.csv_columns()
    first, last = [name for name in extra if name == "label"], [name for name in extra if name != "label"]
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["input", *first, *names, *last])
    for row in rows:
        for cells in [[""] * len(names)] if "problem" in row else task.csv_lines(row):
            line = [row["input"], *_cells(row, first), *cells, *_cells(row, last)]
            out.writerow(map(escape, line))


def _cells(row: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    return [str(row.get(name, "")) for name in names]


def _json_lines(rows: Iterable[Mapping[str, Any]], file: TextIO) -> None:
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _json(rows: Iterable[Mapping[str, Any]], file: TextIO) -> None:
    before = "[\n"
    for row in rows:
        file.write(before + json.dumps(row, ensure_ascii=False))
        before = ",\n"
    file.write("\n]\n" if before != "[\n" else "[]\n")
