"""Predictions for a part of what a model was trained on, such as the moves of some players."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .capability import Capability

if TYPE_CHECKING:
    from .model import Model


@dataclass(frozen=True)
class Condition(Capability):
    """Makes a model predict as for the part of its training data that a name selects."""

    apply: Callable[[Model, Path, str], None]  # model, its file, name; raises Problem for an unknown name
