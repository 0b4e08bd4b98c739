"""Metrics of classification: accuracy and log loss, per label, calibration, and the interval of a share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .problem import Problem

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

BINS = 15  # of the calibration error
RESAMPLES = 200  # of its bootstrap
MANY = 20_000  # examples


def classification_metrics(probabilities: Floats, targets: Ints, labels: list[str]) -> dict[str, Any]:
    """All metrics of (N, K) probabilities against (N,) targets as JSON. Shares, not per cent; N is 1 or more.

    A label without examples has recall None and is left out of the balanced accuracy. Raises Problem for NaN.
    """
    finite(probabilities)
    table = confusion(probabilities.argmax(1), targets, len(labels))
    per_class = classes(table, labels)
    present = [row for row in per_class if row["examples"]]
    return {
        "accuracy": float(table.trace() / len(targets)),
        "accuracy_interval": list(interval(int(table.trace()), len(targets))),
        "examples": len(targets),
        "top5": top(probabilities, targets, 5),
        "balanced_accuracy": float(np.mean([row["recall"] for row in present])),
        "balanced_accuracy_interval": list(mean_interval([(row["recall"], row["examples"]) for row in present])),
        "macro_f1": float(np.mean([row["f1"] or 0.0 for row in per_class if row["f1"] is not None])),
        "worst_class": worst_class(present),
        "log_loss": log_loss(probabilities, targets),
        "calibration_error": calibration_error(probabilities, targets),
        "calibration_interval": calibration_interval(probabilities, targets),
        "classes": per_class,
        "confusion": table.tolist(),
    }


def finite(probabilities: Floats) -> None:
    """Raises Problem if a network's predictions are not finite numbers."""
    if not np.isfinite(probabilities).all():
        raise Problem("the network's predictions are not finite numbers: its weights are damaged; train it again")


def confusion(predicted: Ints, targets: Ints, labels: int) -> Ints:
    """(K, K) counts: a row for each true label, a column for each predicted label."""
    return np.bincount(targets * labels + predicted, minlength=labels * labels).reshape(labels, labels)


def interval(successes: float, examples: int, z: float = 1.959964) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927), 95% by default; it stays within 0 to 1 at 0 and N of N.

    A draw counts as half a success.
    """
    share, spread = successes / examples, z * z / examples
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / examples + spread / (4 * examples))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return (0.0 if successes == 0 else low), (1.0 if successes == examples else high)


def mean_interval(shares: Sequence[tuple[float, int]]) -> tuple[float, float]:
    """The 95% interval of the mean of independent shares, (share, examples) each, from their score intervals.

    The half widths add up as squares (method of variance estimates recovery: Zou and Donner 2008, section 2).
    """
    bounds = [(share, *interval(share * examples, examples)) for share, examples in shares]
    mean = sum(share for share, _, _ in bounds) / len(bounds)
    below = math.sqrt(sum((share - low) ** 2 for share, low, _ in bounds)) / len(bounds)
    above = math.sqrt(sum((high - share) ** 2 for share, _, high in bounds)) / len(bounds)
    return max(0.0, mean - below), min(1.0, mean + above)


def worst_class(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The label of the lowest recall, with it and the number of its examples."""
    worst = min(rows, key=lambda row: row["recall"])
    return {name: worst[name] for name in ("label", "recall", "examples")}


def top(probabilities: Floats, targets: Ints, k: int) -> float:
    """The share of examples whose label is among the k most probable; a tie counts against the network."""
    true = np.take_along_axis(probabilities, targets[:, None], 1)
    rank = (probabilities > true).sum(1) + (probabilities == true).sum(1) - 1
    return float((rank < k).mean())


def classes(table: Ints, labels: list[str]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each label; None for 0/0."""
    correct, predicted, actual = table.diagonal(), table.sum(0), table.sum(1)
    return [
        {
            "label": label,
            "precision": float(correct[k] / predicted[k]) if predicted[k] else None,
            "recall": float(correct[k] / actual[k]) if actual[k] else None,
            "f1": float(2 * correct[k] / (predicted[k] + actual[k])) if predicted[k] + actual[k] else None,
            "examples": int(actual[k]),
        }
        for k, label in enumerate(labels)
    ]


def log_losses(probabilities: Floats, targets: Ints) -> Floats:
    """(N,) −log p of the true label in nats, p at least 1e-12."""
    true = np.take_along_axis(probabilities, targets[:, None], 1)[:, 0].astype(np.float64)
    losses: Floats = -np.log(true.clip(1e-12))
    return losses


def log_loss(probabilities: Floats, targets: Ints) -> float:
    """The mean of `log_losses`."""
    return float(log_losses(probabilities, targets).mean())


def calibration_error(probabilities: Floats, targets: Ints, bins: int = BINS) -> float:
    """Expected calibration error (Guo et al. 2017): |confidence − accuracy| in equal bins, weighted by examples."""
    bin_of, gaps = calibration_gaps(probabilities, targets, bins)
    return float(np.abs(np.bincount(bin_of, gaps, bins)).sum() / len(targets))


def decision_calibration_error(probabilities: Floats, true: NDArray[np.bool_], bins: int = BINS) -> float:
    """The same of (N, K) decisions for themselves: |probability − frequency| in equal bins, over all of them."""
    bin_of = np.minimum((probabilities * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of.ravel(), (probabilities - true).ravel(), bins)
    return float(np.abs(gaps).sum() / true.size)


def calibration_gaps(probabilities: Floats, targets: Ints, bins: int) -> tuple[Ints, Floats]:
    """(N,) the bin of each example by its confidence, and (N,) confidence minus 1 for a correct prediction or 0."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == targets
    gaps: Floats = confidence - correct
    return np.minimum((confidence * bins).astype(int), bins - 1), gaps


def calibration_interval(probabilities: Floats, targets: Ints, bins: int = BINS) -> list[float] | None:
    """The 95% interval of the calibration error by the basic bootstrap (Davison and Hinkley 1997, section 5.2).

    Few examples in a bin inflate the error, and resampling inflates it again by about as much; the basic bootstrap
    subtracts that. None from MANY examples on, where the interval is within a percentage point.
    """
    count = len(targets)
    if count >= MANY:
        return None
    bin_of, gaps = calibration_gaps(probabilities, targets, bins)
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(RESAMPLES):
        rows = rng.integers(count, size=count)
        errors.append(float(np.abs(np.bincount(bin_of[rows], gaps[rows], bins)).sum() / count))
    error = float(np.abs(np.bincount(bin_of, gaps, bins)).sum() / count)
    low, high = np.quantile(errors, [0.025, 0.975])
    return [max(0.0, 2 * error - float(high)), min(1.0, max(error, 2 * error - float(low)))]
