"""Columns of texts in a table: known by name, or recognised by their cells."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ..core.sources.columns import CellKind

TEXT_NAMES = (
    *("text", "sentence", "title", "subject", "headline", "question", "review", "content", "body", "message"),
    *("description", "summary", "comment", "tweet", "document", "utterance", "query", "phrase"),
)
WORDS = 0.6  # the share of the words of a text that hold a letter
FEW = 8  # texts, which may all be alike


def recognise(rows: Sequence[Sequence[str]], free: Sequence[int]) -> list[int]:
    """The column of words with the longest cells, and those beside it that are texts too: a title beside a body."""
    cells = {index: [row[index].strip() for row in rows if row[index].strip()] for index in free}
    prose = [index for index in free if is_prose(cells[index])]
    if not prose:
        return list(free[:1])
    longest = max(prose, key=lambda index: median(map(len, cells[index])))
    return [index for index in prose if index == longest or is_beside(cells[index], cells[longest])]


def is_prose(values: Sequence[str]) -> bool:
    """Returns True if cells are words: not numbers, addresses or dates."""
    if not values or all(" " not in value and len(value) > 20 for value in values):
        return False
    words = [word for value in values for word in value.split()]
    return sum(any(map(str.isalpha, word)) for word in words) >= WORDS * len(words)


def is_beside(values: Sequence[str], longest: Sequence[str]) -> bool:
    """Returns True for texts beside longer ones: a tenth as long at least, of several words, and not a few names."""
    if median(map(len, values)) < median(map(len, longest)) / 10:
        return False
    of_words = median(len(value.split()) for value in longest) < 2 or median(len(value.split()) for value in values) > 1
    return of_words and (len(values) < FEW or 2 * len(set(values)) >= len(values))


TEXT_CELLS = CellKind(
    "text", "--text-column", TEXT_NAMES, recognise, is_value=lambda cell: False, multiple=True, guess_label=True
)
