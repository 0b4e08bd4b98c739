"""Word n-grams of the training texts: which a model knows, where they occur, and how they relate to labels.

An n-gram is identified by a 62-bit hash (core/modules.py). Known n-grams are an ascending array of hashes, `keys`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..core.modules import hashed_runs

MAX_N = 3  # tokens of an n-gram: longer ones rarely occur again
MAX_NGRAMS = 1 << 20  # known n-grams of a model: 8 MB of hashes
MAX_WEIGHTS = 1 << 24  # known n-grams times labels: a table of 64 MB
BATCH_SIZE = 2000  # texts that are hashed at once

Keys = NDArray[np.int64]


def hashed_batches(inputs: Tensor, max_n: int = MAX_N) -> Iterator[tuple[Tensor, Keys]]:
    """Yields batches of texts of similar length: indices (B,), and the hashes of all their n-grams, 0 for none."""
    lengths = (inputs > 0).sum(1)
    for indices in lengths.argsort(stable=True).split(BATCH_SIZE):
        width = int(lengths[indices].max()) if len(indices) else 0
        yield indices, hashed_runs(inputs[indices, :width].long(), max_n).flatten(1).numpy()


def select_ngrams(inputs: Tensor, labels: int, max_n: int = MAX_N) -> Keys:
    """Returns the n-grams of (N, L) ids that a model knows, ascending: all tokens, and n-grams that occur twice.

    Few of the n-grams that occur once occur in another text. If there are too many, the least count rises for tokens
    and n-grams alike until the remaining ones fit.
    """
    limit = min(MAX_NGRAMS, MAX_WEIGHTS // max(1, labels))
    keys, counts = count_ngrams(inputs, max_n)
    selected = counts >= 2
    unigrams = unigram_index(keys, int(inputs.max()) + 1)
    selected[unigrams[unigrams >= 0]] = True
    min_count = 1
    while selected.sum() > limit:
        min_count += 1
        selected = counts >= min_count
    return keys[selected]


def count_ngrams(inputs: Tensor, max_n: int) -> tuple[Keys, NDArray[np.int64]]:
    """Returns all n-grams of (N, L) ids, ascending, and how often each occurs."""
    batches = [np.unique(hashes[hashes > 0], return_counts=True) for _, hashes in hashed_batches(inputs, max_n)]
    hashes, counts = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    order = np.argsort(hashes)
    hashes = hashes[order]
    first = np.flatnonzero(np.diff(hashes, prepend=-1))
    return hashes[first], np.add.reduceat(counts[order], first)


class NGramCounts(NamedTuple):
    """The known n-grams of each text with their counts, as compressed rows: text i has starts[i] … starts[i + 1]."""

    starts: Tensor  # (N + 1,) int32
    ngrams: Tensor  # (M,) int32, indices of known n-grams, ascending within a text
    counts: Tensor  # (M,) float32

    def rows(self) -> Tensor:
        """Returns the text of each entry: (M,) int32, ascending."""
        sizes = self.starts.diff()
        return torch.arange(len(sizes), dtype=torch.int32).repeat_interleave(sizes)

    def subset(self, indices: Tensor) -> NGramCounts:
        """Returns the texts at `indices`, in that order."""
        sizes, starts = self.starts.diff()[indices], self.starts[indices]
        new_starts = F.pad(sizes.cumsum(0, dtype=torch.int32), (1, 0))
        entries = torch.arange(int(new_starts[-1]), dtype=torch.int32)
        entries += (starts - new_starts[:-1]).repeat_interleave(sizes)
        return NGramCounts(new_starts, self.ngrams[entries], self.counts[entries])

    def document_frequency(self, targets: Tensor, ngrams: int, labels: int) -> Tensor:
        """Counts the texts of each label that contain each of `ngrams` n-grams: (ngrams, labels) float32."""
        cells = self.ngrams * labels + targets.int()[self.rows()]
        return torch.bincount(cells, minlength=ngrams * labels).view(ngrams, labels).float()


def count_in_texts(inputs: Tensor, keys: Keys, max_n: int) -> NGramCounts:
    """Counts the n-grams `keys` in each of (N, L) ids."""
    indices, batches = zip(*_count_batches(inputs, keys, max_n), strict=True)
    sizes = torch.cat([batch.starts.diff() for batch in batches])
    starts = F.pad(sizes.cumsum(0, dtype=torch.int32), (1, 0))
    ngrams, counts = (torch.cat([getattr(batch, name) for batch in batches]) for name in ("ngrams", "counts"))
    return NGramCounts(starts, ngrams, counts).subset(torch.cat(indices).argsort())


def document_frequency(inputs: Tensor, targets: Tensor, keys: Keys, labels: int, max_n: int) -> Tensor:
    """Counts the texts of each label that contain each n-gram: (ngrams, labels) float32."""
    frequency = torch.zeros(len(keys), labels)
    for indices, batch in _count_batches(inputs, keys, max_n):
        frequency += batch.document_frequency(targets[indices], len(keys), labels)
    return frequency


def _count_batches(inputs: Tensor, keys: Keys, max_n: int) -> Iterator[tuple[Tensor, NGramCounts]]:
    """Yields batches of texts: indices, and the counts of their known n-grams."""
    known = torch.from_numpy(keys)
    for indices, hashes in hashed_batches(inputs, max_n):
        ordered = np.sort(hashes, 1)  # equal n-grams become neighbours, so that each is looked up once
        first = np.ones_like(ordered, bool)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        positions = np.flatnonzero(first)
        distinct = torch.from_numpy(ordered.ravel()[positions])
        index = torch.searchsorted(known, distinct).clamp_max_(len(keys) - 1)
        is_known = known[index] == distinct
        counts = torch.from_numpy(np.diff(positions, append=ordered.size))[is_known]
        rows = torch.from_numpy(positions)[is_known] // max(1, ordered.shape[1])
        starts = F.pad(torch.bincount(rows, minlength=len(ordered)).cumsum(0, dtype=torch.int32), (1, 0))
        yield indices, NGramCounts(starts, index[is_known].int(), counts.float())


def unigram_index(keys: Keys, tokens: int) -> Tensor:
    """Returns the index in `keys` of each token id by itself, −1 if it is not there: (tokens,)."""
    hashes = hashed_runs(torch.arange(tokens)[:, None], 1)[:, 0, 0].numpy()
    index = np.searchsorted(keys, hashes).clip(max=len(keys) - 1)
    return torch.from_numpy(np.where(keys[index] == hashes, index, -1))


def log_ratios(counts: Tensor, smoothing: float = 1.0) -> Tensor:
    """Returns the log-ratio of an n-gram's likelihood under each label and under all others: (ngrams, labels).

    r_k = log((p_k / ‖p_k‖₁) / (q_k / ‖q_k‖₁)), p_k the smoothed counts of label k, q_k those of all other labels
    (Wang and Manning 2012, section 2.1).
    """
    label = counts + smoothing
    rest = counts.sum(1, keepdim=True) - counts + smoothing
    return (label / label.sum(0)).log() - (rest / rest.sum(0)).log()
