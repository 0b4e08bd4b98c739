"""Label errors by confident learning (Northcutt, Jiang and Chuang 2021, arXiv:1911.00068).

All functions take out-of-fold probabilities (N, K), predicted by networks that were not trained on the example, and its
label (N,). With probabilities of the training examples themselves nothing is found: a network learns wrong labels by
heart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Probabilities = NDArray[np.floating]
Labels = NDArray[np.int64]
Scores = NDArray[np.float64]


def self_confidence(probabilities: Probabilities, labels: Labels) -> Scores:
    """(N,) the probability of the label; low for a label that is probably wrong."""
    confidence: Scores = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return confidence


def normalized_margin(probabilities: Probabilities, labels: Labels) -> Scores:
    """(N,) half of 1 + p(label) − the largest probability of another label: from 0, probably wrong, to 1."""
    remaining = probabilities.astype(np.float64)
    remaining[np.arange(len(labels)), labels] = -np.inf
    margins: Scores = (1 + self_confidence(probabilities, labels) - remaining.max(1)) / 2
    return margins


def thresholds(probabilities: Probabilities, labels: Labels) -> Scores:
    """(K,) the mean probability of each label over its own examples; infinite for a label without any."""
    means = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(labels):
        means[label] = probabilities[labels == label, label].mean()
    return means


def confident_labels(probabilities: Probabilities, labels: Labels) -> Labels:
    """(N,) the most probable label among those that reach their threshold; −1 where none does."""
    reached = probabilities >= thresholds(probabilities, labels) - 1e-6
    best = np.where(reached, probabilities, -1).argmax(1)
    return np.where(reached.any(1), best, -1)


def suspects(probabilities: Probabilities, labels: Labels) -> NDArray[np.bool_]:
    """(N,) whether an example is off the diagonal of the confident joint, the count of labels against confident labels.

    An example whose most probable label is its own is no suspect, though another label may reach a low threshold.
    """
    confident = confident_labels(probabilities, labels)
    mask: NDArray[np.bool_] = (confident >= 0) & (confident != labels) & (probabilities.argmax(1) != labels)
    return mask
