"""Adversarial training: each step learns from examples that an adversary has perturbed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..plan import Plan
from ..tasks import Task
from ..train import Adversary
from .adversary import fast
from .capability import Attackable, PerturbationSpace


@dataclass(frozen=True)
class FastAdversary:
    """The fast gradient sign method from a random start (Wong et al. 2020), as training uses it."""

    task: Task
    space: PerturbationSpace
    epsilon: float

    @property
    def on(self) -> Literal["inputs", "maps"]:
        return self.space.on

    def __call__(self, logits: Callable[[Tensor], Tensor], x: Tensor, targets: Tensor, rng: torch.Generator) -> Tensor:
        def objective(x: Tensor) -> Tensor:
            return self.task.attack_loss(logits(x).float(), targets)

        return fast(objective, x, self.epsilon, self.space, rng)


def adversary_of(plan: Plan, task: Task) -> Adversary | None:
    """The adversary of `--adversarial`, or None. Raises Problem in a domain whose inputs have no small perturbation."""
    if not plan.settings.adversarial:
        return None
    space = plan.domain.require(Attackable, "--adversarial").spaces[0]
    return FastAdversary(task, space, plan.settings.adversarial)
