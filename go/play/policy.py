"""What a network thinks of positions: a probability for every legal move.

A policy is any function from packed planes, uint8 (N, 2166), to probabilities, float32 (N, 361), by place (see
coords.py): 0 where a move is illegal, 1 in all, or 0 in all where no move is legal. `Policy` is the one that asks a
trained network; whoever plays, annotates or analyses takes any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ...core.model import Model
from ...core.problem import FAILED, USAGE, Problem
from .. import coords
from ..planes import AT, unpacked

SIZE = 19
TOGETHER = 64  # positions that a network sees at once: what a CPU's caches like, and little memory
Probabilities = np.ndarray[Any, np.dtype[np.float32]]
Opinion = Callable[[Any], Probabilities]


class Policy:
    """A trained network as a policy; over how many symmetries of the board it averages, the model knows.

    Raises Problem where the model is of another domain, or its labels are not the points of a board.
    """

    def __init__(self, model: Model) -> None:
        if model.card.domain != "go":
            raise Problem(
                f"this is a model of {model.card.domain}; expected one that was trained on games of Go", USAGE
            )
        self.model = model
        self.columns = columns(model.labels)

    def __call__(self, rows: Any) -> Probabilities:
        """Packed positions to probabilities. Raises Problem where the network's weights are damaged."""
        answers = np.concatenate([self._asked(rows[at : at + TOGETHER]) for at in range(0, len(rows), TOGETHER)])
        if not np.isfinite(answers).all():
            raise Problem("the network answers with numbers that are not finite: its weights are damaged", FAILED)
        found = np.where(legal_moves(rows), answers, 0)
        total = found.sum(1, keepdims=True)
        shares: Probabilities = np.divide(found, total, out=np.zeros_like(found), where=total > 0)
        return shares

    def _asked(self, rows: Any) -> Probabilities:
        """(N, 2166) to (N, 361) by place."""
        with self.model.inference():
            inputs = torch.from_numpy(rows).to(self.model.device)
            found: Probabilities = self.model.logits(inputs).float().softmax(1).cpu().numpy()[:, self.columns]
            return found


def columns(labels: list[str]) -> Any:
    """Which of a model's labels, the points by their names, is each place: (361,). Raises Problem for other labels."""
    try:
        places = [coords.place(label, SIZE) for label in labels]
    except ValueError:
        places = []
    if sorted(places) != list(range(SIZE * SIZE)):
        raise Problem(
            f"the model's {len(labels):,} labels are not the {SIZE * SIZE} points of a board; "
            "expected a model that was trained on games of Go",
            USAGE,
        )
    return np.argsort(places)


def legal_moves(rows: Any) -> Any:
    """Which moves the rules allow, bool (N, 361): each legal one captures some number of stones, if none."""
    return marked(rows, AT["capture size"])


def sensible_moves(rows: Any) -> Any:
    """Legal moves that fill no true eye of one's own, bool (N, 361)."""
    return marked(rows, AT["sensible"])


def marked(rows: Any, at: slice) -> Any:
    """The places that any of some planes marks, bool (N, 361)."""
    return unpacked(rows)[:, at].any(1).reshape(len(rows), SIZE * SIZE)
