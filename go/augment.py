"""The 8 symmetries of the board: drawn at random in training, averaged over in prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ..core.augmentation import Transforms
from ..core.domain import UNCHANGED, Augment
from ..core.tta import View
from .coords import SIZE
from .symmetry import COUNT, table


def symmetries(maps: Tensor, targets: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Applies a random symmetry to each position of a batch, (B, C, 19, 19), and to its move."""
    indices = torch.randint(COUNT, (len(maps),), generator=rng, device=maps.device)
    place_after, place_before = (places[indices] for places in symmetry_tables(maps.device))
    turned = maps.flatten(2).gather(2, place_before[:, None].expand(-1, maps.shape[1], -1))
    return turned.view_as(maps), place_after.gather(1, targets[:, None])[:, 0]


@lru_cache
def symmetry_tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """Each place after a symmetry, and each place before it: int64 (8, 361) each."""
    place_after = torch.from_numpy(table(SIZE)[:, :-1].copy()).long()
    return place_after.to(device), place_after.argsort(1).to(device)


TRANSFORMS = Transforms({"symmetries": symmetries}, "symmetries")


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """Parses `symmetries` or none. Raises Problem for other texts."""
    return Augment(maps=symmetries) if TRANSFORMS.parse(text) else UNCHANGED


def views(text: str) -> Sequence[View]:
    """The views for test-time augmentation: all symmetries if the network was trained with them, else the identity."""
    return [view(s) for s in range(COUNT)] if TRANSFORMS.parse(text) else [View()]


def view(s: int) -> View:
    """The view under symmetry s (see symmetry.turned), and the inverse for logits (B, 361)."""

    def transform(maps: Tensor) -> Tensor:
        return torch.rot90(maps.flip(-1) if s >= 4 else maps, s % 4, (-2, -1))

    def inverse(logits: Tensor) -> Tensor:
        boards = torch.rot90(logits.unflatten(1, (SIZE, SIZE)), -(s % 4), (-2, -1))
        return (boards.flip(-1) if s >= 4 else boards).flatten(1)

    return View(transform, inverse, s == 0)
