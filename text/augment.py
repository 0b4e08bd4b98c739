"""Texts changed at random while a network learns: "drop(0.1), swap(0.05)", or "none".

A change is a tensor expression over the batch of ids; every random number comes from one generator. Padding is never
touched, so that lengths stay what they are.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..core.augmentation import Transforms
from ..core.domain import Augment
from .vocabulary import PADDING, UNKNOWN


def drop(ids: Tensor, rng: torch.Generator, share: float = 0.1) -> Tensor:
    """Each token is hidden with this chance: it reads as an unknown one (Iyyer et al. 2015, section 3.1)."""
    chance = torch.rand(ids.shape, device=ids.device, generator=rng)
    return torch.where((chance < share) & (ids != PADDING), UNKNOWN, ids)


def swap(ids: Tensor, rng: torch.Generator, share: float = 0.05) -> Tensor:
    """Two neighbours change places with this chance (Wei and Zou 2019); none moves twice."""
    chance = torch.rand(ids.shape, device=ids.device, generator=rng) < share
    after = torch.zeros_like(ids)
    after[..., :-1] = ids[..., 1:]
    first = chance & (after != PADDING) & (ids != PADDING)
    first[..., 1:] &= ~chance[..., :-1]  # a pair that overlaps the one before it stays
    second = torch.zeros_like(first)
    second[..., 1:] = first[..., :-1]
    before = torch.zeros_like(ids)
    before[..., 1:] = ids[..., :-1]
    return torch.where(first, after, torch.where(second, before, ids))


TRANSFORMS = Transforms({"drop": drop, "swap": swap}, "drop(0.1), swap(0.05)")


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """The words in `text`, in their order, for training; raises Problem for an unknown word or an impossible number."""
    changes = list(TRANSFORMS.parse(text).values())

    def change(ids: Tensor, targets: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        for each in changes:
            ids = each(ids, rng)
        return ids, targets

    return Augment(change)
