"""The targets of a data set: which columns of a table hold them, and which task and which files they are for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

from .problem import USAGE, Problem

BAR = "|"  # between the labels in a cell
BRACES = re.compile(r"\{([^{}]+)\}")


class TargetColumn(NamedTuple):
    """A column of targets, and its task if that is known."""

    name: str
    task: str | None = None

    def __str__(self) -> str:
        return self.name if self.task is None else f"{self.name}:{self.task}"


@dataclass(frozen=True)
class TargetSpec:
    """What is known of the targets: at first what the user says, and what the data say once they are read.

    The target of an example is a text until a task encodes it: a cell as it stands, or of several columns a JSON list
    of their cells (`cells`).
    """

    task: str | None = None  # its name; None leaves it to the data
    columns: tuple[str, ...] = ()  # of a table, "NAME" or "NAME:TASK"; empty leaves them to the table
    separator: str | None = None  # between the labels in a cell; None leaves it to the cells
    label_names: tuple[str, ...] = ()  # of labels that are numbers in the table, 0 first
    split_column: str | None = None  # of a table, with the split of each row; None leaves it to the table
    file_path: str | None = None  # of the file that a row is about, with columns in braces: "images/{id}.jpg"
    # Of masks, once they are known: how pixels write each of `label_names`, "17" or "#804000"; which values are
    # ignored; and the colour that each label is shown in.
    mask_values: tuple[str, ...] = ()
    mask_ignored: tuple[str, ...] = ()
    mask_colours: tuple[str, ...] = ()
    frame_times: tuple[float, ...] = ()  # of labels of frames: seconds between two, and of the middle of the first

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        for name in ("label_names", "mask_values", "mask_ignored", "mask_colours", "frame_times"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.file_path is not None and not self.path_columns:
            raise Problem(
                f"--image-path {self.file_path} names no column; expected such as 'images/{{id}}.jpg', where id is a "
                "column of the table",
                USAGE,
            )

    @property
    def path_columns(self) -> list[str]:
        """The columns in the braces of `file_path`, each once."""
        return list(dict.fromkeys(BRACES.findall(self.file_path or "")))

    @property
    def table_options(self) -> list[str]:
        """The options among these fields that only a table has, with their values."""
        options = [f"--label-column {column}" for column in self.columns]
        options += [f"--split-column {self.split_column}"] if self.split_column is not None else []
        return options + ([f"--image-path {self.file_path}"] if self.file_path is not None else [])

    @property
    def parsed(self) -> list[TargetColumn]:
        return [column_of(text) for text in self.columns]

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.parsed)

    def resolved(self, task: str, columns: Sequence[str]) -> TargetSpec:
        """What the user said, with the task and the columns that the data have."""
        return replace(self, task=task, columns=tuple(columns) or self.columns)

    def over(self, other: TargetSpec) -> TargetSpec:
        """These fields where they are set, else those of `other`."""
        return TargetSpec(**(other.to_dict() | self.to_dict()))

    def cells(self, text: str) -> list[str]:
        """The cells in the text of a target, one for each column."""
        return [str(cell) for cell in json.loads(text)] if len(self.columns) > 1 else [text]

    def readable(self, text: str) -> str:
        """The text of a target for people: `type Shirts price 12`, without missing cells."""
        if len(self.columns) < 2:
            return text
        pairs = zip(self.column_names, self.cells(text), strict=True)
        return " ".join(f"{name} {cell}" for name, cell in pairs if cell)

    def to_dict(self) -> dict[str, Any]:
        """The fields that are set, for TOML and JSON."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {name: value for name, value in values.items() if value not in (None, [])}


def column_of(text: str) -> TargetColumn:
    """`price:regress` as a column and its task; a name may hold colons itself."""
    from .tasks import TASKS

    name, _, task = text.rpartition(":")
    return TargetColumn(name, task) if name and task in TASKS else TargetColumn(text)


def joined(cells: Sequence[str]) -> str:
    """The text of a target of several columns; "" if all cells are empty."""
    return json.dumps(list(cells), ensure_ascii=False) if any(cells) else ""
