"""Adversarial examples: inputs perturbed by a small amount so that the prediction becomes wrong.

The functions take a batch `x` of floats and an `objective` from it to (B,), which the adversary increases
(Task.attack_loss); ε is in the unit of the perturbation space. Not covered: attacks without gradients, and those
bounded in L0 or L2 rather than in L∞.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .capability import PerturbationSpace

Objective = Callable[[Tensor], Tensor]

PGD_REACH = 2.5  # total length of the steps of PGD, in ε: enough to cross the box (Madry et al.)
FAST_STEP = 1.25  # the step of adversarial training, in ε (Wong et al. 2020, section 4)


def gradient(objective: Objective, x: Tensor) -> Tensor:
    """Returns the gradient of the objective with respect to `x`."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(objective(x).sum(), x)[0]


def fgsm(objective: Objective, x: Tensor, epsilon: float, space: PerturbationSpace) -> Tensor:
    """x + ε·sign ∇J: the fast gradient sign method (Goodfellow et al. 2015, section 4)."""
    return perturb(x, gradient(objective, x), epsilon, space)


def perturb(x: Tensor, direction: Tensor, epsilon: float, space: PerturbationSpace) -> Tensor:
    """Moves every number of `x` by ε in the direction's sign, within the range of the space."""
    return x.add(direction.sign(), alpha=epsilon * space.full).clamp_(space.least, space.most)


def project(point: Tensor, x: Tensor, epsilon: float, space: PerturbationSpace) -> Tensor:
    """Clamps `point` to at most ε from `x`, and to the range of the space."""
    distance = epsilon * space.full
    return point.clamp(x - distance, x + distance).clamp_(space.least, space.most)


def pgd(
    objective: Objective, x: Tensor, epsilon: float, space: PerturbationSpace, steps: int, rng: torch.Generator
) -> Tensor:
    """Projected gradient descent from a random start (Madry et al. 2018, section 2.1).

    The point of FGSM is the first candidate, and the best candidate of each example is kept: one step is FGSM, and more
    steps are never weaker.
    """
    best = fgsm(objective, x, epsilon, space)
    best_values = _evaluate(objective, best)
    point, step = random_start(x, epsilon, space, rng), PGD_REACH * epsilon / max(1, steps - 1)
    for _ in range(steps - 1):
        point = project(perturb(point, gradient(objective, point), step, space), x, epsilon, space)
        values = _evaluate(objective, point)
        better = values > best_values
        best = torch.where(better.view(-1, *[1] * (x.ndim - 1)), point, best)
        best_values = torch.where(better, values, best_values)
    return best


@torch.no_grad()
def _evaluate(objective: Objective, x: Tensor) -> Tensor:
    return objective(x)


def random_start(x: Tensor, epsilon: float, space: PerturbationSpace, rng: torch.Generator) -> Tensor:
    """Returns a random point at most ε from `x`."""
    offset = torch.rand(x.shape, device=x.device, generator=rng).mul_(2).sub_(1).mul_(epsilon * space.full)
    return offset.add_(x).clamp_(space.least, space.most)


def random_sign_noise(x: Tensor, epsilon: float, space: PerturbationSpace, rng: torch.Generator) -> Tensor:
    """Moves every number of `x` by ε up or down at random: as large as a step of FGSM, but without intent."""
    signs = torch.rand(x.shape, device=x.device, generator=rng).sub_(0.5)
    return perturb(x, signs, epsilon, space)


def fast(objective: Objective, x: Tensor, epsilon: float, space: PerturbationSpace, rng: torch.Generator) -> Tensor:
    """The attack of adversarial training: FGSM from a random start (Wong et al. 2020, algorithm 3)."""
    start = random_start(x, epsilon, space, rng)
    return project(perturb(start, gradient(objective, start), FAST_STEP * epsilon, space), x, epsilon, space)
