"""A policy: how likely each move is in a position.

A policy is any function from packed planes, uint8 (N, 2166), to probabilities by place (see coords.py), float32
(N, 361): 0 for illegal moves, and a sum of 1, or of 0 in a position without a legal move. `Policy` asks a trained
network; players, annotations and analyses take any policy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ...core.model import NEVER, Model
from ...core.problem import FAILED, USAGE, Problem
from ..coords import SIZE, place

BATCH = 64  # positions: fits a CPU's caches and takes little memory
Probabilities = np.ndarray[Any, np.dtype[np.float32]]
PolicyFunction = Callable[[Any], Probabilities]


class Policy:
    """The policy of a trained network. The model decides over how many symmetries of the board it averages.

    Raises Problem if the model is of another domain, or its labels are not the points of a board.
    """

    def __init__(self, model: Model) -> None:
        if model.card.domain != "go":
            raise Problem(f"the model is of {model.card.domain}; expected a model trained on games of Go", USAGE)
        self.model = model
        self.label_indices = label_indices(model.labels)

    def __call__(self, rows: Any) -> Probabilities:
        """Returns the probabilities of packed positions. Raises Problem if the network's weights are damaged."""
        batches = [self._predict(rows[start : start + BATCH]) for start in range(0, len(rows), BATCH)]
        probabilities = np.concatenate(batches)
        if not np.isfinite(probabilities).all():
            raise Problem("the network predicts numbers that are not finite: its weights are damaged", FAILED)
        return probabilities

    def _predict(self, rows: Any) -> Probabilities:
        with self.model.inference():
            logits = self.model.logits(torch.from_numpy(rows).to(self.model.device)).float()
            # The model gives illegal moves the logit NEVER, which matters in a position without a legal move.
            probabilities = logits.softmax(1) * (logits != NEVER)
            predicted: Probabilities = probabilities.cpu().numpy()[:, self.label_indices]
            return predicted


def label_indices(labels: list[str]) -> Any:
    """The index of each place among a model's labels, int64 (361,). Raises Problem if they are not the points."""
    try:
        places = [place(label, SIZE) for label in labels]
    except ValueError:
        places = []
    if sorted(places) != list(range(SIZE * SIZE)):
        raise Problem(
            f"the model's {len(labels):,} labels are not the {SIZE * SIZE} points of a board; "
            "expected a model trained on games of Go",
            USAGE,
        )
    return np.argsort(places)
