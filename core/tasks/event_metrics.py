"""Metrics of events: of frames, and of events that count as found where they begin and end about when true ones do.

Event-based F1 as sed_eval has it (Mesaros et al. 2016, Metrics for polyphonic sound event detection, section 3.2): an
event is found if one of its label is predicted whose start differs by at most COLLAR and whose end by at most COLLAR or
half of its length; each predicted event finds one. Of all such pairings the one with the most pairs counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..bootstrap import interval
from .masks import IGNORE
from .segment_metrics import ratio

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]

COLLAR = 0.2  # seconds
OF_LENGTH = 0.5  # of the true event: the end may differ by so much where that is more
FOUND, PREDICTED, TRUE = 0, 1, 2  # columns of counts


class EventCounts(NamedTuple):
    """What is counted in each of N examples, of the K − 1 labels beside the background: found, predicted, true."""

    events: Floats  # (N, K − 1, 3) with start and end
    onsets: Floats  # (N, K − 1, 3) with the start alone
    frames: Floats  # (N, K − 1, 3)
    right: Floats  # (N, 2) frames with the right label, and all that are known; the background too
    seconds: Floats  # (N, K − 1) of the true events


def runs(labels: Labels) -> list[tuple[int, int, int]]:
    """(F,) labels -> (label, first frame, frame behind the last) of each run."""
    if not len(labels):
        return []
    borders = [0, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist(), len(labels)]
    return [(int(labels[start]), start, end) for start, end in pairwise(borders)]


def pairs(true: Sequence[tuple[float, float]], predicted: Sequence[tuple[float, float]], with_end: bool) -> int:
    """The most pairs of true and predicted events (start, end) of one label that agree."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not true or not predicted:
        return 0
    first, second = np.array(true), np.array(predicted)
    tolerance = 1e-9  # of the sums of frames
    agree = np.abs(first[:, None, 0] - second[None, :, 0]) <= COLLAR + tolerance
    if with_end:
        collar = np.maximum(COLLAR, OF_LENGTH * (first[:, 1] - first[:, 0]))
        agree &= np.abs(first[:, None, 1] - second[None, :, 1]) <= collar[:, None] + tolerance
    return int((maximum_bipartite_matching(csr_matrix(agree), "column") >= 0).sum())


def counts_of(predicted: Labels, true: NDArray[Any], classes: int, times: Sequence[float]) -> EventCounts:
    """(N, F) predicted and true labels of frames, IGNORE where none is known -> their counts.

    What is predicted where no label is known counts as the background.
    """
    hop, count = times[0], len(predicted)
    events, onsets = np.zeros((2, count, classes - 1, 3))
    frames, seconds = np.zeros((count, classes - 1, 3)), np.zeros((count, classes - 1))
    is_known = true != IGNORE
    both = np.where(is_known, true, 0).astype(np.int64), np.where(is_known, predicted, 0).astype(np.int64)
    right = np.stack([((both[0] == both[1]) & is_known).sum(1), is_known.sum(1)], 1).astype(np.float64)
    for example, (truth, prediction) in enumerate(zip(*both, strict=True)):
        spans: list[list[list[tuple[float, float]]]] = [[[] for _ in range(classes)] for _ in both]
        for side, labels in enumerate((truth, prediction)):
            for label, start, end in runs(labels):
                spans[side][label].append((start * hop, end * hop))
        for label in range(1, classes):
            of_true, of_predicted = spans[0][label], spans[1][label]
            sizes = (len(of_predicted), len(of_true))
            events[example, label - 1] = (pairs(of_true, of_predicted, True), *sizes)
            onsets[example, label - 1] = (pairs(of_true, of_predicted, False), *sizes)
            is_true, is_predicted = truth == label, prediction == label
            frames[example, label - 1] = ((is_true & is_predicted).sum(), is_predicted.sum(), is_true.sum())
            seconds[example, label - 1] = is_true.sum() * hop
    return EventCounts(events, onsets, frames, right, seconds)


def f1(counts: Floats) -> Floats:
    """(…, 3) counts -> (…) 2 · found / (predicted + true); NaN where there is nothing of either."""
    return ratio(2 * counts[..., FOUND], counts[..., PREDICTED] + counts[..., TRUE])


def event_metrics(counts: EventCounts, labels: list[str]) -> dict[str, Any]:
    """All metrics as JSON: of all labels together, and of each. Intervals are over resampled examples."""
    statistics = {
        "event_f1": lambda c: f1(c.events.sum(-2)),
        "onset_f1": lambda c: f1(c.onsets.sum(-2)),
        "frame_f1": lambda c: f1(c.frames.sum(-2)),
        "frame_accuracy": lambda c: ratio(c.right[..., 0], c.right[..., 1]),
    }
    total = EventCounts(*(part.sum(0) for part in counts))
    metrics: dict[str, Any] = {"metric": "event_f1", "value": number(statistics["event_f1"](total))}
    for name, statistic in statistics.items():
        low_high = interval(
            lambda weights, statistic=statistic: np.asarray(  # type: ignore[misc]
                statistic(EventCounts(*(np.tensordot(weights, part, 1) for part in counts)))
            ),
            len(counts.right),
        )
        extent = None if np.isnan(low_high).any() else [float(value) for value in low_high]
        metrics |= {name: number(statistic(total)), f"{name}_interval": extent}
    metrics |= {"interval": metrics["event_f1_interval"], "examples": len(counts.right)}
    metrics |= {"events": int(total.events[:, TRUE].sum()), "predicted_events": int(total.events[:, PREDICTED].sum())}
    metrics["classes"] = [
        {
            "label": label,
            "event_f1": number(f1(total.events[k])),
            "precision": number(ratio(total.events[k, FOUND], total.events[k, PREDICTED])),
            "recall": number(ratio(total.events[k, FOUND], total.events[k, TRUE])),
            "onset_f1": number(f1(total.onsets[k])),
            "frame_f1": number(f1(total.frames[k])),
            "events": int(total.events[k, TRUE]),
            "predicted": int(total.events[k, PREDICTED]),
            "seconds": round(float(total.seconds[k]), 2),
        }
        for k, label in enumerate(labels[1:])
    ]
    return metrics


def number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
