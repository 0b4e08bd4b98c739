"""Pairs of inputs of two models: the rows of a table with a column for each, such as pictures and descriptions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from ..inputs import FileInput, Input, LineInputs, TextInput
from ..model import Model
from ..presentation import Readable
from ..problem import DATA, USAGE, Bad, Problem, did_you_mean, shortened
from ..sources.split_names import split_name
from ..sources.table import Row, excerpt, is_table, read_table
from ..split import SPLITS, split

SPLIT_COLUMN = "split"
EXAMINED = 50  # rows that decide which column holds the files
UNKNOWN = 0.5  # share of words outside a model's vocabulary from which its language is another one


@dataclass
class Pairs:
    """The rows of a table: the inputs of both models, a label and a split for each.

    An input of the first model is None where a row has only the second: a label that is known by nothing else.
    """

    a: list[Input | None]
    b: list[Input]
    labels: list[str]
    splits: list[str]
    bad: list[Bad] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.b)

    def without(self, problems: dict[int, str]) -> Pairs:
        """The pairs without the rows of some problems, which join the bad ones."""
        kept = [row for row in range(len(self)) if row not in problems]
        bad = [Bad(f"row {row + 2}", reason) for row, reason in problems.items()]
        return Pairs(
            [self.a[row] for row in kept],
            [self.b[row] for row in kept],
            [self.labels[row] for row in kept],
            [self.splits[row] for row in kept],
            [*self.bad, *bad],
            self.remarks,
        )

    @property
    def sides(self) -> tuple[Sequence[Input | None], Sequence[Input | None]]:
        return self.a, self.b


class ColumnNames(NamedTuple):
    """What the user says of the columns; None leaves them to the table."""

    inputs: str | None = None  # "image,description"
    label: str | None = None
    split: str | None = None


def read_pairs(path: str, models: tuple[Model, Model], names: ColumnNames, shares: tuple[float, float]) -> Pairs:
    """The pairs in a table, whose paths are relative to it. Raises Problem for columns that cannot be told apart.

    Without a column of labels, equal inputs of the second model are one label. Without a column of splits, `shares` are
    those of validation and test, divided by the content of the inputs of the first model.
    """
    header, rows, bad = _rows(path)
    folder = os.path.dirname(os.path.abspath(path))
    first, second = _input_columns(path, header, rows, models, names, folder)
    label = _column(path, header, names.label) if names.label else None
    split_column = _column(path, header, names.split or SPLIT_COLUMN, required=names.split is not None)
    if all(row.cells[first] == row.cells[second] for row in rows):
        raise Problem(
            f"{path}: columns {header[first]} and {header[second]} hold the same thing in every row; "
            "name two that differ: --columns A,B",
            DATA,
        )
    inputs = [
        _inputs(model, [row.cells[column] for row in rows], folder)
        for model, column in zip(models, (first, second), strict=True)
    ]
    labels = [row.cells[second if label is None else label].strip() for row in rows]
    pairs = Pairs(inputs[0], [value or TextInput("") for value in inputs[1]], labels, [], bad)
    if label is not None:
        _require_one_label(path, header[second], pairs)
    if split_column is None:
        pairs.splits = _divided(pairs, shares)
    else:
        pairs.splits = [_split_of(path, row, split_column) for row in rows]
    kept = pairs.without(_unusable(inputs, labels))
    used = [
        f"{model.domain.name}: column {header[column]}" for model, column in zip(models, (first, second), strict=True)
    ]
    used += [f"label: column {header[label]}" if label is not None else f"label: each different {header[second]}"]
    kept.remarks.append(f"{path}: {'; '.join(used)}")
    return kept


def _rows(path: str) -> tuple[list[str], list[Row], list[Bad]]:
    """The names of the columns, the rows that have a cell for each, and the others."""
    if not is_table(path) or not os.path.isfile(path):
        raise Problem(f"align takes a table of pairs, such as pairs.csv with columns image and text; got {path}", USAGE)
    table = read_table(path, Path(path))
    rows: list[Row] = []
    bad: list[Bad] = []
    header = table.header
    for row in table.rows:
        if isinstance(row, Bad):
            bad.append(row)
        elif header is None:
            header = [cell.strip() for cell in row.cells]
        elif len(row.cells) != len(header):
            bad.append(Bad(f"row {row.line}", f"{len(row.cells)} cells, expected {len(header)}"))
        else:
            rows.append(row)
    if header is None or not rows:
        raise Problem(f"{path} has no rows; expected names of columns and a pair in each row", DATA)
    return header, rows, bad


def _column(path: str, header: Sequence[str], name: str, required: bool = True) -> int | None:
    if name in header:
        return list(header).index(name)
    if required:
        raise Problem(f"{path} has no column {name}{did_you_mean(name, header)}; it has {', '.join(header)}", USAGE)
    return None


def _input_columns(
    path: str, header: Sequence[str], rows: Sequence[Row], models: tuple[Model, Model], names: ColumnNames, folder: str
) -> tuple[int, int]:
    """The columns with the inputs of both models: named, or the only ones that hold files, or texts."""
    if names.inputs is not None:
        parts = [part.strip() for part in names.inputs.split(",")]
        if len(parts) != 2 or parts[0] == parts[1]:
            raise Problem(f"--columns names two different columns, as in image,text; got {names.inputs}", USAGE)
        first, second = (_column(path, header, part) for part in parts)
        assert first is not None and second is not None
        return first, second
    taken = {names.label, names.split, SPLIT_COLUMN}
    free = [index for index, name in enumerate(header) if name not in taken]
    files = [index for index in free if _holds_files(rows[:EXAMINED], index, folder)]
    texts = sorted((index for index in free if index not in files), key=lambda i: -_length(rows[:EXAMINED], i))
    found: list[int] = []
    for model in models:
        candidates = texts[:1] if model.domain.capability(LineInputs) else files
        candidates = [index for index in candidates if index not in found and _is_readable(model, rows, index, folder)]
        if len(candidates) != 1:
            listed = ", ".join(header[index] for index in candidates) or "none"
            raise Problem(
                f"{path}: the column with inputs of {model.domain.name} is not clear (candidates: {listed}); "
                f"name both: --columns A,B, of {', '.join(header)}",
                USAGE,
            )
        found += candidates
    return found[0], found[1]


def _holds_files(rows: Sequence[Row], column: int, folder: str) -> bool:
    cells = [row.cells[column].strip() for row in rows]
    paths = [cell for cell in cells if cell and len(cell) < 4096 and "\n" not in cell]
    return bool(paths) and sum(os.path.isfile(os.path.join(folder, cell)) for cell in paths) * 2 >= len(paths)


def _length(rows: Sequence[Row], column: int) -> int:
    return sum(len(row.cells[column]) for row in rows)


def _is_readable(model: Model, rows: Sequence[Row], column: int, folder: str) -> bool:
    """Whether a model reads the first file of a column; texts are always read."""
    if model.domain.capability(LineInputs):
        return True
    for row in rows:
        path = os.path.join(folder, row.cells[column].strip())
        if os.path.isfile(path):
            try:
                model.windows(FileInput(path))
            except Problem:
                continue
            return True
    return False


def _inputs(model: Model, cells: Sequence[str], folder: str) -> list[Input | None]:
    """An input for each cell; None for an empty one."""
    if model.domain.capability(LineInputs):
        return [TextInput(cell) if cell.strip() else None for cell in cells]
    return [FileInput(os.path.join(folder, cell.strip())) if cell.strip() else None for cell in cells]


def _require_one_label(path: str, column: str, pairs: Pairs) -> None:
    """Raises Problem for a text that describes two labels: nothing could tell them apart."""
    label_of: dict[str, str] = {}
    for value, label in zip(pairs.b, pairs.labels, strict=True):
        if isinstance(value, TextInput) and value.text and label_of.setdefault(value.text, label) != label:
            raise Problem(
                f"{path}: {label_of[value.text]} and {label} have the same {column}, {excerpt(value.text)}; "
                "give each a text of its own, or leave --label-column out",
                DATA,
            )


def _divided(pairs: Pairs, shares: tuple[float, float]) -> list[str]:
    """A split for each pair by the content of its first input: equal ones share a split."""
    keys = [b"" if value is None else _content(value) for value in pairs.a]
    whole = [row for row, key in enumerate(keys) if key]
    divided, _ = split([keys[row] for row in whole], [pairs.labels[row] for row in whole], *shares)
    splits = ["train"] * len(pairs)
    for row, name in zip(whole, divided, strict=True):
        splits[row] = name
    return splits


def _content(value: Input) -> bytes:
    if isinstance(value, FileInput) and os.path.isfile(value.path):
        return blake2b(Path(value.path).read_bytes(), digest_size=16).digest()
    return value.name.encode("utf-8", "surrogateescape")


def _split_of(path: str, row: Row, column: int) -> str:
    name = split_name(row.cells[column])
    if name not in SPLITS:
        raise Problem(
            f"{path}, line {row.line}: {shortened(row.cells[column])} is not a split; expected train, valid or test",
            DATA,
        )
    return name


def _unusable(inputs: Sequence[Sequence[Input | None]], labels: Sequence[str]) -> dict[int, str]:
    """The rows that cannot be used, and why."""
    problems = {}
    for row, (a, b, label) in enumerate(zip(*inputs, labels, strict=True)):
        if b is None:
            problems[row] = "its second input is empty"
        elif not label:
            problems[row] = "it has no label"
        else:
            for value in (a, b):
                if isinstance(value, FileInput) and not os.path.isfile(value.path):
                    problems[row] = f"{value.path} does not exist"
    return problems


def language_remarks(model: Model, inputs: Sequence[Input | None]) -> list[str]:
    """How many texts a model reads in parts. Raises Problem if it does not know half of their words."""
    readable = model.domain.capability(Readable)
    if readable is None:
        return []
    texts = {value.name for value in inputs if isinstance(value, TextInput)}
    tokens = [[token.known for token in readable.tokens(text, model.card.preprocessing)] for text in texts]
    known, total = sum(map(sum, tokens)), sum(map(len, tokens))
    if total and known < (1 - UNKNOWN) * total:
        raise Problem(
            f"the model of texts knows only {known:,} of {total:,} words ({known / total:.0%}): it was trained on "
            "another language or subject; train one on texts like these",
            DATA,
        )
    longest = int(model.card.preprocessing["longest"])
    long = sum(len(known) > longest for known in tokens)
    return [f"texts of more than {longest} tokens, whose vector is a mean over parts: {long}"] if long else []
