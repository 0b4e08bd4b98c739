"""Random augmentation of points: "jitter(0.1)", or "none"."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ...core.augmentation import Transforms
from ...core.domain import Augment
from .features import UNIT


def jitter(x: Tensor, rng: torch.Generator, size: float = 0.1) -> Tensor:
    """Moves each coordinate by a normal number of standard deviation `size`."""
    moved = x + torch.randn(x.shape, device=x.device, generator=rng) * (size / UNIT)
    return moved.round().clamp(-32767, 32767).to(x.dtype)


TRANSFORMS = Transforms({"jitter": jitter}, "jitter(0.1)")


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """Returns the transforms in `text`, in that order. Raises Problem for an unknown transform or parameter."""
    return TRANSFORMS.of_inputs(text)
