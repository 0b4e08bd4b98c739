"""Which epoch's weights a training keeps: by the task's criterion on the validation split, and its noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import torch
from torch import Tensor

from .settings import Settings
from .tasks import Task
from .train import Epoch, Predictions, Tensors

SMALL = 100  # validation examples: the standard error of an accuracy of 90% is then 3 percentage points


def small_validation(count: int, is_classification: bool) -> list[str]:
    """A remark on a validation split that is too small to choose an epoch by; none for 0, where the last is kept."""
    if not 0 < count < SMALL:
        return []
    text = f"{count} validation example{'s are' if count > 1 else ' is'} too few to choose an epoch by"
    if is_classification:
        error = 100 * sqrt(0.9 * 0.1 / count)
        text += f": an accuracy of 90% has a standard error of {error:.0f} percentage points"
    return [f"{text}; raise --valid-share, or keep the last epoch with --valid-share 0"]


@dataclass
class Selection:
    """The kept epoch. The best by the criterion is kept; the last epoch of a decayed schedule wins ties within noise.

    A tie within noise: the mean loss per validation example is higher by at most one standard error of the paired
    difference. The losses are those of training, with its label smoothing: without it, an early epoch with less
    confident predictions may have the lower log loss and the lower accuracy (docs/tried.md compares the rules).
    """

    epoch: int = 0  # from 1; 0 before the first
    value: float | None = None  # of the criterion; None without a validation split
    reason: str = ""
    losses: Tensor | None = None  # (N,) of the validation examples, for the paired difference
    weights: Tensors = field(default_factory=dict)

    def update(
        self,
        task: Task,
        epoch: Epoch,
        predictions: Predictions | None,
        targets: Tensor,
        weights: Tensors,
        settings: Settings,
    ) -> bool:
        """Takes the weights of an epoch into account; returns whether they are now the kept ones."""
        if predictions is None:
            return self._keep(epoch.epoch, None, None, weights, "the last epoch; there is no validation split")
        criterion = task.criterion
        losses = torch.from_numpy(task.example_losses(predictions, targets.numpy(), settings.smoothing)).double()
        value = float(losses.mean()) if criterion.name == "loss" else epoch.valid[criterion.name]
        is_smoothed = settings.smoothing and task.smooths_labels and criterion.name == "loss"
        smoothed = ", with label smoothing" if is_smoothed else ""
        smoothed += ", each label weighing the same" if settings.balance != "none" and criterion.name == "loss" else ""
        name = f"{'highest' if criterion.higher_is_better else 'lowest'} validation {criterion.title}"
        better = self.value is None or (value >= self.value if criterion.higher_is_better else value <= self.value)
        if better:
            return self._keep(epoch.epoch, value, losses, weights, f"{name} ({value:.4g}{smoothed})")
        last = epoch.epoch >= settings.epochs and settings.schedule != "constant"
        if last and self.epoch and self._within_noise(losses):  # a solved head, epoch 0, gives way to a better one only
            reason = (
                f"the last epoch; its validation {criterion.title} ({value:.4g}{smoothed}) is within one standard "
                f"error of the {name.partition(' ')[0]} ({self.value:.4g}, epoch {self.epoch})"
            )
            return self._keep(epoch.epoch, value, losses, weights, reason)
        return False

    def _within_noise(self, losses: Tensor) -> bool:
        if self.losses is None or len(losses) < 2:
            return False
        difference = losses - self.losses
        return float(difference.mean()) <= float(difference.std()) / sqrt(len(difference))

    def _keep(self, epoch: int, value: float | None, losses: Tensor | None, weights: Tensors, reason: str) -> bool:
        self.epoch, self.value, self.losses, self.reason = epoch, value, losses, reason
        self.weights = {name: tensor.detach().clone() for name, tensor in weights.items()}
        return True

    def to_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "value": self.value, "reason": self.reason}
