"""Metrics of several labels for each example, with intervals: F1, average precision, subset accuracy, Hamming loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import bootstrap
from ..metrics import finite, interval

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

BUDGET = 1_000_000_000  # multiplications of a bootstrap
PRECISION_BUDGET = 100_000_000  # of that of average precision, whose step takes longer
FEWEST_RESAMPLES = 100
SHARED = 2.0  # positives that the decisions on all labels add to those on one, where its threshold is found
MOST_CANDIDATES = 2000  # of all labels' scores, beside a label's own


class Decisions(NamedTuple):
    """Labels that examples have and labels that are predicted for them, (N, K) each."""

    true: Bools
    predicted: Bools


def multilabel_metrics(
    probabilities: Floats, targets: Floats, labels: Sequence[str], thresholds: Sequence[float]
) -> dict[str, Any]:
    """All metrics of (N, K) probabilities against (N, K) targets of 0 and 1, as JSON; N is 1 or more.

    A label is predicted if its probability is at least its threshold. F1 is None for a label that no example has and
    that is not predicted, average precision for a label that no example has; means leave them out. Raises Problem for
    NaN.
    """
    finite(probabilities)
    decisions = Decisions(targets > 0.5, probabilities >= np.asarray(thresholds))
    scores = f1_scores(decisions)
    precisions = average_precisions(probabilities, decisions.true)
    count, (macro, micro, per_label) = len(targets), f1_intervals(decisions)
    exact = int((decisions.true == decisions.predicted).all(1).sum())
    wrong = (decisions.true != decisions.predicted).mean(1)
    precision_interval = average_precision_interval(probabilities, decisions.true)
    hamming = bootstrap.interval(lambda weights: weights @ wrong / count, count)
    return {
        "metric": "macro_f1",
        "value": mean(scores),
        "interval": macro,
        "examples": count,
        "macro_f1": mean(scores),
        "macro_f1_interval": macro,
        "micro_f1": micro_f1(decisions),
        "micro_f1_interval": micro,
        "mean_average_precision": mean(precisions),
        "mean_average_precision_interval": precision_interval,
        "subset_accuracy": exact / count,
        "subset_accuracy_interval": list(interval(exact, count)),
        "hamming_loss": float(wrong.mean()),
        "hamming_loss_interval": hamming.tolist(),
        "labels_per_example": {
            "true": float(decisions.true.sum(1).mean()),
            "predicted": float(decisions.predicted.sum(1).mean()),
        },
        "classes": [
            {
                "label": label,
                "examples": int(decisions.true[:, k].sum()),
                "predicted": int(decisions.predicted[:, k].sum()),
                "correct": int((decisions.true[:, k] & decisions.predicted[:, k]).sum()),
                "precision": _ratio(decisions.true & decisions.predicted, decisions.predicted, k),
                "recall": _ratio(decisions.true & decisions.predicted, decisions.true, k),
                "f1": _number(scores[k]),
                "f1_interval": per_label[k],
                "average_precision": _number(precisions[k]),
                "threshold": float(thresholds[k]),
            }
            for k, label in enumerate(labels)
        ],
    }


def f1_scores(decisions: Decisions) -> Floats:
    """(K,) the F1 of each label, NaN for one that no example has and that is not predicted."""
    return _f1(*_counts(decisions))


def micro_f1(decisions: Decisions) -> float:
    """The F1 of all decisions together; 0 if there are neither labels nor predictions."""
    correct, predicted, true = (counts.sum() for counts in _counts(decisions))
    return float(2 * correct / (predicted + true)) if predicted + true else 0.0


def _counts(decisions: Decisions) -> tuple[Floats, Floats, Floats]:
    correct = decisions.true & decisions.predicted
    return correct.sum(0).astype(float), decisions.predicted.sum(0).astype(float), decisions.true.sum(0).astype(float)


def _f1(correct: Floats, predicted: Floats, true: Floats) -> Floats:
    total = predicted + true
    scores: Floats = np.where(total > 0, 2 * correct / np.where(total > 0, total, 1), np.nan)
    return scores


def f1_intervals(
    decisions: Decisions,
) -> tuple[list[float] | None, list[float] | None, list[list[float] | None]]:
    """The intervals of macro-F1 and micro-F1, and of the F1 of each label."""
    count, labels = decisions.true.shape
    columns = np.concatenate([decisions.true & decisions.predicted, decisions.predicted, decisions.true], 1)
    columns = columns.astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        correct, predicted, true = np.split(weights @ columns, 3, axis=1)
        scores = _f1(correct, predicted, true)
        defined = ~np.isnan(scores)
        macro = np.where(defined, scores, 0).sum(1) / np.maximum(defined.sum(1), 1)
        micro = _f1(correct.sum(1), predicted.sum(1), true.sum(1))
        return np.column_stack([macro, micro, scores])

    resamples = int(np.clip(BUDGET // (3 * count * labels), FEWEST_RESAMPLES, bootstrap.RESAMPLES))
    macro, micro, *per_label = map(_finite, bootstrap.interval(statistic, count, resamples))
    return macro, micro, per_label


def average_precisions(scores: Floats, true: Bools) -> Floats:
    """(K,) the average precision of each label, as scikit-learn's; NaN for a label that no example has."""
    values = [_average_precision(scores[:, k], true[:, k], np.ones((1, len(true))))[0] for k in range(true.shape[1])]
    return np.array(values)


