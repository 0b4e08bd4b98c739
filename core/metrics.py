"""Metrics of classification: accuracy and log loss, per label, calibration, and the interval of a share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .problem import Problem

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def classification_metrics(probabilities: Floats, targets: Ints, labels: list[str]) -> dict[str, Any]:
    """All metrics of (N, K) probabilities against (N,) targets as JSON. Shares, not per cent; N is 1 or more.

    A label without examples has recall None and is left out of the balanced accuracy. Raises Problem for NaN.
    """
    finite(probabilities)
    table = confusion(probabilities.argmax(1), targets, len(labels))
    low, high = interval(int(table.trace()), len(targets))
    per_class = classes(table, labels)
    recalls = [row["recall"] for row in per_class if row["recall"] is not None]
    return {
        "accuracy": float(table.trace() / len(targets)),
        "interval": [low, high],
        "examples": len(targets),
        "top5": top(probabilities, targets, 5),
        "balanced_accuracy": float(np.mean(recalls)),
        "log_loss": log_loss(probabilities, targets),
        "calibration_error": calibration_error(probabilities, targets),
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


def calibration_error(probabilities: Floats, targets: Ints, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017): |confidence − accuracy| in equal bins, weighted by examples."""
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == targets
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(bin_of, confidence - correct, bins)
    return float(np.abs(gaps).sum() / len(targets))
