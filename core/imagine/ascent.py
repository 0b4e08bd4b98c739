"""Gradient ascent on an input: x* = argmax a(x), and what keeps x like an input that people know.

What is climbed is a(x) − penalty · s · Σ|x − ground| − variation · s · Σ|x − its neighbours|. The first penalty is the
lectures'; s is the mean |∂a/∂x| where the ascent begins, so that one number suits every network and every unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..optimise import AdamW
from ..problem import USAGE, Problem
from .canvas import Canvas
from .values import Pixels, Waves

Goal = Callable[[Tensor], Tensor]  # (B, C, H, W) maps -> (B,): how strongly what is asked for answers to each
Watch = Callable[[int], bool]  # is told how many steps are done; True stops


@dataclass(frozen=True)
class Ascent:
    """How to climb. As it stands nothing holds the input back but its range."""

    steps: int = 200
    rate: float = 0.05  # of Adam, on values from 0 to 1
    penalty: float = 0.0
    variation: float = 0.0
    jitter: int = 0  # pixels: the input is shifted by up to so many before each step, by chance
    blur: float = 0.0  # pixels: deviation of a Gaussian over the values after each step (Yosinski et al. 2015)
    fourier: bool = False  # whether the values are held as waves
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("rate", 0), ("penalty", 0), ("variation", 0), ("jitter", 0), ("blur", 0)):
            if not getattr(self, name) >= least:
                raise Problem(f"--{name} is {least} or more; got {getattr(self, name)}", USAGE)
        if self.fourier and self.blur:
            raise Problem("--blur is for values held each by itself; with --fourier leave it out", USAGE)

    def __str__(self) -> str:
        named = (("penalty", "penalty Σ|x|"), ("variation", "total variation"), ("jitter", "jitter"), ("blur", "blur"))
        told = [f"{title} {value:g}" for name, title in named if (value := getattr(self, name))]
        return ", ".join([*told, *["Fourier"] * self.fourier]) or "no constraint"


def climb(canvas: Canvas, goal: Goal, count: int, how: Ascent, watch: Watch = lambda step: False) -> Tensor:
    """`count` inputs that the goal's units answer strongly to: (count, C, H, W) values from 0 to 1.

    Each climbs by itself, all at once. Raises Problem where the network's answer is not a number.
    """
    rng = torch.Generator().manual_seed(how.seed)
    held = Waves.faint(canvas, count, rng) if how.fourier else Pixels(canvas, count, rng, how.blur)
    optimiser = AdamW([{"params": [held.held], "lr": how.rate, "weight_decay": 0.0}], 0.9)
    slope = _slope(canvas, goal, held.values().detach())
    for step in range(how.steps):
        values = held.values()
        reached = goal(canvas.see(_shifted(values, canvas, how.jitter, rng)))
        high = reached - slope * _cost(values, canvas, how)
        (held.held.grad,) = torch.autograd.grad(-high.sum(), held.held)
        optimiser.step()
        held.settle()
        if watch(step + 1):
            break
    return held.values().detach()


def _slope(canvas: Canvas, goal: Goal, values: Tensor) -> Tensor:
    """(B,) the mean |∂a/∂x| at the values."""
    values = values.requires_grad_()
    reached = goal(canvas.see(values))
    if not bool(reached.isfinite().all()):
        raise Problem("the network's answer is not a number: its weights are damaged (NaN or infinite); train it anew")
    (slopes,) = torch.autograd.grad(reached.sum(), values)
    return slopes.abs().mean((1, 2, 3))


def _shifted(values: Tensor, canvas: Canvas, most: int, rng: torch.Generator) -> Tensor:
    """The values, rolled by chance; what leaves on one side comes in on the other."""
    if not most:
        return values
    steps = torch.randint(-most, most + 1, (2,), generator=rng).tolist()
    return values.roll([step * free for step, free in zip(steps, canvas.around, strict=True)], (2, 3))


def _cost(values: Tensor, canvas: Canvas, how: Ascent) -> Tensor:
    """(B,) both penalties, in units of the slope."""
    cost = values.new_zeros(len(values))
    if how.penalty:
        cost = cost + how.penalty * (values - canvas.ground).abs().sum((1, 2, 3))
    if how.variation:
        cost = cost + how.variation * variation(values)
    return cost


def variation(values: Tensor) -> Tensor:
    """(B,) the sum of |x − its neighbour| over rows and columns (Rudin, Osher and Fatemi 1992, each axis by itself)."""
    down, across = values.diff(dim=2).abs(), values.diff(dim=3).abs()
    return down.sum((1, 2, 3)) + across.sum((1, 2, 3))
