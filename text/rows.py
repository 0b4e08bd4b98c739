"""Rows: what every written source gives, a text with its label, or the reason why a line gives none."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from ..core.problem import Bad
from ..core.sources.content import LARGEST_FILE

SHOWN = 60  # characters of a line in a message
csv.field_size_limit(LARGEST_FILE)  # Python's own limit would refuse a long text


class Row(NamedTuple):
    """A text in a file: the line it begins on, and what the file says about it."""

    line: int
    text: str
    label: str
    part: str | None = None
    group: str | None = None


class Written(NamedTuple):
    """A file of texts: its name, its text, the part and the label that its own name gives it."""

    name: str
    text: str
    part: str | None = None
    label: str | None = None


Parse = Callable[[Written], Iterator["Row | Bad"]]


def shown(line: Any) -> str:
    """A line for a message: its beginning, on one line."""
    text = " ".join(str(line).split())
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def joined(cells: Sequence[str]) -> str:
    """Several columns of text as one; what is empty leaves no gap."""
    return "\n".join(cell.strip() for cell in cells if cell.strip())
