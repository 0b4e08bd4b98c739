"""An attack on a model, and the model's accuracy as a function of its size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import bootstrap, feed
from ..data import Examples, Progress
from ..domain import Domain
from ..metrics import Floats, Ints, finite, interval
from ..model import Model
from ..problem import USAGE, Problem, did_you_mean
from ..ranges import check_range
from ..tasks import Task
from .adversary import gradient, perturb, pgd, random_sign_noise
from .capability import Attackable, PerturbationSpace

METHODS = ("fgsm", "pgd")
BATCH_SIZE = 250  # smaller than for predictions: a backward pass keeps all activations

Logits = Callable[[Tensor], Tensor]  # (B, …) floats -> (B, K)


@dataclass(frozen=True)
class Attack:
    """The settings of an attack. Raises Problem for an unknown method or no steps."""

    space: PerturbationSpace
    method: str = "fgsm"
    steps: int = 20  # of PGD
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise Problem(
                f"--method is {' or '.join(METHODS)}{did_you_mean(self.method, METHODS)}; got {self.method}", USAGE
            )
        for name in ("steps", "seed"):
            check_range(name, getattr(self, name), f"--{name}")

    def functions(self, model: Model) -> tuple[Callable[[Tensor], Tensor], Logits]:
        """Returns the functions from compact inputs to the perturbed floats, and from these to logits."""
        if self.space.on == "inputs":
            return torch.Tensor.float, model.logits
        return model.frontend, model.module.of_maps

    def rng(self, device: torch.device) -> torch.Generator:
        return torch.Generator(device).manual_seed(self.seed)

    def adversarial_examples(
        self, task: Task, logits: Logits, x: Tensor, targets: Tensor, epsilons: Sequence[float], rng: torch.Generator
    ) -> list[Tensor]:
        """Returns the adversarial examples of each size; `x` itself for a size of 0."""

        def objective(x: Tensor) -> Tensor:
            return task.attack_loss(logits(x).float(), targets)

        if self.method == "fgsm":  # one gradient for all sizes
            direction = gradient(objective, x)
            return [perturb(x, direction, epsilon, self.space) for epsilon in epsilons]
        return [pgd(objective, x, epsilon, self.space, self.steps, rng) if epsilon else x for epsilon in epsilons]


def check_task(model: Model, feature: str = "attack") -> None:
    """Raises Problem if predictions of the model's task are no labels."""
    if not model.task.has_attacks:
        raise Problem(
            f"{feature} is for classification, masks and boxes; the task of this model is {model.task.name}", USAGE
        )


def perturbation_space(domain: Domain, name: str | None) -> PerturbationSpace:
    """Returns a perturbation space of a domain, by default the first. Raises Problem for an unknown one, or none."""
    attackable = domain.capability(Attackable)
    if attackable is None:
        raise Problem(
            f"inputs of {domain.name} cannot be perturbed by a small amount, so there is no gradient to follow; "
            "measure robustness to corruptions with --card",
            USAGE,
        )
    names = [space.name for space in attackable.spaces]
    if name is not None and name not in names:
        raise Problem(f"--on is {' or '.join(names)}{did_you_mean(name, names)} for {domain.name}; got {name}", USAGE)
    return attackable.spaces[names.index(name) if name else 0]


def sizes(epsilons: Sequence[float]) -> list[float]:
    """Returns the sizes of an attack in ascending order, from 0. Raises Problem for a negative or infinite one."""
    for epsilon in epsilons:
        if not isfinite(epsilon) or epsilon < 0:
            raise Problem(f"--epsilon is 0 or more, as in 0.05,0.1; got {epsilon:g}", USAGE)
    return sorted({0.0, *epsilons})


