"""Average precision of boxes as COCO defines it (Lin et al. 2014; the rules of its evaluation code, pycocotools).

Predictions are matched to true boxes in the order of their scores, each to the free one of its label with the largest
overlap (intersection over union). A crowd, and a box whose area is outside the range that is measured, can be matched
and counts neither way. Precision is interpolated at 101 recalls.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]
Ints = NDArray[np.integer[Any]]

OVERLAPS = np.linspace(0.5, 0.95, 10)  # thresholds of the overlap
RECALLS = np.linspace(0, 1, 101)
MOST = 100  # predictions of a label in an input that count
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
NEARLY_EQUAL = 1 - 1e-10  # the largest threshold: of equal boxes the overlap may round to less than 1


class Boxes(NamedTuple):
    """The boxes of one label in one input, true or predicted."""

    edges: Floats  # (N, 4) left, top, right, bottom
    areas: Floats  # (N,) in pixels of the original picture
    scores: Floats  # (N,) of predictions; 1 for true boxes
    crowd: Bools  # (N,) of true boxes; False for predictions


class Matches(NamedTuple):
    """The predictions of one label in all inputs, highest score first, for T thresholds of the overlap."""

    scores: Floats  # (D,)
    correct: Bools  # (T, D) whether it is matched
    ignored: Bools  # (T, D) whether it counts neither way
    inputs: Ints  # (D,) the index of its input
    positives: Floats  # (N,) the true boxes that count in each input


def overlap(predicted: Floats, true: Floats, crowd: Bools) -> Floats:
    """(D, 4) and (G, 4) edges -> (D, G) intersection over union; over a crowd, the share of the prediction inside."""
    low = np.maximum(predicted[:, None, :2], true[None, :, :2])
    high = np.minimum(predicted[:, None, 2:], true[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(-1)
    sizes, true_sizes = ((edges[:, 2:] - edges[:, :2]).prod(-1) for edges in (predicted, true))
    union = np.where(crowd, sizes[:, None], sizes[:, None] + true_sizes - inside)
    result: Floats = np.where(union > 0, inside / np.where(union > 0, union, 1), 0.0)
    return result


def match(
    predicted: Sequence[Boxes], true: Sequence[Boxes], thresholds: Floats = OVERLAPS, area: str = "all"
) -> Matches:
    """Matches the predictions of one label with its true boxes, input by input."""
    rows = [match_input(*pair, thresholds, AREAS[area]) for pair in zip(predicted, true, strict=True)]
    scores = np.concatenate([row.scores for row in rows])
    inputs = np.concatenate([np.full(len(row.scores), index) for index, row in enumerate(rows)])
    order = np.argsort(-scores, kind="stable")
    correct, ignored = (
        np.concatenate([getattr(row, name) for row in rows], axis=1)[:, order] for name in ("correct", "ignored")
    )
    positives = np.array([row.positives[0] for row in rows])
    return Matches(scores[order], correct, ignored, inputs[order].astype(np.int64), positives)


def match_input(predicted: Boxes, true: Boxes, thresholds: Floats, area: tuple[float, float]) -> Matches:
    """The matches of one label in one input."""
    low, high = area
    order = np.argsort(-predicted.scores, kind="stable")[:MOST]
    edges, areas, scores = predicted.edges[order], predicted.areas[order], predicted.scores[order]
    neutral = true.crowd | (true.areas < low) | (true.areas > high)
    overlaps = overlap(edges, true.edges, true.crowd)  # (D, G)
    least = np.minimum(thresholds, NEARLY_EQUAL)[:, None]
    free = np.ones((len(thresholds), len(true.scores)), bool)
    correct = np.zeros((len(thresholds), len(order)), bool)
    ignored = np.zeros_like(correct)
    rows = np.arange(len(thresholds))
    for index in range(len(order) if len(neutral) else 0):
        candidates = free & (overlaps[index] >= least)  # (T, G)
        counted = candidates & ~neutral
        is_counted = counted.any(1)
        values = np.where(np.where(is_counted[:, None], counted, candidates), overlaps[index], -1.0)
        best = values.shape[1] - 1 - values[:, ::-1].argmax(1)  # the last of equal ones
        matched = values[rows, best] >= 0
        correct[:, index] = matched
        ignored[:, index] = matched & ~is_counted
        free[rows[matched], best[matched]] = true.crowd[best[matched]]  # a crowd takes any number
    ignored |= ~correct & ((areas < low) | (areas > high))
    nothing = np.zeros(0, np.int64)
    return Matches(scores, correct, ignored, nothing, np.array([np.count_nonzero(~neutral)], np.float64))


def average_precision(matches: Matches) -> Floats:
    """(T,) the average precision at each threshold of the overlap; NaN without a true box."""
    precisions: Floats = weighted_average_precision(matches, np.ones((1, len(matches.positives))))[0]
    return precisions


def weighted_average_precision(matches: Matches, weights: Floats) -> Floats:
    """(R, N) how often each input counts -> (R, T) the average precisions."""
    total = weights @ matches.positives  # (R,)
    result = np.full((len(weights), len(matches.correct)), np.nan)
    counts = weights[:, matches.inputs]  # (R, D)
    for index, (correct, ignored) in enumerate(zip(matches.correct, matches.ignored, strict=True)):
        hits = np.cumsum(counts * (correct & ~ignored), 1)
        errors = np.cumsum(counts * (~correct & ~ignored), 1)
        for row in np.flatnonzero(total > 0).tolist():
            result[row, index] = interpolated(hits[row], errors[row], float(total[row]))
    return result


def interpolated(hits: Floats, errors: Floats, total: float) -> float:
    """The mean of the interpolated precision at 101 recalls, from the running counts of hits and errors."""
    if not len(hits):
        return 0.0
    precision = hits / (hits + errors + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]  # the highest at this recall or a larger one
    places = np.searchsorted(hits / total, RECALLS, side="left")
    return float(np.where(places < len(precision), precision[np.minimum(places, len(precision) - 1)], 0.0).mean())


def best_threshold(matches: Matches, overlap_index: int = 0) -> float | None:
    """The score from which predicting gives the highest F1 at one overlap; None where there is nothing to find.

    It lies between two scores, so that rounding does not decide.
    """
    counted = ~matches.ignored[overlap_index]
    hits = np.cumsum(matches.correct[overlap_index][counted])
    total = matches.positives.sum()
    if not total or not len(hits) or not hits[-1]:
        return None
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + total)
    last = len(f1) - 1 - int(f1[::-1].argmax())
    scores = matches.scores[counted]
    return float((scores[last] + (scores[last + 1] if last + 1 < len(scores) else 0.0)) / 2)
