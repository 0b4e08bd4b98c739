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

from ..core.model import Model
from ..core.problem import FAILED, USAGE, Problem
from . import coords, symmetry
from .planes import AT, COUNT, unpacked

SIZE = 19
TOGETHER = 64  # positions that a network sees at once: what a CPU's caches like, and little memory
Probabilities = np.ndarray[Any, np.dtype[np.float32]]
Opinion = Callable[[Any], Probabilities]


class Policy:
    """A trained network as a policy, the mean over the first `symmetries` of the board's eight (symmetry.py).

    Raises Problem where the model is of another domain, or its labels are not the points of a board.
    """

    def __init__(self, model: Model, symmetries: int = 1) -> None:
        if model.card.domain != "go":
            raise Problem(f"this is a model of {model.card.domain}; expected one that was trained on games of Go", USAGE)
        if not 1 <= symmetries <= symmetry.COUNT:
            raise Problem(f"--symmetries is 1 to {symmetry.COUNT}, got {symmetries}", USAGE)
        self.model, self.symmetries = model, symmetries
        self.columns = columns(model.labels)

    def __call__(self, rows: Any) -> Probabilities:
        """Packed positions (N, 2166) to probabilities (N, 361). Raises Problem where the network's weights are damaged."""
        legal = legal_moves(rows)
        scores = sum(self._seen(rows, s) for s in range(self.symmetries)) / self.symmetries
        found = np.where(legal, scores, 0)
        total = found.sum(1, keepdims=True)
        if not np.isfinite(total).all():
            raise Problem("the network answers with numbers that are not finite: its weights are damaged", FAILED)
        return np.divide(found, total, out=np.zeros_like(found), where=total > 0).astype(np.float32)

    def _seen(self, rows: Any, s: int) -> Any:
        """The network's probabilities where it sees the positions under a symmetry, turned back."""
        turned = repacked(symmetry.turned(unpacked(rows), s)) if s else rows
        answers = [self._asked(turned[at : at + TOGETHER]) for at in range(0, len(turned), TOGETHER)]
        return np.concatenate(answers)[:, symmetry.table(SIZE)[s][:-1]]

    def _asked(self, rows: Any) -> Any:
        """(N, 2166) to (N, 361) by place, illegal moves among them."""
        with self.model.answering():
            inputs = torch.from_numpy(np.ascontiguousarray(rows)).to(self.model.device)
            return self.model.scores(inputs).float().softmax(1).cpu().numpy()[:, self.columns]


def columns(labels: list[str]) -> Any:
    """Which of a model's labels, the points by their names, is each place: (361,)."""
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


def repacked(planes: Any) -> Any:
    """Planes (N, 48, 19, 19) as packed rows (N, 2166)."""
    return np.packbits(planes.reshape(len(planes), COUNT * SIZE * SIZE), axis=1)
