"""The vocabulary: which token has which id. 0 is padding, 1 a token that is like none that training has seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .spelling import LEAST, Beginnings

PADDING, UNKNOWN, FIRST = 0, 1, 2
MOST_STRANGE = 1 << 16  # words that training has not seen, whose ids are kept
Ids = NDArray[np.int32]


class Vocabulary:
    """Tokens with their ids, the commonest first."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)
        self._place = {token: at for at, token in enumerate(self.tokens, FIRST)}
        self._strange: dict[str, int] = {}

    def __len__(self) -> int:
        """How many ids there are, padding and unknown among them."""
        return len(self.tokens) + FIRST

    def ids(self, tokens: Iterable[str]) -> Ids:
        """The id of each token; one that training has not seen has that of a known one that begins alike."""
        place = self._place
        return np.array([place.get(token) or self._like(token) for token in tokens], np.int32)

    def _like(self, token: str) -> int:
        if len(token) < LEAST:
            return UNKNOWN
        if token not in self._strange:
            if len(self._strange) >= MOST_STRANGE:
                self._strange.clear()
            near = self._beginnings.nearest(token)
            self._strange[token] = UNKNOWN if near is None else FIRST + near
        return self._strange[token]

    @cached_property
    def _beginnings(self) -> Beginnings:
        return Beginnings(self.tokens)

    def words(self, ids: Iterable[int]) -> list[str]:
        """The tokens of ids, "▢" for unknown ones; padding is left out."""
        return ["▢" if at == UNKNOWN else self.tokens[at - FIRST] for at in ids if at != PADDING]


class Numbers(dict[str, int]):
    """Tokens numbered as they are met."""

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number


class Interned:
    """Texts as numbers of tokens that are still being met: what a vocabulary is chosen from."""

    def __init__(self) -> None:
        self._number = Numbers()

    @property
    def tokens(self) -> list[str]:
        """All tokens that were met, by their numbers."""
        return list(self._number)

    def __call__(self, tokens: Sequence[str]) -> Ids:
        return np.fromiter(map(self._number.__getitem__, tokens), np.int32, len(tokens))

    def vocabulary(self, training: Sequence[Ids], min_count: int) -> tuple[Vocabulary, NDArray[Any]]:
        """The tokens that occur so often in training, the commonest first, and the id of every number."""
        tokens = self.tokens
        counts = np.bincount(np.concatenate(training), minlength=len(tokens))
        order = np.argsort(-counts, kind="stable")
        chosen = order[counts[order] >= min_count]
        vocabulary = Vocabulary([tokens[at] for at in chosen])
        return vocabulary, vocabulary.ids(tokens)
