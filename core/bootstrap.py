"""Intervals of metrics by the bootstrap: the metric of many resampled sets of examples (Efron and Tibshirani 1993)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

RESAMPLES = 1000
LEVEL = 0.95
BLOCK = 1 << 22  # weights in memory at once


def interval(statistic: Callable[[Floats], Floats], examples: int, resamples: int = RESAMPLES) -> Floats:
    """The percentile interval of a statistic: (…, 2), its 2.5% and 97.5% quantiles over resampled examples.

    `statistic` gets weights (R, N), how often each example is drawn in each of R resamples, and returns (R, …) values;
    values that are NaN, as where a label was not drawn, are left out. The seed is fixed.
    """
    values = np.concatenate([statistic(weights) for weights in resampled(examples, resamples)])
    tail = (1 - LEVEL) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a statistic that no resample defines: it stays NaN
        low, high = np.nanquantile(values, [tail, 1 - tail], axis=0)
    return np.stack([low, high], -1)


def resampled(examples: int, resamples: int) -> Iterator[Floats]:
    """Blocks of weights (R, N): how often each of N examples is drawn in N draws with replacement."""
    rng = np.random.default_rng(0)
    rows = max(1, BLOCK // examples)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        draws = rng.integers(examples, size=(count, examples)) + examples * np.arange(count)[:, None]
        yield np.bincount(draws.ravel(), minlength=count * examples).reshape(count, examples).astype(np.float64)
