"""JSON Lines: an object a line, its fields named as the columns of a table are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..core.problem import DATA, Bad, Problem, did_you_mean
from ..core.sources.listing import same_label
from .options import Reading
from .roles import PARTS
from .rows import Row, Written, joined, shown
from .table import LABEL_NAMES, SPLIT_NAMES, TEXT_NAMES


def parse(file: Written, reading: Reading, group_by: str | None = None) -> Iterator[Row | Bad]:
    """The texts of a file of JSON Lines. Raises Problem where its fields cannot be told apart."""
    fields: Fields | None = None
    for at, line in enumerate(file.text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{file.name}:{at}"
        try:
            told = json.loads(line)
        except ValueError as error:
            yield Bad(where, f"is not JSON ({error}): {shown(line)}")
            continue
        if not isinstance(told, dict):
            yield Bad(where, f"is {type(told).__name__}, not an object of fields: {shown(line)}")
            continue
        fields = fields or Fields(told, reading, group_by, where)
        yield fields.row(told, at, file)


class Fields:
    """Which fields of the objects are the text and the label; the first object decides."""

    def __init__(self, first: dict[str, Any], reading: Reading, group_by: str | None, where: str) -> None:
        by_lower = {name.lower(): name for name in reversed(first)}
        self.where, self.first, self.group = where, first, group_by
        if reading.label_column is not None:
            self.label = self.asked(reading.label_column, "label-column")
        else:
            self.label = next((by_lower[name] for name in LABEL_NAMES if name in by_lower), "")
        if reading.text_column:
            self.text = [self.asked(name, "text-column") for name in reading.text_column]
        else:
            self.text = [by_lower[name] for name in TEXT_NAMES if name in by_lower and by_lower[name] != self.label]
        self.split = next((by_lower[name] for name in SPLIT_NAMES if name in by_lower), None)
        if not self.text or not self.label:
            lacks, flag = ("a text", "text") if not self.text else ("a label", "label")
            raise Problem(
                f"{where} has the fields {', '.join(first)}; none of them is known as {lacks}: "
                f"name it with --{flag}-column",
                DATA,
            )

    def asked(self, name: str, flag: str) -> str:
        if name not in self.first:
            known = ", ".join(self.first)
            raise Problem(
                f"--{flag} {name} is not a field of {self.where}{did_you_mean(name, self.first)}; it has {known}", DATA
            )
        return name

    def row(self, told: dict[str, Any], line: int, file: Written) -> Row | Bad:
        where = f"{file.name}:{line}"
        text = joined([str(told[name]) for name in self.text if told.get(name) is not None])
        label = told.get(self.label)
        if not text or label is None or not str(label).strip():
            return Bad(where, f"has no {'label' if text else 'text'}: {shown(told)}")
        part = file.part
        if part is None and self.split is not None and told.get(self.split) is not None:
            part = PARTS.get(str(told[self.split]).strip().lower())
            if part is None:
                return Bad(where, f"has the split {shown(told[self.split])}; expected train, valid or test")
        group = str(told[self.group]) if self.group and self.group in told else None
        return Row(line, text, same_label(str(label)), part, group)
