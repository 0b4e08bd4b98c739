"""Runs: which neighbouring tokens occur together in the training texts, and what they say about the labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..core.modules import hashed_runs as numbers_of

LONGEST = 3  # tokens of a run: longer ones hardly come back
MOST = 1 << 20  # known runs of a model, 8 MB of them
MOST_WEIGHTS = 1 << 24  # known runs times labels: a table of 64 MB
TOGETHER = 2000  # texts whose runs are numbered at once


def numbered(inputs: Tensor, longest: int = LONGEST) -> Iterator[tuple[Tensor, NDArray[np.int64]]]:
    """Some thousand texts after the other, of like length: which, and the numbers of their runs of 1 … `longest` ids.

    0 stands where there is no run.
    """
    lengths = (inputs > 0).sum(1)
    for indices in lengths.argsort(stable=True).split(TOGETHER):
        width = int(lengths[indices].max()) if len(indices) else 0
        yield indices, numbers_of(inputs[indices, :width].long(), longest).flatten(1).numpy()


def known(inputs: Tensor, labels: int, longest: int = LONGEST) -> NDArray[np.int64]:
    """The runs of (N, L) ids that a model may know, rising: all tokens, and runs of several that occur twice or more.

    Of the runs that occur once, few come back in another text. Where there are too many, the least count rises for
    tokens and runs alike until the rest fits.
    """
    most = min(MOST, MOST_WEIGHTS // max(1, labels))
    keys, counts = counted(inputs, longest)
    kept = counts >= 2
    at = places(keys, int(inputs.max()) + 1)
    kept[at[at >= 0]] = True
    least = 1
    while kept.sum() > most:
        least += 1
        kept = counts >= least
    return keys[kept]


def counted(inputs: Tensor, longest: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All runs of (N, L) ids, rising, and how often each occurs."""
    parts = [np.unique(part[part > 0], return_counts=True) for _, part in numbered(inputs, longest)]
    numbers, often = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(numbers)
    numbers = numbers[order]
    first = np.flatnonzero(np.diff(numbers, prepend=-1))
    return numbers[first], np.add.reduceat(often[order], first)


class Found(NamedTuple):
    """Which known runs stand in which texts, and how often: text i has those at starts[i] … starts[i + 1]."""

    starts: Tensor  # (N + 1,) int32
    runs: Tensor  # (M,) int32, rising in each text
    often: Tensor  # (M,) float32

    def texts(self) -> Tensor:
        """The text of each: (M,) int32, rising."""
        counts = self.starts.diff()
        return torch.arange(len(counts), dtype=torch.int32).repeat_interleave(counts)

    def keep(self, indices: Tensor) -> Found:
        """Those of the texts at `indices`, in that order."""
        counts, starts = self.starts.diff()[indices], self.starts[indices]
        after = F.pad(counts.cumsum(0, dtype=torch.int32), (1, 0))
        at = torch.arange(int(after[-1]), dtype=torch.int32) + (starts - after[:-1]).repeat_interleave(counts)
        return Found(after, self.runs[at], self.often[at])

    def held(self, targets: Tensor, runs: int, labels: int) -> Tensor:
        """How many texts of each label hold each of so many runs: (runs, labels) float32."""
        cells = self.runs * labels + targets.int()[self.texts()]
        return torch.bincount(cells, minlength=runs * labels).view(runs, labels).float()


def occurrences(inputs: Tensor, keys: NDArray[np.int64], longest: int) -> Found:
    """Where each of the runs `keys` stands in (N, L) ids."""
    texts, parts = zip(*_each_part(inputs, keys, longest), strict=True)
    counts = torch.cat([part.starts.diff() for part in parts])
    starts = F.pad(counts.cumsum(0, dtype=torch.int32), (1, 0))
    found = Found(starts, torch.cat([part.runs for part in parts]), torch.cat([part.often for part in parts]))
    return found.keep(torch.cat(texts).argsort())


def present(inputs: Tensor, targets: Tensor, keys: NDArray[np.int64], labels: int, longest: int) -> Tensor:
    """In how many texts of each label every known run occurs: (runs, labels) float32."""
    held = torch.zeros(len(keys), labels)
    for texts, part in _each_part(inputs, keys, longest):
        held += part.held(targets[texts], len(keys), labels)
    return held


def _each_part(inputs: Tensor, keys: NDArray[np.int64], longest: int) -> Iterator[tuple[Tensor, Found]]:
    """Some thousand texts after the other, and the known runs in them."""
    known = torch.from_numpy(keys)
    for indices, part in numbered(inputs, longest):
        own = np.sort(part, 1)  # a run's places come to stand side by side, once for all its lookups
        first = np.ones_like(own, bool)
        first[:, 1:] = own[:, 1:] != own[:, :-1]
        places = np.flatnonzero(first)
        numbers = torch.from_numpy(own.ravel()[places])
        at = torch.searchsorted(known, numbers).clamp_max_(len(keys) - 1)
        there = known[at] == numbers
        often = torch.from_numpy(np.diff(places, append=own.size))[there]
        counts = torch.bincount(torch.from_numpy(places)[there] // max(1, own.shape[1]), minlength=len(own))
        yield indices, Found(F.pad(counts.cumsum(0, dtype=torch.int32), (1, 0)), at[there].int(), often.float())


def places(keys: NDArray[np.int64], tokens: int) -> Tensor:
    """Where each token stands among the known runs by itself, −1 where it does not: (tokens,)."""
    own = numbers_of(torch.arange(tokens)[:, None], 1)[:, 0, 0].numpy()
    at = np.searchsorted(keys, own).clip(max=len(keys) - 1)
    return torch.from_numpy(np.where(keys[at] == own, at, -1))


def log_ratios(counts: Tensor, smoothing: float = 1.0) -> Tensor:
    """How much likelier each run is under a label than under the others, as a logarithm: (runs, labels).

    r_k = log((p_k / ‖p_k‖₁) / (q_k / ‖q_k‖₁)), p_k the smoothed counts of label k, q_k those of all other labels
    (Wang and Manning 2012, section 2.1).
    """
    own = counts + smoothing
    others = counts.sum(1, keepdim=True) - counts + smoothing
    return (own / own.sum(0)).log() - (others / others.sum(0)).log()
