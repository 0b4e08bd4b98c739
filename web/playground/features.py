"""The inputs of a network on points: the coordinates, and functions of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ...core.data import Preprocessing
from ...core.problem import USAGE, Problem, did_you_mean

UNIT = 1 / 4096  # of the int16 numbers that hold coordinates: from −8 to 8
LIMIT = 32767 * UNIT

FEATURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "x1": lambda a, b: a,
    "x2": lambda a, b: b,
    "x1^2": lambda a, b: a * a,
    "x2^2": lambda a, b: b * b,
    "x1*x2": lambda a, b: a * b,
    "sin(x1)": lambda a, b: a.sin(),
    "sin(x2)": lambda a, b: b.sin(),
}


def parse(text: str) -> list[str]:
    """The inputs in `x1, x2, x1^2`. Raises Problem for an unknown or a repeated one."""
    names = [name.strip().replace(" ", "") for name in text.split(",")]
    for name in names:
        if name not in FEATURES:
            hint = did_you_mean(name, FEATURES)
            raise Problem(
                f"--inputs: {name or 'an empty name'} is not one{hint}; there are {', '.join(FEATURES)}", USAGE
            )
    if len(set(names)) < len(names):
        raise Problem(f"--inputs {text} names an input twice", USAGE)
    return names


class Frontend(nn.Module):
    """(B, 2) int16 coordinates in units of 1/4096 -> (B, F, 1, 1) float32 inputs of the network."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names

    def forward(self, x: Tensor) -> Tensor:
        a, b = (x.float() * UNIT).unbind(1)
        return torch.stack([FEATURES[name](a, b) for name in self.names], 1)[:, :, None, None]


def frontend(preprocessing: Preprocessing) -> Frontend:
    return Frontend(list(preprocessing["inputs"]))


def shape(preprocessing: Preprocessing) -> tuple[int, int, int]:
    return len(preprocessing["inputs"]), 1, 1


def random_points(preprocessing: Preprocessing, shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Random compact points (B, 2)."""
    return torch.randint(-24_000, 24_000, tuple(shape), generator=rng).to(torch.int16)
