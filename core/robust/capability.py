"""The capabilities of a domain that attacks, adversarial training and corruptions use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from ..capability import Capability
from ..data import Preprocessing


class PerturbationSpace(NamedTuple):
    """What an adversary may perturb: each number by at most ε."""

    name: str  # "pixels"
    on: Literal["inputs", "maps"]  # the compact arrays, or what the frontend makes of them
    unit: str  # of ε: "shares of a pixel's range"
    epsilons: Sequence[float]  # the default sizes of an attack
    full: float = 1.0  # an ε of 1, in the unit of the arrays
    least: float = -inf  # the range of their numbers
    most: float = inf


class Corruption(NamedTuple):
    """A common, unintended change of inputs, in five strengths."""

    change: Callable[[Tensor, float, torch.Generator], Tensor]  # compact inputs on their device, amount -> changed
    amounts: tuple[float, float, float, float, float]  # at strengths 1 to 5
    unit: str  # of the amounts: "degrees"

    def __call__(self, inputs: Tensor, strength: int, rng: torch.Generator) -> Tensor:
        """Returns the batch at a strength from 1 to 5; unchanged at 0."""
        return self.change(inputs, self.amounts[strength - 1], rng) if strength else inputs


@dataclass(frozen=True)
class Attackable(Capability):
    """Inputs that can be perturbed by a small amount."""

    spaces: Sequence[PerturbationSpace]  # the first is the default
    # Draws an input, or its maps (C, H, W), on matplotlib's axes with their units; None if `Domain.show` is enough.
    graph: Callable[[Any, Tensor, Preprocessing], None] | None = None


@dataclass(frozen=True)
class Corruptible(Capability):
    """Inputs with common corruptions."""

    corruptions: Callable[[Preprocessing, Mapping[str, Tensor]], Mapping[str, Corruption]]  # by name; extras of Data
