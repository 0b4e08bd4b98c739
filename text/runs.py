"""Runs: which neighbouring tokens occur together in the training texts, and what they say about the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.modules import runs as numbers_of

LONGEST = 3  # tokens of a run: longer ones hardly come back
MOST = 1 << 20  # known runs of a model, 8 MB of them
MOST_WEIGHTS = 1 << 24  # known runs times labels: a table of 64 MB
TOGETHER = 2000  # texts whose runs are numbered at once


def numbered(inputs: Tensor, longest: int = LONGEST) -> Iterator[NDArray[np.int64]]:
    """The numbers of all runs of 1 … `longest` ids of some thousand texts after the other; 0 where there is none."""
    for part in inputs.split(TOGETHER):
        width = int((part > 0).sum(1).max()) if len(part) else 0
        yield numbers_of(part[:, :width].long(), longest).flatten(1).numpy()


def known(inputs: Tensor, labels: int, longest: int = LONGEST) -> NDArray[np.int64]:
    """The runs of (N, L) ids that a model may know, rising: all of them, or the commoner ones where that is too many.

    Of the runs that occur once, few come back in another text; so the least count rises until the rest fits.
    """
    most = min(MOST, MOST_WEIGHTS // max(1, labels))
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for part in numbered(inputs, longest):
        own, often = np.unique(part[part > 0], return_counts=True)
        keys, counts = merged((keys, counts), (own, often))
    least = 1
    while (counts >= least).sum() > most:
        least += 1
    return keys[counts >= least]


Counted = tuple[NDArray[np.int64], NDArray[np.int64]]


def merged(one: Counted, other: Counted) -> Counted:
    """Two sets of numbers with their counts as one."""
    keys = np.concatenate((one[0], other[0]))
    found, place = np.unique(keys, return_inverse=True)
    counts = np.bincount(place, np.concatenate((one[1], other[1])), len(found))
    return found, counts.astype(np.int64)


def present(inputs: Tensor, targets: Sequence[int], keys: NDArray[np.int64], labels: int, longest: int) -> Tensor:
    """In how many texts of each label every known run occurs: (runs, labels) float32."""
    counts = np.zeros((len(keys), labels), np.float32)
    told = np.asarray(targets)
    start = 0
    for part in numbered(inputs, longest):
        own = np.sort(part, 1)
        first = np.ones_like(own, bool)
        first[:, 1:] = own[:, 1:] != own[:, :-1]  # once a text, however often it stands there
        rows, _ = np.nonzero(first)
        at = np.searchsorted(keys, own[first]).clip(max=len(keys) - 1)
        there = keys[at] == own[first]
        cells = at[there] * labels + told[start + rows[there]]
        counts += np.bincount(cells, minlength=len(keys) * labels).reshape(counts.shape)
        start += len(part)
    return torch.from_numpy(counts)


def log_ratios(counts: Tensor, smoothing: float = 1.0) -> Tensor:
    """How much likelier each run is under a label than under the others, as a logarithm: (runs, labels).

    r_k = log((p_k / ‖p_k‖₁) / (q_k / ‖q_k‖₁)), p_k the smoothed counts of label k, q_k those of all other labels
    (Wang and Manning 2012, section 2.1).
    """
    own = counts + smoothing
    others = counts.sum(1, keepdim=True) - counts + smoothing
    return (own / own.sum(0)).log() - (others / others.sum(0)).log()
