"""The learning rate range test: the loss of a few steps whose learning rate rises from tiny to far too high."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count, islice
from math import isfinite
from typing import Any

import numpy as np
from torch import Tensor

from .augmentation import augmentation
from .feed import to_device_if_fits
from .fit import Training
from .train import batches

STEPS = 100
FACTORS = (1e-3, 1e2)  # of the plan's learning rate, at the first and the last step
SMOOTHING = 0.9  # of the moving average of the loss, per step
DIVERGED = 4.0  # times the lowest loss, at which the test ends


@dataclass(frozen=True)
class RangeTest:
    """Learning rates in their order, and the smoothed training loss at each."""

    rates: list[float]
    losses: list[float]

    @property
    def best(self) -> int:
        """The index of the lowest loss."""
        return int(np.argmin(self.losses))

    @property
    def steepest(self) -> float:
        """The rate at which the loss falls fastest over the logarithm of the rate, up to its minimum."""
        end = max(2, self.best + 1)
        slopes = np.gradient(np.array(self.losses[:end]), np.log(self.rates[:end]))
        return self.rates[int(np.argmin(slopes))]

    def to_dict(self) -> dict[str, Any]:
        points = [{"lr": rate, "loss": loss} for rate, loss in zip(self.rates, self.losses, strict=True)]
        return {"suggestion": self.steepest, "lowest_loss": self.rates[self.best], "points": points}


def range_test(training: Training, steps: int = STEPS) -> RangeTest:
    """Trains for up to `steps` steps with exponentially rising learning rates (Smith 2017, arXiv:1506.01186).

    All rates of the optimiser rise by the same factor; those returned are of the setting `lr`. The training cannot be
    continued afterwards.
    """
    trainer, plan = training.trainer, training.plan
    trainer.settings = settings = replace(plan.settings, schedule="constant", warmup=0.0)
    extras = {name: value.to(trainer.device) for name, value in training.data.extras.items()}
    augment = augmentation(plan.domain, training.task, settings.augment, extras)
    examples = to_device_if_fits(training.data.train, trainer.device).with_right_context(trainer.right_context)
    trainer.network.train()
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    factors = np.geomspace(*FACTORS, steps)
    for number, (factor, indices) in enumerate(zip(factors, _orders(training, steps), strict=True), 1):
        trainer.lr_factor = float(factor)
        trainer.sums.zero_()
        trainer.step(examples, augment, indices, 0.0)
        loss = float(trainer.sums[0]) / len(trainer.world.share(indices))
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed = average / (1 - SMOOTHING**number)  # without the bias towards the 0 at the start
        if not isfinite(smoothed) or (losses and smoothed > DIVERGED * min(losses)):
            break
        rates.append(settings.lr * trainer.lr_factor)
        losses.append(smoothed)
    return RangeTest(rates, losses)


def _orders(training: Training, steps: int) -> Iterator[Tensor]:
    """The examples of each step, over as many epochs as they need."""
    examples, settings = training.data.train, training.plan.settings
    size, most = settings.step_size, settings.epoch_of(len(examples))
    epochs = (
        batches(len(examples), size, settings.seed, epoch, None, examples.lengths, most=most) for epoch in count()
    )
    return islice((indices for epoch in epochs for indices in epoch), steps)
