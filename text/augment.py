"""Random augmentation of training texts: "drop(0.1), swap(0.05)", or "none".

A transform is a tensor expression over a batch of ids; all random numbers come from one generator. Padding is never
changed, so lengths stay the same.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..core.augmentation import Transforms
from ..core.domain import Augment
from .vocabulary import PADDING, UNKNOWN


def drop(ids: Tensor, rng: torch.Generator, share: float = 0.1) -> Tensor:
    """Replaces each token by the unknown one with probability `share` (Iyyer et al. 2015, section 3.1)."""
    random = torch.rand(ids.shape, device=ids.device, generator=rng)
    return torch.where((random < share) & (ids != PADDING), UNKNOWN, ids)


def swap(ids: Tensor, rng: torch.Generator, share: float = 0.05) -> Tensor:
    """Swaps neighbours with probability `share` (Wei and Zou 2019); no token moves twice."""
    selected = torch.rand(ids.shape, device=ids.device, generator=rng) < share
    following = torch.zeros_like(ids)
    following[..., :-1] = ids[..., 1:]
    first = selected & (following != PADDING) & (ids != PADDING)
    first[..., 1:] &= ~selected[..., :-1]  # a pair that overlaps the previous one is not swapped
    second = torch.zeros_like(first)
    second[..., 1:] = first[..., :-1]
    preceding = torch.zeros_like(ids)
    preceding[..., 1:] = ids[..., :-1]
    return torch.where(first, following, torch.where(second, preceding, ids))


TRANSFORMS = Transforms({"drop": drop, "swap": swap}, "drop(0.1), swap(0.05)")


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """Returns the transforms in `text`, in that order. Raises Problem for an unknown transform or parameter."""
    return TRANSFORMS.of_inputs(text)
