"""The vocabulary: tokens and their ids. Id 0 is padding, 1 an unknown token without a similar known one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .spelling import MIN_PREFIX, PrefixMatcher

PADDING, UNKNOWN, FIRST = 0, 1, 2
MAX_CACHED = 1 << 16  # unknown words whose ids are cached
Ids = NDArray[np.int32]


class Vocabulary:
    """Tokens and their ids, most frequent first."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = list(tokens)
        self._ids = {token: token_id for token_id, token in enumerate(self.tokens, FIRST)}
        self._unknown: dict[str, int] = {}  # cached ids of unknown tokens

    def __len__(self) -> int:
        """Returns the number of ids, including padding and unknown."""
        return len(self.tokens) + FIRST

    def ids(self, tokens: Iterable[str]) -> Ids:
        """Returns the id of each token; an unknown one has the id of the known one with the most similar beginning."""
        known = self._ids
        return np.array([known.get(token) or self._similar(token) for token in tokens], np.int32)

    def _similar(self, token: str) -> int:
        if len(token) < MIN_PREFIX:
            return UNKNOWN
        if token not in self._unknown:
            if len(self._unknown) >= MAX_CACHED:
                self._unknown.clear()
            index = self._matcher.nearest(token)
            self._unknown[token] = UNKNOWN if index is None else FIRST + index
        return self._unknown[token]

    @cached_property
    def _matcher(self) -> PrefixMatcher:
        return PrefixMatcher(self.tokens)

    def words(self, ids: Iterable[int]) -> list[str]:
        """Returns the tokens of ids, "▢" for unknown ones, without padding."""
        return [
            "▢" if token_id == UNKNOWN else self.tokens[token_id - FIRST] for token_id in ids if token_id != PADDING
        ]


class TokenNumbers(dict[str, int]):
    """Numbers tokens in the order of their first use."""

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number


class Interned:
    """Encodes texts as token numbers while the vocabulary is not yet known, and then chooses it."""

    def __init__(self) -> None:
        self._numbers = TokenNumbers()

    @property
    def tokens(self) -> list[str]:
        """All tokens by their numbers."""
        return list(self._numbers)

    def __call__(self, tokens: Sequence[str]) -> Ids:
        """Returns the number of each token; new tokens get new numbers."""
        return np.fromiter(map(self._numbers.__getitem__, tokens), np.int32, len(tokens))

    def vocabulary(self, training: Sequence[Ids], min_count: int) -> tuple[Vocabulary, NDArray[Any]]:
        """Returns the tokens with at least `min_count` occurrences in training, and the id of every token number."""
        tokens = self.tokens
        counts = np.bincount(np.concatenate(training), minlength=len(tokens))
        order = np.argsort(-counts, kind="stable")
        selected = order[counts[order] >= min_count]
        vocabulary = Vocabulary([tokens[number] for number in selected])
        return vocabulary, vocabulary.ids(tokens)
