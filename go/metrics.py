"""Accuracy of move prediction by phase of the game, and by folder of the records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

PHASE = 50  # moves
LAST_PHASE = 4  # has no end
MAX_FOLDERS = 20  # more folders are not reported


def metrics(probabilities: Any, targets: Any, names: Sequence[str]) -> dict[str, Any]:
    """Accuracy by phase of the game, and by folder if there are several.

    `names` are like games.zip!kgs/17.sgf, move 57: the position in which move 57 was played.
    """
    correct = probabilities.argmax(1) == targets
    parts = [names[i].rpartition(", move ") for i in range(len(targets))]
    phases = np.array([min((int(number) - 1) // PHASE, LAST_PHASE) for _, _, number in parts])
    groups = {"phase": [row(phase_name(phase), correct[phases == phase]) for phase in np.unique(phases).tolist()]}
    folders = np.array([name.replace("!", "/").rsplit("/", 2)[-2] if "/" in name else "" for name, _, _ in parts])
    if 1 < len(distinct := np.unique(folders).tolist()) <= MAX_FOLDERS:
        groups["folder"] = [row(folder, correct[folders == folder]) for folder in distinct]
    return {"groups": groups}


def phase_name(phase: int) -> str:
    first = phase * PHASE + 1
    return f"moves {first} on" if phase == LAST_PHASE else f"moves {first} to {first + PHASE - 1}"


def row(group: str, correct: Any) -> dict[str, Any]:
    return {"group": group, "accuracy": float(correct.mean()), "examples": len(correct)}
