"""Deep dream: a photo changed so that what a layer sees in it, it sees more strongly (Mordvintsev et al. 2015)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..problem import USAGE, Problem

See = Callable[[Tensor], list[Tensor]]  # (1, C, H, W) values -> what each of the layers asked for answers
Watch = Callable[[int, Tensor], bool]  # is told how many steps are done and what the picture is; True stops
LEAST = 32  # pixels: the shorter side of the smallest octave


@dataclass(frozen=True)
class Dream:
    """How to dream: on the photo at growing sizes, `steps` at each, the details of one carried to the next."""

    steps: int = 10
    octaves: int = 4
    scale: float = 1.4  # from one size to the next
    rate: float = 0.01  # of the range, how far the typical pixel moves in a step
    jitter: int = 32  # pixels
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("octaves", 1), ("rate", 0), ("jitter", 0)):
            if not getattr(self, name) >= least:
                raise Problem(f"--{name} is {least} or more; got {getattr(self, name)}", USAGE)
        if not self.scale > 1:
            raise Problem(f"--scale is above 1, so that each octave is larger; got {self.scale:g}", USAGE)

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """(height, width) of each octave, the photo's own last; those too small to see in are left out."""
        shares = [self.scale**-back for back in reversed(range(self.octaves))]
        every = [(round(height * share), round(width * share)) for share in shares]
        return [size for size in every[:-1] if min(size) >= LEAST] + every[-1:]


def dream(
    see: See, photo: Tensor, how: Dream, watch: Watch = lambda step, picture: False, guide: Tensor | None = None
) -> Tensor:
    """(1, C, H, W) values from 0 to 1 -> the same, dreamt on; with a guide, towards what is in that picture."""
    rng = torch.Generator().manual_seed(how.seed)
    wanted = None if guide is None else [answer.detach() for answer in see(guide)]
    sizes, done, values = how.sizes(*photo.shape[2:]), 0, photo
    detail = torch.zeros_like(photo)
    for size in sizes:
        base = resized(photo, size)
        values = (base + resized(detail, size)).clamp(0, 1)
        for _ in range(how.steps):
            values = _step(see, values, how, rng, wanted)
            done += 1
            if watch(done, values):
                return resized(values, photo.shape[2:])
        detail = values - base
    return values


def _step(see: See, values: Tensor, how: Dream, rng: torch.Generator, wanted: list[Tensor] | None) -> Tensor:
    """One step uphill, of the same size however strong the answer is."""
    shift = torch.randint(-how.jitter, how.jitter + 1, (2,), generator=rng).tolist() if how.jitter else [0, 0]
    rolled = values.roll(shift, (2, 3)).requires_grad_()
    answers = see(rolled)
    reached = strength(answers) if wanted is None else likeness(answers, wanted)
    if not bool(reached.isfinite()):
        raise Problem("the network's answer is not a number: its weights are damaged (NaN or infinite); train it anew")
    (slope,) = torch.autograd.grad(reached, rolled)
    moved = rolled.detach() + how.rate * slope / slope.abs().mean().clamp_min(1e-12)
    return moved.roll([-each for each in shift], (2, 3)).clamp(0, 1)


def strength(answers: Sequence[Tensor]) -> Tensor:
    """The mean square of what the layers answer, added up."""
    return torch.stack([answer.square().mean() for answer in answers]).sum()


def likeness(answers: Sequence[Tensor], wanted: Sequence[Tensor]) -> Tensor:
    """How well each place matches the place of the guide that it is most like: the mean of their products."""
    told = []
    for answer, guide in zip(answers, wanted, strict=True):
        here, there = answer[0].flatten(1), guide[0].flatten(1)  # (channels, places) of each
        told.append((here * there[:, (here.T @ there).argmax(1)].detach()).sum(0).mean())
    return torch.stack(told).sum()


def resized(values: Tensor, size: Sequence[int]) -> Tensor:
    """(B, C, H, W) -> (B, C, *size)."""
    if tuple(values.shape[2:]) == tuple(size):
        return values
    return F.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
