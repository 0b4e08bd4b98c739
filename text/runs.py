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
    parts = [np.unique(part[part > 0], return_counts=True) for part in numbered(inputs, longest)]
    keys, place = np.unique(np.concatenate([own for own, _ in parts]), return_inverse=True)
    counts = np.bincount(place, np.concatenate([often for _, often in parts]), len(keys))
    least = 1
    while (counts >= least).sum() > most:
        least += 1
    return keys[counts >= least]


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


def single(keys: NDArray[np.int64], tokens: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ids of tokens that are known runs by themselves, and where they stand among the keys."""
    ids = torch.arange(1, tokens)
    own = numbers_of(ids[:, None], 1)[:, 0, 0].numpy()
    at = np.searchsorted(keys, own).clip(max=len(keys) - 1)
    there = keys[at] == own
    return ids.numpy()[there], at[there]


def log_ratios(counts: Tensor, smoothing: float = 1.0) -> Tensor:
    """How much likelier each run is under a label than under the others, as a logarithm: (runs, labels).

    r_k = log((p_k / ‖p_k‖₁) / (q_k / ‖q_k‖₁)), p_k the smoothed counts of label k, q_k those of all other labels
    (Wang and Manning 2012, section 2.1).
    """
    own = counts + smoothing
    others = counts.sum(1, keepdim=True) - counts + smoothing
    return (own / own.sum(0)).log() - (others / others.sum(0)).log()


def sureness(inputs: Tensor, targets: Tensor, keys: NDArray[np.int64], counts: Tensor, longest: int) -> float:
    """What the sum of a text's log-count ratios is best multiplied by, for its scores to be as sure as they are right.

    Judged on some training texts, each taken out of the counts first: with its own words counted, naive Bayes knows
    it by heart. The factor of a grid with the lowest log loss.
    """
    some = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(0))[:JUDGED]
    own, others = counts + 1, counts.sum(1, keepdim=True) - counts + 1
    base = own.sum(0).log() - others.sum(0).log()  # (labels,)
    scores, start = torch.zeros(len(some), counts.shape[1]), 0
    for part in numbered(inputs[some], longest):
        found = np.sort(part, 1)
        first = np.ones_like(found, bool)
        first[:, 1:] = found[:, 1:] != found[:, :-1]
        at = np.searchsorted(keys, found).clip(max=len(keys) - 1)
        rows, columns = np.nonzero(first & (keys[at] == found))
        runs, text = torch.from_numpy(at[rows, columns]), torch.from_numpy(start + rows)
        mine = torch.nn.functional.one_hot(targets[some[text]], counts.shape[1])
        ratios = (own[runs] - mine).log() - (others[runs] - (1 - mine)).log() - base
        scores.index_add_(0, text, ratios)
        start += len(part)
    losses = [float(torch.nn.functional.cross_entropy(scores * by, targets[some])) for by in GRID]
    return GRID[losses.index(min(losses))]


JUDGED = 2000  # texts
GRID = (0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.3, 0.4, 0.6)
