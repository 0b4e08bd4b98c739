"""Adversarial examples: inputs moved by a little so that the network errs.

Functions take a batch `x` of floats, `score` from it to (B, K) scores, and the true `targets` (B,); ε is in the unit of
the surface that is moved. What is not covered: attacks without a gradient, and those that count how many numbers move
(L0) or their squares (L2) rather than the largest move.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .capability import PerturbationSpace

Score = Callable[[Tensor], Tensor]

REACH = 2.5  # how far the steps of PGD could go together, in ε: from any side of the box to the other (Madry et al.)
BEYOND = 1.25  # the step of training's attack, in ε (Wong et al. 2020, section 4)


def margin(scores: Tensor, targets: Tensor) -> Tensor:
    """By how much the others' scores are ahead of the true label's: log(1/p − 1) of its probability p, (B,).

    The log loss J = −log p rises with it, so the sign of its gradient is that of ∇J; but where p rounds to 1 the
    gradient of J is zero, and an attack on J would find nothing.
    """
    own = scores.gather(1, targets[:, None])
    return (scores.scatter(1, targets[:, None], -torch.inf).logsumexp(1, keepdim=True) - own).squeeze(1)


def gradient(score: Score, x: Tensor, targets: Tensor) -> Tensor:
    """Where each number of `x` should go for the network to err: the gradient of the margin, like `x`."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(margin(score(x).float(), targets).sum(), x)[0]


def fgsm(score: Score, x: Tensor, targets: Tensor, epsilon: float, space: PerturbationSpace) -> Tensor:
    """x + ε·sign ∇J: the fast gradient sign method (Goodfellow et al. 2015, section 4)."""
    return moved(x, gradient(score, x, targets), epsilon, space)


def moved(x: Tensor, direction: Tensor, epsilon: float, space: PerturbationSpace) -> Tensor:
    """Every number of `x` by ε to where the sign of `direction` points, as far as the surface goes."""
    return x.add(direction.sign(), alpha=epsilon * space.full).clamp_(space.least, space.most)


def within(point: Tensor, x: Tensor, epsilon: float, space: PerturbationSpace) -> Tensor:
    """`point`, brought back to at most ε from `x` and to where the surface's numbers end."""
    far = epsilon * space.full
    return point.clamp(x - far, x + far).clamp_(space.least, space.most)


def pgd(
    score: Score, x: Tensor, targets: Tensor, epsilon: float, space: PerturbationSpace, steps: int, rng: torch.Generator
) -> Tensor:
    """Projected gradient descent from a random start (Madry et al. 2018, section 2.1), in so many steps.

    FGSM's point is the first that is looked at, and of all points the worst for the network is kept: one step is FGSM,
    and no number of steps is weaker.
    """
    best = fgsm(score, x, targets, epsilon, space)
    worst = margin(_quietly(score, best), targets)
    point, step = scattered(x, epsilon, space, rng), REACH * epsilon / max(1, steps - 1)
    for _ in range(steps - 1):
        point = within(moved(point, gradient(score, point, targets), step, space), x, epsilon, space)
        margins = margin(_quietly(score, point), targets)
        better = margins > worst
        best = torch.where(better.view(-1, *[1] * (x.ndim - 1)), point, best)
        worst = torch.where(better, margins, worst)
    return best


@torch.no_grad()
def _quietly(score: Score, x: Tensor) -> Tensor:
    return score(x).float()


def scattered(x: Tensor, epsilon: float, space: PerturbationSpace, rng: torch.Generator) -> Tensor:
    """A random point at most ε from `x`."""
    far = torch.rand(x.shape, device=x.device, generator=rng).mul_(2).sub_(1).mul_(epsilon * space.full)
    return far.add_(x).clamp_(space.least, space.most)


def tossed(x: Tensor, epsilon: float, space: PerturbationSpace, rng: torch.Generator) -> Tensor:
    """Every number of `x` moved by ε up or down by chance: as large as FGSM's step, and nobody's intent."""
    coins = torch.rand(x.shape, device=x.device, generator=rng).sub_(0.5)
    return moved(x, coins, epsilon, space)


def fast(
    score: Score, x: Tensor, targets: Tensor, epsilon: float, space: PerturbationSpace, rng: torch.Generator
) -> Tensor:
    """What adversarial training learns from: FGSM from a random start (Wong et al. 2020, algorithm 3)."""
    start = scattered(x, epsilon, space, rng)
    return within(moved(start, gradient(score, start, targets), BEYOND * epsilon, space), x, epsilon, space)
