"""Character n-grams of words: words that are spelt alike share statistics and initial vectors.

Bojanowski et al. 2017 (arXiv:1607.04606, section 3.2) build word vectors from character n-grams; here they smooth
counts and initialise word vectors. A word that is not in the vocabulary is read as a known one that begins alike.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from .word_features import WordFeatures

MIN_N, MAX_N = 3, 5  # characters of an n-gram, the word's boundaries included
MIN_WORDS = 2  # an n-gram of fewer words tells nothing about other words
MAX_CHARACTERS = 40  # of a word that are used
CHARACTER_BITS, NGRAM_BITS = 21, 32  # of a Unicode code point, and of an n-gram's number
MIN_SIMILARITY, MIN_PREFIX = 0.7, 4  # shared prefix of two similar words: share of the longer, and characters
NEIGHBOURS = 8  # words on either side in alphabetical order that are candidates for a similar one


class Spelling:
    """The character n-grams of the words of a vocabulary, as pairs of a word and an n-gram that it contains."""

    def __init__(self, words: Sequence[str]) -> None:
        word_index, ngram_index = character_ngrams(words)
        shared = np.bincount(ngram_index) >= MIN_WORDS
        selected = shared[ngram_index]
        self.word_count = len(words)
        self.features = WordFeatures(  # words ascending
            torch.from_numpy(word_index[selected]),
            torch.from_numpy((np.cumsum(shared) - 1)[ngram_index[selected]]),
            int(shared.sum()),
        )

    def vectors(self, dim: int, rng: torch.Generator) -> Tensor:
        """Returns random vectors that are similar for similar words: (words, dim), of variance 1 or so."""
        word_index, ngram_index, ngram_count = self.features
        ngram_vectors = torch.randn(ngram_count, dim, generator=rng)
        sizes = torch.bincount(word_index, minlength=self.word_count)
        starts = F.pad(sizes.cumsum(0), (1, 0))
        sums = F.embedding_bag(ngram_index, ngram_vectors, starts, mode="sum", include_last_offset=True)
        word_vectors = torch.randn(self.word_count, dim, generator=rng)
        return (sums / sizes.clamp_min(1)[:, None].sqrt() + word_vectors) / 2**0.5


Numbers = NDArray[np.int64]


def character_ngrams(words: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Returns the character n-grams of words, boundaries marked (<wo, wor, word, …), as pairs without duplicates.

    The first array has the index of the word, ascending, the second the number of the n-gram. An n-gram is numbered by
    the number of its first n − 1 characters together with its last one, so numbers never collide.
    """
    marked = [f"<{word[:MAX_CHARACTERS]}>" for word in words]
    codes = np.frombuffer("".join(marked).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    word = np.repeat(np.arange(len(words)), [len(text) for text in marked])
    numbers, parts, first = codes, [], 0
    for n in range(2, MAX_N + 1):
        prefix, last = numbers[: len(codes) - n + 1], codes[n - 1 :]
        distinct, numbers = np.unique(prefix << CHARACTER_BITS | last, return_inverse=True)
        within_word = word[: len(numbers)] == word[n - 1 :]
        if n >= MIN_N:
            parts.append(word[: len(numbers)][within_word] << NGRAM_BITS | first + numbers[within_word])
            first += len(distinct)
    pairs = np.sort(np.concatenate(parts))  # np.unique takes a hundred times as long
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return pairs >> NGRAM_BITS, pairs & ((1 << NGRAM_BITS) - 1)


class PrefixMatcher:
    """Finds the known word that shares the longest prefix with an unknown one: goods, good.

    The beginning of a word says more about it than its other letters, which happy and unhappy share.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Of two equally similar words, the one that comes first in `words` is preferred."""
        self.index = {word: i for i, word in enumerate(words) if len(word) >= MIN_PREFIX and word[0].isalpha()}
        self.order = sorted(self.index)

    def nearest(self, word: str) -> int | None:
        """Returns the index of the most similar known word, None if none is similar enough."""
        if len(word) < MIN_PREFIX or not word[0].isalpha():
            return None
        position = bisect_left(self.order, word)
        candidates = self.order[max(0, position - NEIGHBOURS) : position + NEIGHBOURS]
        scored = ((prefix_similarity(word, candidate), -self.index[candidate]) for candidate in candidates)
        similar = [pair for pair in scored if pair[0] >= MIN_SIMILARITY]
        return -max(similar)[1] if similar else None


def prefix_similarity(a: str, b: str) -> float:
    """Returns the length of the common prefix as a share of the longer word; 0 if it is shorter than MIN_PREFIX."""
    differences = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    prefix = next(differences, min(len(a), len(b)))
    return prefix / max(len(a), len(b)) if prefix >= MIN_PREFIX else 0.0
