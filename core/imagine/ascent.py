"""Gradient ascent on an input: x* = argmax a(x), with regularisation that keeps x interpretable.

The objective is a(x) − penalty · s · Σ|x − baseline| − variation · s · Σ|x − neighbours|. The first penalty is the
lectures'; s is the mean |∂a/∂x| at the start, so that one weight suits every network and every unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..optimise import AdamW
from ..problem import USAGE, Problem
from ..ranges import check_range
from .parameterization import InputParameterization
from .values import Fourier, Pixels

Objective = Callable[[Tensor], Tensor]  # (B, C, H, W) maps -> (B,): the activation to maximise for each input
StepCallback = Callable[[int], bool]  # called with the number of steps done; True stops

NOT_FINITE = "the network's output is not finite: its weights are damaged (NaN or infinite); train it again"


@dataclass(frozen=True)
class Ascent:
    """Settings of the ascent. By default nothing constrains the input but its range."""

    steps: int = 200
    rate: float = 0.05  # learning rate of Adam, on values from 0 to 1
    penalty: float = 0.0
    variation: float = 0.0
    jitter: int = 0  # pixels: the input is shifted randomly by at most this before each step
    blur: float = 0.0  # pixels: std of a Gaussian over the values after each step (Yosinski et al. 2015)
    fourier: bool = False  # whether Fourier coefficients are optimised instead of pixels
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "penalty", "variation", "jitter", "blur", "seed"):
            check_range(name, getattr(self, name), f"--{name}")
        if self.fourier and self.blur:
            raise Problem("--blur applies to pixels; leave it out with --fourier", USAGE)

    def __str__(self) -> str:
        titles = (("penalty", "penalty Σ|x|"), ("variation", "total variation"), ("jitter", "jitter"), ("blur", "blur"))
        parts = [f"{title} {value:g}" for name, title in titles if (value := getattr(self, name))]
        return ", ".join([*parts, *["Fourier"] * self.fourier]) or "no constraint"


def maximise(
    parameterization: InputParameterization,
    objective: Objective,
    count: int,
    settings: Ascent,
    callback: StepCallback = lambda step: False,
) -> Tensor:
    """Optimises `count` inputs independently, as one batch: (count, C, H, W) values from 0 to 1.

    Raises Problem if the network's output is not finite.
    """
    rng = torch.Generator().manual_seed(settings.seed)
    storage = (
        Fourier.random(parameterization, count, rng)
        if settings.fourier
        else Pixels(parameterization, count, rng, settings.blur)
    )
    optimiser = AdamW([{"params": [storage.parameters], "lr": settings.rate, "weight_decay": 0.0}], 0.9)
    scale = _mean_gradient(parameterization, objective, storage.values().detach())
    for step in range(settings.steps):
        values = storage.values()
        reached = objective(parameterization.to_maps(_jittered(values, parameterization, settings.jitter, rng)))
        regularized = reached - scale * _penalties(values, parameterization, settings)
        (storage.parameters.grad,) = torch.autograd.grad(-regularized.sum(), storage.parameters)
        optimiser.step()
        storage.constrain()
        if callback(step + 1):
            break
    return storage.values().detach()


def _mean_gradient(parameterization: InputParameterization, objective: Objective, values: Tensor) -> Tensor:
    """(B,) the mean |∂a/∂x| at the values."""
    values = values.requires_grad_()
    reached = objective(parameterization.to_maps(values))
    if not bool(reached.isfinite().all()):
        raise Problem(NOT_FINITE)
    (gradient,) = torch.autograd.grad(reached.sum(), values)
    return gradient.abs().mean((1, 2, 3))


def _jittered(values: Tensor, parameterization: InputParameterization, jitter: int, rng: torch.Generator) -> Tensor:
    """Shifts the values randomly and cyclically by at most `jitter`."""
    if not jitter:
        return values
    shifts = torch.randint(-jitter, jitter + 1, (2,), generator=rng).tolist()
    return values.roll([shift * free for shift, free in zip(shifts, parameterization.shiftable, strict=True)], (2, 3))


def _penalties(values: Tensor, parameterization: InputParameterization, settings: Ascent) -> Tensor:
    """(B,) both penalties, in units of the mean gradient."""
    total = values.new_zeros(len(values))
    if settings.penalty:
        total = total + settings.penalty * (values - parameterization.baseline).abs().sum((1, 2, 3))
    if settings.variation:
        total = total + settings.variation * total_variation(values)
    return total


def total_variation(values: Tensor) -> Tensor:
    """(B,) Σ|x − neighbour| over rows and columns (Rudin, Osher and Fatemi 1992, anisotropic)."""
    down, across = values.diff(dim=2).abs(), values.diff(dim=3).abs()
    return down.sum((1, 2, 3)) + across.sum((1, 2, 3))
