"""An attack on a model, and its accuracy against the size of the attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import feed
from ..data import Examples, Progress
from ..domain import Domain
from ..metrics import Floats, Ints, finite, interval
from ..model import Model
from ..problem import USAGE, Problem, did_you_mean
from .adversary import Score, gradient, moved, pgd, tossed
from .capability import Attackable, PerturbationSpace

METHODS = ("fgsm", "pgd")
SIZE = 250  # examples at once: a backward pass holds what a forward pass lets go


@dataclass(frozen=True)
class Attack:
    """What is moved, how it is found where to, and in how many steps. Raises Problem for what there is not."""

    space: PerturbationSpace
    method: str = "fgsm"
    steps: int = 20  # of PGD
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise Problem(
                f"--method is {' or '.join(METHODS)}{did_you_mean(self.method, METHODS)}; got {self.method}", USAGE
            )
        if self.steps < 1:
            raise Problem(f"--steps is 1 or more; got {self.steps}", USAGE)

    def of(self, model: Model) -> tuple[Callable[[Tensor], Tensor], Score]:
        """From compact inputs to the floats that are moved, and from these to the model's scores."""
        if self.space.on == "inputs":
            return torch.Tensor.float, model.logits
        return model.frontend, model.module.of_maps

    def rng(self, device: torch.device) -> torch.Generator:
        return torch.Generator(device).manual_seed(self.seed)

    def examples(
        self, score: Score, x: Tensor, targets: Tensor, epsilons: Sequence[float], rng: torch.Generator
    ) -> list[Tensor]:
        """The adversarial examples of each size; `x` itself where it is 0."""
        if self.method == "fgsm":  # one gradient for all sizes
            direction = gradient(score, x, targets)
            return [moved(x, direction, epsilon, self.space) for epsilon in epsilons]
        return [pgd(score, x, targets, epsilon, self.space, self.steps, rng) if epsilon else x for epsilon in epsilons]


def surface_of(domain: Domain, name: str | None) -> PerturbationSpace:
    """What of a domain's inputs is attacked. Raises Problem where there is nothing of that name, or nothing at all."""
    attackable = domain.capability(Attackable)
    if attackable is None:
        raise Problem(
            f"{domain.name} has nothing that could be moved by a little, so there is no gradient to follow; "
            "see what it withstands with --card",
            USAGE,
        )
    names = [space.name for space in attackable.spaces]
    if name is not None and name not in names:
        raise Problem(f"--on is {' or '.join(names)}{did_you_mean(name, names)} for {domain.name}; got {name}", USAGE)
    return attackable.spaces[names.index(name) if name else 0]


def sizes(epsilons: Sequence[float]) -> list[float]:
    """The sizes of an attack, rising, 0 first. Raises Problem where one is none."""
    for each in epsilons:
        if not isfinite(each) or each < 0:
            raise Problem(f"--epsilon is 0 or more, as in 0.05,0.1; got {each:g}", USAGE)
    return sorted({0.0, *epsilons})


@dataclass(frozen=True)
class Curve:
    """What a model answered under attacks of several sizes."""

    attack: Attack
    epsilons: Sequence[float]  # E of them
    targets: Ints  # (N,)
    answers: Ints  # (N, E) the label that was likeliest
    confidence: Floats  # (N, E) its probability
    tossed: Ints  # (N, E) the label that was likeliest after a move as large, but by chance

    def to_dict(self) -> dict[str, Any]:
        """The curve as JSON. Shares, not per cent."""
        attack: dict[str, Any] = {
            "method": self.attack.method,
            "on": self.attack.space.name,
            "unit": self.attack.space.unit,
        }
        if self.attack.method == "pgd":
            attack["steps"] = self.attack.steps
        return {**attack, "seed": self.attack.seed, "rows": [self.row(at) for at in range(len(self.epsilons))]}

    def row(self, at: int) -> dict[str, Any]:
        right = self.answers[:, at] == self.targets
        return {
            "epsilon": self.epsilons[at],
            "accuracy": float(right.mean()),
            "interval": list(interval(int(right.sum()), len(right))),
            "random": float((self.tossed[:, at] == self.targets).mean()),
            "confidence": float(self.confidence[:, at].mean()),
        }


def curve(
    model: Model, examples: Examples, attack: Attack, epsilons: Sequence[float], progress: Progress | None = None
) -> Curve:
    """The model's answers to the examples under an attack of each size. Raises Problem where they are not numbers."""
    see, score = attack.of(model)
    rng, done = attack.rng(model.device), 0

    def work(
        inputs: Tensor, targets: Tensor
    ) -> Tensor:  # (B, …) -> (B, E, 3): answer, its probability, answer by chance
        nonlocal done
        x = see(inputs)
        told = []
        for each, epsilon in zip(attack.examples(score, x, targets, epsilons, rng), epsilons, strict=True):
            with torch.no_grad():
                sure = score(each).float().softmax(1).max(1)
                chance = score(tossed(x, epsilon, attack.space, rng)).argmax(1)
            told.append(torch.stack((sure.indices, sure.values, chance), 1))
        done += len(inputs)
        if progress:
            progress(done, len(examples))
        return torch.stack(told, 1)

    model.module.eval()
    found = feed.map_batches(model, examples, work, SIZE).numpy()
    finite(found[..., 1])
    answers, chance = (found[..., at].astype(np.int64) for at in (0, 2))
    return Curve(attack, epsilons, examples.targets.numpy(), answers, found[..., 1], chance)
