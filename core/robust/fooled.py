"""Attacked examples beside the originals, with what the network takes each for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Examples
from ..model import Model
from .attack import Curve

SHOWN = 5  # examples


@dataclass(frozen=True)
class Fooled:
    """One example under an attack of every size of a curve."""

    name: str
    label: str
    original: Tensor  # as the domain keeps it
    moved: Tensor  # (E, …) what the network saw: inputs or maps
    answers: list[str]  # E of them
    confidence: list[float]

    def to_dict(self, curve: Curve) -> dict[str, Any]:
        told = zip(curve.epsilons, self.answers, self.confidence, strict=True)
        rows = [{"epsilon": epsilon, "answer": answer, "confidence": sure} for epsilon, answer, sure in told]
        return {"input": self.name, "label": self.label, "answers": rows}


def chosen(curve: Curve, most: int = SHOWN) -> list[int]:
    """Examples to show: drawn by the attack's seed from those answered right, of as many labels as there are."""
    right = np.flatnonzero(curve.answers[:, 0] == curve.targets)
    order = np.random.default_rng(curve.attack.seed).permutation(right)
    first = {int(curve.targets[at]): int(at) for at in order[::-1]}  # the first of each label
    ones = sorted(first.values(), key=list(order).index)[:most]
    others = [int(at) for at in order if int(at) not in ones]
    return sorted((ones + others)[:most], key=lambda at: int(curve.targets[at]))


def fooled(model: Model, examples: Examples, curve: Curve, most: int = SHOWN) -> list[Fooled]:
    """The chosen examples under the curve's attack, done once more for them alone."""
    indices = chosen(curve, most)
    if not indices:
        return []
    originals, targets = examples.with_right_context(None)[torch.tensor(indices)]
    see, score = curve.attack.of(model)
    moved = curve.attack.examples(
        score,
        see(originals.to(model.device)),
        targets.to(model.device),
        curve.epsilons,
        curve.attack.rng(model.device),
    )
    with torch.no_grad():
        sure = [score(each).float().softmax(1).max(1) for each in moved]
    answers = torch.stack([each.indices for each in sure], 1).tolist()
    confidence = torch.stack([each.values for each in sure], 1).tolist()
    inside = torch.stack(moved, 1).cpu()
    return [
        Fooled(examples.names[at], model.labels[target], original, points, [model.labels[k] for k in said], shares)
        for at, target, original, points, said, shares in zip(
            indices, targets.tolist(), originals.cpu(), inside, answers, confidence, strict=True
        )
    ]
