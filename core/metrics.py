"""How good a network's answers are, in all and per class, and how far its probabilities can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .problem import Problem

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]


def classification_metrics(probabilities: Floats, targets: Ints, labels: list[str]) -> dict[str, Any]:
    """Every score of (N, K) probabilities against (N,) targets, as JSON. Shares, not per cent; N is 1 or more.

    A class without examples has recall None and is left out of the balanced accuracy.
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
    """Raises Problem where a network's answers are not numbers."""
    if not np.isfinite(probabilities).all():
        raise Problem("the network answers with numbers that are not finite: its weights are damaged; train it anew")


def confusion(answers: Ints, targets: Ints, labels: int) -> Ints:
    """(K, K) counts: a row for each true label, a column for each answer."""
    return np.bincount(targets * labels + answers, minlength=labels * labels).reshape(labels, labels)


def interval(right: int, examples: int, level: float = 0.95, draws: int = 10_000) -> tuple[float, float]:
    """The bootstrap interval of an accuracy.

    Drawing examples again with replacement and counting the right ones is drawing from Binomial(N, accuracy), so that
    is what is drawn (Efron 1979, percentile method).
    """
    accuracies = np.random.default_rng(0).binomial(examples, right / examples, draws) / examples
    low, high = np.quantile(accuracies, [(1 - level) / 2, (1 + level) / 2])
    # Where all or none are right there is nothing to draw from; the exact binomial bound keeps five of five from
    # looking certain (Clopper and Pearson 1934).
    unseen = ((1 - level) / 2) ** (1 / examples)
    return float(unseen if right == examples else low), float(1 - unseen if right == 0 else high)


def top(probabilities: Floats, targets: Ints, k: int) -> float:
    """The share of examples whose label is among the k likeliest; a tie counts against the network."""
    own = np.take_along_axis(probabilities, targets[:, None], 1)
    rank = (probabilities > own).sum(1) + (probabilities == own).sum(1) - 1
    return float((rank < k).mean())


def classes(table: Ints, labels: list[str]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each label; None where there is nothing to divide by."""
    right, told, there = table.diagonal(), table.sum(0), table.sum(1)
    return [
        {
            "label": label,
            "precision": float(right[k] / told[k]) if told[k] else None,
            "recall": float(right[k] / there[k]) if there[k] else None,
            "f1": float(2 * right[k] / (told[k] + there[k])) if told[k] + there[k] else None,
            "examples": int(there[k]),
        }
        for k, label in enumerate(labels)
    ]


def log_loss(probabilities: Floats, targets: Ints) -> float:
    """The mean of −log p of the true label, p at least 1e-12, in nats."""
    own = np.take_along_axis(probabilities, targets[:, None], 1).astype(np.float64)
    return float(-np.log(own.clip(1e-12)).mean())


def calibration_error(probabilities: Floats, targets: Ints, bins: int = 15) -> float:
    """Expected calibration error (Guo et al. 2017): |confidence − accuracy| in equal bins, weighted by examples."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == targets
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(which, confidence - right, bins)
    return float(np.abs(gaps).sum() / len(targets))
