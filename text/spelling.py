"""Spelling: words that share runs of letters are alike, so what is known of one says something of the other.

Bojanowski et al. 2017 (arXiv:1607.04606, section 3.2) build word vectors from such runs; here they smooth counts and
give the vectors of words a beginning.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

SHORTEST, LONGEST = 3, 5  # letters of a run, the word's bounds among them
SHARED = 2  # a run says something of other words where so many have it
LONGEST_WORD = 40  # letters that are looked at


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
