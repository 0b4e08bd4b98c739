"""The models that a server has, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.model import Model
from ..core.problem import USAGE, Problem


@dataclass(frozen=True)
class Served:
    """A model and the name by which requests choose it."""

    name: str
    model: Model

    def to_dict(self) -> dict[str, Any]:
        """What `GET /models` says of it; nothing of where its file is."""
        card = self.model.card
        metrics = {name: card.metrics[name] for name in ("metric", "value", "interval") if name in card.metrics}
        return {
            "name": self.name,
            "domain": card.domain,
            "task": card.task,
            "labels": self.model.labels,
            "network": card.network,
            "input": list(card.input),
            "metrics": metrics,
        }


def named(arguments: Sequence[str]) -> dict[str, str]:
    """Models by name: NAME=MODEL, or a run folder or a file by its own name. Raises Problem for two of one name."""
    models: dict[str, str] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not equals or "/" in name:
            name, path = title(argument), argument
        if name in models:
            raise Problem(f"two models have the name {name}; give one of them another: NAME={path}", USAGE)
        models[name] = path
    return models


def title(path: str) -> str:
    """The name of a run folder, or of the folder or file that a model file is called by."""
    file = Path(path)
    return file.resolve().parent.name if file.name == "model.safetensors" else file.stem if file.suffix else file.name
