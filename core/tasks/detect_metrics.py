"""Metrics of boxes: COCO's average precisions with intervals, and what a threshold of the score gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import bootstrap
from . import average_precision as ap
from .average_precision import Boxes, Matches
from .box_targets import CROWD, LABEL, boxes_of, frame_of

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

SCORE = 4  # the column of predictions (N, D, 6): left, top, right, bottom, score, label
PREDICTED_LABEL = 5
HALF = 0.5  # of the overlap, from which a prediction is right in counts and in the matrix
BUDGET = 100_000_000  # resampled predictions of a bootstrap
FEWEST_RESAMPLES = 100


class Sets(NamedTuple):
    """The predicted and the true boxes of each label in N inputs."""

    predicted: list[list[Boxes]]  # K lists of N
    true: list[list[Boxes]]


def sets_of(predictions: Floats, targets: Floats, labels: int) -> Sets:
    """(N, D, 6) predictions and (N, 1 + M, 6) targets, by label and input; areas are those in the files."""
    predicted: list[list[Boxes]] = [[] for _ in range(labels)]
    true: list[list[Boxes]] = [[] for _ in range(labels)]
    for prediction, target in zip(predictions.astype(np.float64), targets.astype(np.float64), strict=True):
        frame = frame_of(target)
        scale = frame.scale_x * frame.scale_y or 1.0
        boxes, scored = boxes_of(target), prediction[prediction[:, SCORE] > 0]
        for label in range(labels):
            rows, hits = boxes[boxes[:, LABEL] == label], scored[scored[:, PREDICTED_LABEL] == label]
            none = np.zeros(len(hits), bool)
            predicted[label].append(Boxes(hits[:, :4], areas(hits, scale), hits[:, SCORE], none))
            crowd = rows[:, CROWD] > 0
            true[label].append(Boxes(rows[:, :4], areas(rows, scale), np.ones(len(rows)), crowd))
    return Sets(predicted, true)


def areas(rows: Floats, scale: float) -> Floats:
    result: Floats = (rows[:, 2] - rows[:, 0]) * (rows[:, 3] - rows[:, 1]) / scale
    return result


def matches_of(sets: Sets, area: str = "all") -> list[Matches]:
    """The matches of each label."""
    return [ap.match(predicted, true, area=area) for predicted, true in zip(*sets, strict=True)]


def mean_precision(precisions: Floats) -> float | None:
    """The mean of what is known; None if nothing is."""
    known = precisions[np.isfinite(precisions)]
    return float(known.mean()) if known.size else None


def detection_metrics(
    predictions: Floats, targets: Floats, labels: Sequence[str], thresholds: Sequence[float]
) -> dict[str, Any]:
    """All metrics as JSON; shares, not per cent. A label without a box has None and is left out of means.

    `thresholds` are the scores from which boxes of each label are predicted, for the counts and the matrix; average
    precision needs none.
    """
    sets = sets_of(predictions, targets, len(labels))
    by_area = {area: matches_of(sets, area) for area in ap.AREAS}
    matches = by_area["all"]
    precisions = np.stack([ap.average_precision(match) for match in matches])  # (K, T)
    intervals = precision_intervals(matches, len(targets))
    metrics: dict[str, Any] = {
        "metric": "ap50",
        "value": mean_precision(precisions[:, 0]) or 0.0,
        "interval": intervals["ap50"],
        "examples": len(targets),
        "ap": mean_precision(precisions),
        "ap_interval": intervals["ap"],
        "ap50": mean_precision(precisions[:, 0]),
        "ap75": mean_precision(precisions[:, 5]),
    }
    for area in ("small", "medium", "large"):
        values = np.stack([ap.average_precision(match) for match in by_area[area]])
        metrics[f"ap_{area}"] = mean_precision(values)
        metrics[f"boxes_{area}"] = int(sum(match.positives.sum() for match in by_area[area]))
    rows = [class_row(label, sets, k, matches[k], precisions[k], thresholds[k]) for k, label in enumerate(labels)]
    metrics["classes"] = rows
    metrics["boxes"] = sum(row["boxes"] for row in rows)
    metrics["confusion"] = confusion(predictions, targets, thresholds).tolist()
    return metrics


def class_row(label: str, sets: Sets, k: int, matches: Matches, precisions: Floats, threshold: float) -> dict[str, Any]:
    """What is known of one label: its average precisions, and its counts from its threshold on."""
    above = matches.scores >= threshold
    counted = above & ~matches.ignored[0]
    correct, predicted = int((matches.correct[0] & counted).sum()), int(counted.sum())
    boxes = int(matches.positives.sum())
    predicted_counts = np.bincount(matches.inputs[counted], minlength=len(matches.positives))
    return {
        "label": label,
        "boxes": boxes,
        "examples": int((matches.positives > 0).sum()),
        "ap": mean_precision(precisions),
        "ap50": mean_precision(precisions[:1]),
        "ap75": mean_precision(precisions[5:6]),
        "threshold": threshold,
        "predicted": predicted,
        "correct": correct,
        "precision": correct / predicted if predicted else None,
        "recall": correct / boxes if boxes else None,
        "f1": 2 * correct / (predicted + boxes) if predicted + boxes else None,
        "count_error": float(np.abs(predicted_counts - matches.positives).mean()),
    }


def precision_intervals(matches: Sequence[Matches], examples: int) -> dict[str, list[float] | None]:
    """The intervals of the mean average precisions, over resampled inputs; None for a single input."""
    if examples < 2:
        return {"ap50": None, "ap": None}
    size = sum(match.correct.size for match in matches) + 1
    resamples = min(bootstrap.RESAMPLES, max(FEWEST_RESAMPLES, BUDGET // size))

    def statistic(weights: Floats) -> Floats:
        """(R, N) -> (R, 2): AP50 and AP."""
        values = np.stack([ap.weighted_average_precision(match, weights) for match in matches])  # (K, R, T)
        known = np.isfinite(values)
        counts = known.any(2).sum(0)
        totals = np.where(known, values, 0.0).sum(0) / np.where(counts > 0, counts, np.nan)[:, None]
        return np.stack([totals[:, 0], totals.mean(1)], 1)

    low_high = bootstrap.interval(statistic, examples, resamples)
    names = ("ap50", "ap")
    return {name: row.tolist() if np.isfinite(row).all() else None for name, row in zip(names, low_high, strict=True)}


def confusion(predictions: Floats, targets: Floats, thresholds: Sequence[float]) -> Ints:
    """(K + 1, K + 1) counts: a row for each true label, a column for each predicted one, the last is the background.

    Boxes above their thresholds are matched to true boxes with an overlap of at least a half: those of the same label
    first, then the others. What is left was missed (the last column) or invented (the last row).
    """
    count = len(thresholds)
    table = np.zeros((count + 1, count + 1), np.int64)
    limits = np.asarray(thresholds)
    for prediction, target in zip(predictions.astype(np.float64), targets.astype(np.float64), strict=True):
        scored = prediction[prediction[:, SCORE] > 0]
        scored = scored[scored[:, SCORE] >= limits[scored[:, PREDICTED_LABEL].astype(int)]] if count else scored
        for true, predicted in pairs(scored, boxes_of(target)):
            table[true if true is not None else count, predicted if predicted is not None else count] += 1
    return table


def pairs(predicted: Floats, true: Floats) -> list[tuple[int | None, int | None]]:
    """The labels of true and predicted boxes that belong together; None for what is missing on one side."""
    crowd = true[:, CROWD] > 0
    overlaps = ap.overlap(predicted[:, :4], true[:, :4], crowd)
    labels, true_labels = predicted[:, PREDICTED_LABEL].astype(int), true[:, LABEL].astype(int)
    result: list[tuple[int | None, int | None]] = []
    free, left = ~crowd, np.ones(len(predicted), bool)
    for is_same in (True, False):
        for index in np.argsort(-predicted[:, SCORE], kind="stable").tolist():
            suits = free & (overlaps[index] >= HALF) & ((true_labels == labels[index]) == is_same)
            if left[index] and suits.any():
                best = int(np.where(suits, overlaps[index], -1.0).argmax())
                free[best], left[index] = False, False
                result.append((int(true_labels[best]), int(labels[index])))
    in_crowd = (overlaps[:, crowd] >= HALF).any(1) if crowd.any() else np.zeros(len(predicted), bool)
    result += [(None, int(label)) for label in labels[left & ~in_crowd]]
    return result + [(int(label), None) for label in true_labels[free]]


def thresholds_of(predictions: Floats, targets: Floats, labels: int) -> list[float | None]:
    """The score of each label with the highest F1 at an overlap of a half; None where there is nothing to find."""
    return [ap.best_threshold(match) for match in matches_of(sets_of(predictions, targets, labels))]


def input_precisions(predictions: Floats, targets: Floats, labels: int) -> Floats:
    """(N,) the AP50 of each input by itself, the mean over its labels; without a true box 1 less the highest score."""
    sets = sets_of(predictions, targets, labels)
    matches = [ap.match(*pair, thresholds=np.array([HALF])) for pair in zip(*sets, strict=True)]
    result = np.zeros(len(targets))
    for index in range(len(targets)):
        weights = np.zeros((1, len(targets)))
        weights[0, index] = 1
        values = []
        for match in matches:
            chosen = match.inputs == index
            alone = Matches(
                match.scores[chosen],
                match.correct[:, chosen],
                match.ignored[:, chosen],
                np.zeros(int(chosen.sum()), np.int64),
                match.positives[index : index + 1],
            )
            values.append(ap.average_precision(alone)[0])
        known = [value for value in values if np.isfinite(value)]
        highest = predictions[index, :, SCORE].max(initial=0.0)
        result[index] = np.mean(known) if known else 1.0 - highest
    return result
