"""How well moves are predicted in the opening, the middle game and the endgame, and on whose games."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

PHASE = 50  # moves
LAST = 4  # the last phase has no end
FOLDERS = 20  # more than so many are no groups


def measures(probabilities: Any, targets: Any, names: Sequence[str]) -> dict[str, Any]:
    """The accuracy by phase of the game, and by the folder of the record where there are several.

    `names` are such as games.zip!kgs/17.sgf, move 57: the position in which move 57 was played.
    """
    right = probabilities.argmax(1) == targets
    told = [names[i].rpartition(", move ") for i in range(len(targets))]
    phase = np.array([min((int(number) - 1) // PHASE, LAST) for _, _, number in told])
    groups = {"phase": [row(phase_name(each), right[phase == each]) for each in np.unique(phase).tolist()]}
    folder = np.array([name.replace("!", "/").rsplit("/", 2)[-2] if "/" in name else "" for name, _, _ in told])
    if 1 < len(found := np.unique(folder).tolist()) <= FOLDERS:
        groups["folder"] = [row(each, right[folder == each]) for each in found]
    return {"groups": groups}


def phase_name(number: int) -> str:
    first = number * PHASE + 1
    return f"moves {first} on" if number == LAST else f"moves {first} to {first + PHASE - 1}"


def row(name: str, right: Any) -> dict[str, Any]:
    return {"group": name, "accuracy": float(right.mean()), "examples": len(right)}
