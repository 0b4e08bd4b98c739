"""Runs: which neighbouring tokens occur together in the training texts, and what they say about the labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

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
    """The runs of (N, L) ids that a model may know, rising: all tokens, and runs of several that occur twice or more.

    Of the runs that occur once, few come back in another text. Where there are too many, the least count rises for
    tokens and runs alike until the rest fits.
    """
    most = min(MOST, MOST_WEIGHTS // max(1, labels))
    parts = [np.unique(part[part > 0], return_counts=True) for part in numbered(inputs, longest)]
    keys, place = np.unique(np.concatenate([own for own, _ in parts]), return_inverse=True)
    counts = np.bincount(place, np.concatenate([often for _, often in parts]), len(keys))
    kept = (counts >= 2) | np.isin(keys, numbers_of(torch.unique(inputs)[:, None].long(), 1).numpy())
    least = 1
    while kept.sum() > most:
        least += 1
        kept = counts >= least
    return keys[kept]


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


class Found(NamedTuple):
    """Which known runs stand in which texts, and how often."""

    texts: Tensor  # (M,) rising
    runs: Tensor  # (M,)
    often: Tensor  # (M,)


def occurrences(inputs: Tensor, keys: NDArray[np.int64], longest: int) -> Found:
    """Where each of the runs `keys` stands in (N, L) ids."""
    texts, places, often, start = [], [], [], 0
    for part in numbered(inputs, longest):
        at = np.searchsorted(keys, part).clip(max=len(keys) - 1)
        rows, columns = np.nonzero(keys[at] == part)
        cells, times = np.unique(rows * len(keys) + at[rows, columns], return_counts=True)
        texts.append(start + cells // len(keys))
        places.append(cells % len(keys))
        often.append(times)
        start += len(part)
    return Found(*(torch.from_numpy(np.concatenate(each)) for each in (texts, places, often)))


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
