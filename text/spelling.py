"""Spelling: words that share runs of letters are alike, so what is known of one says something of the other.

Bojanowski et al. 2017 (arXiv:1607.04606, section 3.2) build word vectors from such runs; here they smooth counts and
give the vectors of words a beginning. A word that training has not seen is read as a known one that begins alike.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

SHORTEST, LONGEST = 3, 5  # letters of a run, the word's bounds among them
SHARED = 2  # a run says something of other words where so many have it
LONGEST_WORD = 40  # letters that are looked at
ALIKE, LEAST = 0.7, 4  # share and number of a word's letters, from its first on, that make two words alike
NEARBY = 8  # words on either side, in the order of the alphabet, among which one that begins alike stands


class Spelling:
    """Which runs of letters each word of a vocabulary holds: pairs of a word's place and a run's number."""

    def __init__(self, words: Sequence[str]) -> None:
        number: dict[str, int] = {}
        places, runs = [], []
        for at, word in enumerate(words):
            for run in letters(word):
                places.append(at)
                runs.append(number.setdefault(run, len(number)))
        self.words = len(words)
        holder, held = np.array(places, np.int64), np.array(runs, np.int64)
        shared = np.bincount(held, minlength=len(number)) >= SHARED
        renumbered = np.cumsum(shared) - 1
        kept = shared[held]
        self.at, self.run = torch.from_numpy(holder[kept]), torch.from_numpy(renumbered[held[kept]])
        self.runs = int(shared.sum())

    def to_runs(self, values: Tensor) -> Tensor:
        """(words, K) summed over the words that hold each run: (runs, K)."""
        return torch.zeros(self.runs, values.shape[1]).index_add_(0, self.run, values[self.at])

    def to_words(self, values: Tensor) -> Tensor:
        """(runs, K) summed over the runs that each word holds: (words, K)."""
        return torch.zeros(self.words, values.shape[1]).index_add_(0, self.at, values[self.run])

    def vectors(self, dim: int, rng: torch.Generator) -> Tensor:
        """Random vectors of which those of words alike are alike: (words, dim), each number of variance 1 or so."""
        runs = self.to_words(torch.randn(self.runs, dim, generator=rng))
        held = torch.bincount(self.at, minlength=self.words).clamp_min(1)[:, None]
        own = torch.randn(self.words, dim, generator=rng)
        return (runs / held.sqrt() + own) / 2**0.5


def letters(word: str) -> set[str]:
    """The runs of 3 to 5 letters of a word, its bounds marked: <wo, wor, word, …"""
    marked = f"<{word[:LONGEST_WORD]}>"
    return {
        marked[start : start + length]
        for length in range(SHORTEST, LONGEST + 1)
        for start in range(len(marked) - length + 1)
    }


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