@dataclass(frozen=True)
class Curve:
    """A model's predictions under attacks of several sizes."""

    attack: Attack
    epsilons: Sequence[float]  # E of them
    targets: Ints  # (N,)
    predicted: Ints  # (N, E) index of the predicted label
    confidence: Floats  # (N, E) its probability
    under_noise: Ints  # (N, E) index of the label predicted under random signs of the same size

    def accuracies(self, index: int) -> tuple[float, list[float], float]:
        """The accuracy under the attack of one size with its interval, and that under random signs."""
        correct = self.predicted[:, index] == self.targets
        extent = list(interval(int(correct.sum()), len(correct)))
        return float(correct.mean()), extent, float((self.under_noise[:, index] == self.targets).mean())

    def to_dict(self) -> dict[str, Any]:
        """Returns the curve as JSON. Shares, not per cent."""
        attack: dict[str, Any] = {
            "method": self.attack.method,
            "on": self.attack.space.name,
            "unit": self.attack.space.unit,
        }
        if self.attack.method == "pgd":
            attack["steps"] = self.attack.steps
        rows = [self.row(index) for index in range(len(self.epsilons))]
        return {**attack, "seed": self.attack.seed, "rows": rows}

    def row(self, index: int) -> dict[str, Any]:
        """Returns the figures of one size."""
        accuracy, extent, random = self.accuracies(index)
        return {
            "epsilon": self.epsilons[index],
            "accuracy": accuracy,
            "interval": extent,
            "random": random,
            "confidence": float(self.confidence[:, index].mean()),
        }


@dataclass(frozen=True)
class PlacedCurve(Curve):
    """The same of predictions with many labels in each example: `shares` of them are right."""

    shares: Floats  # (N, E, 2) under the attack, and under random signs

    def accuracies(self, index: int) -> tuple[float, list[float], float]:
        under_attack, under_noise = self.shares[:, index].T
        return float(under_attack.mean()), mean_interval(under_attack), float(under_noise.mean())


def mean_interval(values: Floats) -> list[float]:
    """The interval of the mean of a share over resampled examples."""
    low, high = bootstrap.interval(lambda weights: weights @ values / weights.sum(1), len(values))
    return [float(low), float(high)]


def curve(
    model: Model, examples: Examples, attack: Attack, epsilons: Sequence[float], progress: Progress | None = None
) -> Curve:
    """Attacks the examples with each size. Raises Problem if probabilities are not finite."""
    check_task(model)
    to_floats, logits = attack.functions(model)
    rng, count = attack.rng(model.device), 0

    def work(inputs: Tensor, targets: Tensor) -> Tensor:
        """(B, …) -> (B, E, 3): the predicted label, its probability, the label under random signs.

        Of predictions with places, the share of each that is right (Task.scores) stands for the label.
        """
        nonlocal count
        x = to_floats(inputs)
        columns = []
        points = attack.adversarial_examples(model.task, logits, x, targets, epsilons, rng)
        for point, epsilon in zip(points, epsilons, strict=True):
            with torch.no_grad():
                if model.task.has_places:
                    shares, confidence = model.task.scores(logits(point).float(), targets)
                    noisy = logits(random_sign_noise(x, epsilon, attack.space, rng))
                    columns.append(torch.stack((shares, confidence, model.task.scores(noisy, targets)[0]), 1))
                    continue
                best = model.task.link(logits(point).float()).max(1)
                under_noise = logits(random_sign_noise(x, epsilon, attack.space, rng)).argmax(1)
            columns.append(torch.stack((best.indices, best.values, under_noise), 1))
        count += len(inputs)
        if progress:
            progress(count, len(examples))
        return torch.stack(columns, 1)

    model.module.eval()
    size = feed.batch_size(model.task, examples, BATCH_SIZE)
    results = feed.map_batches(model, examples, work, size).numpy()
    finite(results[..., 1])
    if model.task.has_places:
        nothing = np.zeros(results.shape[:2], np.int64)
        return PlacedCurve(attack, epsilons, nothing[:, 0], nothing, results[..., 1], nothing, results[..., [0, 2]])
    predicted, under_noise = (results[..., column].astype(np.int64) for column in (0, 2))
    return Curve(attack, epsilons, examples.targets.numpy(), predicted, results[..., 1], under_noise)