def _average_precision(scores: Floats, true: Bools, weights: Floats) -> Floats:
    """(R, N) weights of the examples -> (R,) Σ (recall − recall before) · precision, over the distinct scores."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan))  # of equal scores, all of which are taken together
    weights = weights[:, order]
    retrieved = weights.cumsum(1)[:, ends]
    found = (weights * true[order]).cumsum(1)[:, ends]
    precision = found / np.maximum(retrieved, 1e-300)
    gains = np.diff(found, axis=1, prepend=0.0)
    total = found[:, -1]
    average: Floats = np.where(total > 0, (gains * precision).sum(1) / np.where(total > 0, total, 1), np.nan)
    return average


def average_precision_interval(scores: Floats, true: Bools) -> list[float] | None:
    """The interval of the mean average precision; None where it would take too long."""
    count = len(true)
    present = np.flatnonzero(true.any(0))
    if FEWEST_RESAMPLES * count * len(present) > PRECISION_BUDGET or not len(present):
        return None

    def statistic(weights: Floats) -> Floats:
        columns = np.stack([_average_precision(scores[:, k], true[:, k], weights) for k in present], 1)
        defined = ~np.isnan(columns)
        means: Floats = np.where(defined, columns, 0).sum(1) / np.maximum(defined.sum(1), 1)
        return means

    resamples = int(min(PRECISION_BUDGET // (count * len(present)), bootstrap.RESAMPLES))
    return _finite(bootstrap.interval(statistic, count, resamples))


def mean(values: Floats) -> float | None:
    """The mean of the values that are not NaN; None if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _ratio(part: Bools, total: Bools, k: int) -> float | None:
    count = int(total[:, k].sum())
    return int(part[:, k].sum()) / count if count else None


def _finite(limits: Floats) -> list[float] | None:
    return limits.tolist() if np.isfinite(limits).all() else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


# --- thresholds -----------------------------------------------------------------------------------------------------


def best_threshold(scores: Floats, true: Bools) -> tuple[float, float]:
    """The threshold with the highest F1 of (N,) scores, and that F1; halfway between two scores.

    Of several, the highest threshold is taken.
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    correct = true[order].cumsum()
    ends = np.flatnonzero(np.diff(ordered, append=-np.inf))
    f1 = 2 * correct[ends] / (ends + 1 + true.sum())
    best = int(np.argmax(f1))
    end = ends[best]
    below = ordered[end + 1] if end + 1 < len(ordered) else 0.0
    return float((ordered[end] + below) / 2), float(f1[best])


def label_thresholds(scores: Floats, true: Bools) -> list[float]:
    """The threshold of each label of (N, K) scores: the highest F1 on its examples and a share of all labels'.

    By a label's own examples alone, one that two of them have would get a threshold that fits these two. The counts of
    the decisions on all labels are added to its own, scaled so that they hold SHARED positives. All labels together
    must have an example.
    """
    order = np.argsort(-scores, axis=None, kind="stable")
    pooled = _Counts(scores.ravel()[order], true.ravel()[order])
    grid = pooled.scores[np.linspace(0, len(pooled.scores) - 1, min(len(pooled.scores), MOST_CANDIDATES)).astype(int)]
    weight = SHARED / pooled.correct[-1]
    thresholds = []
    for label_scores, label_true in zip(scores.T, true.T, strict=True):
        order = np.argsort(-label_scores, kind="stable")
        counts = _Counts(label_scores[order], label_true[order])
        candidates = np.unique(np.concatenate([grid, label_scores]))[::-1]
        (predicted, correct), (all_predicted, all_correct) = counts.at(candidates), pooled.at(candidates)
        total = predicted + weight * all_predicted + counts.correct[-1] + SHARED
        best = int(np.argmax(2 * (correct + weight * all_correct) / total))
        below = candidates[best + 1] if best + 1 < len(candidates) else 0.0
        thresholds.append(float((float(candidates[best]) + float(below)) / 2))
    return thresholds


class _Counts:
    """Counts of predictions and of correct ones at a threshold, from descending scores."""

    def __init__(self, scores: Floats, true: Bools) -> None:
        self.scores, self.correct = scores, np.concatenate([[0], true.cumsum()])

    def at(self, thresholds: Floats) -> tuple[Floats, Floats]:
        predicted = np.searchsorted(-self.scores, -thresholds, side="right")
        return predicted.astype(float), self.correct[predicted].astype(float)
