"""ROC and precision-recall curves of labels, one label against all others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

MOST = 8  # curves in a chart


class ScoreCurve(NamedTuple):
    """How well the score of one label separates its examples from all others, for falling thresholds."""

    label: str
    examples: int  # with the label
    false_positive_rates: Floats
    recalls: Floats  # at these rates
    precisions: Floats
    recalls_of_precisions: Floats
    roc_auc: float
    average_precision: float


def score_curves(scores: Floats, members: NDArray[np.bool_], labels: Sequence[str]) -> list[ScoreCurve]:
    """The curves of (N, K) scores against (N, K) memberships, without labels that no or all examples have.

    Lowest average precision first. Fawcett 2006, section 4; scikit-learn's definitions.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    curves = []
    for index, label in enumerate(labels):
        member, score = members[:, index], scores[:, index]
        if member.all() or not member.any():
            continue
        false_positive_rates, recalls, _ = roc_curve(member, score)
        precisions, recalls_of_precisions, _ = precision_recall_curve(member, score)
        auc, precision = roc_auc_score(member, score), average_precision_score(member, score)
        curves.append(
            ScoreCurve(
                label,
                int(member.sum()),
                false_positive_rates,
                recalls,
                precisions,
                recalls_of_precisions,
                auc,
                precision,
            )
        )
    return sorted(curves, key=lambda curve: curve.average_precision)


def summary(curves: Sequence[ScoreCurve]) -> list[dict[str, Any]]:
    """The areas below the curves, as JSON."""
    return [
        {
            "label": curve.label,
            "roc_auc": float(curve.roc_auc),
            "average_precision": float(curve.average_precision),
            "examples": curve.examples,
        }
        for curve in curves
    ]
