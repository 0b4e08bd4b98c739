"""The loss that the TensorFlow playground shows, beside the metrics of classification."""

from __future__ import annotations

from typing import Any

import numpy as np


def squared_error(probabilities: Any, targets: Any) -> float:
    """The mean of (2p − 1 − y)² / 2 for the probability p of the second label and y of −1 or 1.

    That is 2 (1 − p)² for the probability p of the true label; 0.5 for a network that always says 50%.
    """
    true = np.take_along_axis(np.asarray(probabilities, np.float64), np.asarray(targets)[:, None], 1)
    return float((2 * (1 - true) ** 2).mean())


def compute(probabilities: Any, targets: Any, names: Any) -> dict[str, Any]:
    """The entries of the evaluation's JSON."""
    return {"squared_error": squared_error(probabilities, targets)} if probabilities.shape[1] == 2 else {}
