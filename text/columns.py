"""Columns of texts in a table: known by name, or recognised by their cells."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ..core.sources.columns import CellKind

TEXT_NAMES = (
    *("text", "sentence", "title", "subject", "headline", "question", "review", "content", "body", "message"),
    *("description", "summary", "comment", "tweet", "document", "utterance", "query"),
)


def recognise(rows: Sequence[Sequence[str]], free: Sequence[int]) -> list[int]:
    """The column with the longest cells, and those at least a tenth as long: a title beside a body."""
    typical = {index: median(len(row[index]) for row in rows) for index in free}
    longest = max(typical.values(), default=0)
    prose = [index for index in free if typical[index] >= longest / 10 and is_prose([row[index] for row in rows])]
    return prose or list(free[:1])


def is_prose(values: Sequence[str]) -> bool:
    """Returns True if cells are words: not numbers, addresses or dates."""
    return sum(any(c.isalpha() for c in value) for value in values) >= len(values) / 2 and not all(
        " " not in value.strip() and len(value) > 20 for value in values if value.strip()
    )


TEXT_CELLS = CellKind(
    "text", "--text-column", TEXT_NAMES, recognise, is_value=lambda cell: False, multiple=True, guess_label=True
)
