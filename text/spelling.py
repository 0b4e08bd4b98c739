"""Spelling: words that share runs of letters are alike, so what is known of one says something of the other.

Bojanowski et al. 2017 (arXiv:1607.04606, section 3.2) build word vectors from such runs; here they smooth counts and
give the vectors of words a beginning. A word that training has not seen is read as a known one that begins alike.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SHORTEST, LONGEST = 3, 5  # letters of a run, the word's bounds among them
SHARED = 2  # a run says something of other words where so many have it
LONGEST_WORD = 40  # letters that are looked at
SIGN, RUN = 21, 32  # bits of a sign of Unicode, and of the number of a run
ALIKE, LEAST = 0.7, 4  # share and number of a word's letters, from its first on, that make two words alike
NEARBY = 8  # words on either side, in the order of the alphabet, among which one that begins alike stands


class Spelling:
    """Which runs of letters each word of a vocabulary holds: pairs of a word's place and a run's number."""

    def __init__(self, words: Sequence[str]) -> None:
        holder, held = letters(words)
        shared = np.bincount(held) >= SHARED
        kept = shared[held]
        self.words, self.runs = len(words), int(shared.sum())
        self.at = torch.from_numpy(holder[kept])  # rising
        self.run = torch.from_numpy((np.cumsum(shared) - 1)[held[kept]])

    def vectors(self, dim: int, rng: torch.Generator) -> Tensor:
        """Random vectors of which those of words alike are alike: (words, dim), each number of variance 1 or so."""
        runs = torch.randn(self.runs, dim, generator=rng)
        held = torch.bincount(self.at, minlength=self.words)
        starts = F.pad(held.cumsum(0), (1, 0))
        sums = F.embedding_bag(self.run, runs, starts, mode="sum", include_last_offset=True)
        own = torch.randn(self.words, dim, generator=rng)
        return (sums / held.clamp_min(1)[:, None].sqrt() + own) / 2**0.5


Numbers = NDArray[np.int64]


def letters(words: Sequence[str]) -> tuple[Numbers, Numbers]:
    """The runs of 3 to 5 letters of words, their bounds marked: <wo, wor, word, …

    Pairs of the place of a word, rising, and the number of a run that it holds, each once. The number of a run is that
    of the run without its last letter, and that letter, numbered anew: no two runs share one.
    """
    marked = [f"<{word[:LONGEST_WORD]}>" for word in words]
    signs = np.frombuffer("".join(marked).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
    word = np.repeat(np.arange(len(words)), [len(each) for each in marked])
    number, found, first = signs, [], 0
    for length in range(2, LONGEST + 1):
        beginning, last = number[: len(signs) - length + 1], signs[length - 1 :]
        kinds, number = np.unique(beginning << SIGN | last, return_inverse=True)
        whole = word[: len(number)] == word[length - 1 :]
        if length >= SHORTEST:
            found.append(word[: len(number)][whole] << RUN | first + number[whole])
            first += len(kinds)
    pairs = np.sort(np.concatenate(found))  # np.unique takes a hundred times as long
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]
    return pairs >> RUN, pairs & ((1 << RUN) - 1)


class Beginnings:
    """Finds the known word that a strange one shares most of its letters with, from the first on: goods, good.

    The beginning of a word says more of it than its other letters do, which happy and unhappy share.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Of two that are as near, the one that stands before the other in `words` is found."""
        self.place = {word: at for at, word in enumerate(words) if len(word) >= LEAST and word[0].isalpha()}
        self.order = sorted(self.place)

    def nearest(self, word: str) -> int | None:
        """The place of the known word, None where none begins alike."""
        if len(word) < LEAST or not word[0].isalpha():
            return None
        at = bisect_left(self.order, word)
        near = self.order[max(0, at - NEARBY) : at + NEARBY]
        found = [(share, -self.place[each]) for each in near if (share := alike(word, each)) >= ALIKE]
        return -max(found)[1] if found else None


def alike(one: str, other: str) -> float:
    """How many letters two words share from the first on, as a share of the longer; 0 where too few are."""
    shared = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return shared / max(len(one), len(other)) if shared >= LEAST else 0.0
