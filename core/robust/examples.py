"""Adversarial examples beside the originals, with the model's predictions."""

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
class AdversarialExample:
    """One example under an attack of every size of a curve."""

    name: str
    label: str
    original: Tensor  # as the domain stores it
    perturbed: Tensor  # (E, …) inputs or maps
    predicted: list[str]  # E labels
    confidence: list[float]

    def to_dict(self, curve: Curve) -> dict[str, Any]:
        """Returns the entry under "fooled" of `attack --json`."""
        columns = zip(curve.epsilons, self.predicted, self.confidence, strict=True)
        rows = [{"epsilon": epsilon, "answer": label, "confidence": value} for epsilon, label, value in columns]
        return {"input": self.name, "label": self.label, "answers": rows}


def chosen(curve: Curve, count: int = SHOWN) -> list[int]:
    """Returns indices of correctly predicted examples, drawn by the seed of the attack, of many labels."""
    correct = np.flatnonzero(curve.predicted[:, 0] == curve.targets)
    order = np.random.default_rng(curve.attack.seed).permutation(correct)
    first = {int(curve.targets[index]): int(index) for index in order[::-1]}  # the first of each label
    of_each_label = sorted(first.values(), key=list(order).index)[:count]
    others = [int(index) for index in order if int(index) not in of_each_label]
    return sorted((of_each_label + others)[:count], key=lambda index: int(curve.targets[index]))


def adversarial_examples(
    model: Model, examples: Examples, curve: Curve, count: int = SHOWN
) -> list[AdversarialExample]:
    """Returns the chosen examples under the curve's attack, which is repeated for them alone."""
    indices = chosen(curve, count) if not model.task.has_places else []
    if not indices:
        return []
    originals, targets = examples.with_right_context(None)[torch.tensor(indices)]
    to_floats, logits = curve.attack.functions(model)
    points = curve.attack.adversarial_examples(
        model.task,
        logits,
        to_floats(originals.to(model.device)),
        targets.to(model.device),
        curve.epsilons,
        curve.attack.rng(model.device),
    )
    with torch.no_grad():
        best = [model.task.link(logits(point).float()).max(1) for point in points]
    predicted = torch.stack([column.indices for column in best], 1).tolist()
    confidence = torch.stack([column.values for column in best], 1).tolist()
    perturbed = torch.stack(points, 1).cpu()
    labels = model.task.labels
    return [
        AdversarialExample(
            examples.names[index], labels[target], original, row, [labels[label] for label in row_labels], values
        )
        for index, target, original, row, row_labels, values in zip(
            indices, targets.tolist(), originals.cpu(), perturbed, predicted, confidence, strict=True
        )
    ]
