"""A position is as good turned or mirrored: the 8 symmetries, drawn while learning, averaged in answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from ..core.changes import Vocabulary
from ..core.domain import UNCHANGED, Augment
from ..core.tta import View
from .frontend import SIZE
from .symmetry import COUNT, table


def symmetries(maps: Tensor, targets: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each position (C, 19, 19) of a batch under a symmetry drawn for it, and its move likewise."""
    drawn = torch.randint(COUNT, (len(maps),), generator=rng, device=maps.device)
    goes, comes = (each[drawn] for each in places(maps.device))
    turned = maps.flatten(2).gather(2, comes[:, None].expand(-1, maps.shape[1], -1))
    return turned.view_as(maps), goes.gather(1, targets[:, None])[:, 0]


@lru_cache
def places(device: torch.device) -> tuple[Tensor, Tensor]:
    """Where each point goes under a symmetry, and where what is there then comes from: int64 (8, 361) each."""
    goes = torch.from_numpy(table(SIZE)[:, :-1].copy()).long()
    return goes.to(device), goes.argsort(1).to(device)


VOCABULARY = Vocabulary({"symmetries": symmetries}, "symmetries")


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """`symmetries`, or none. Raises Problem for anything else."""
    return Augment(maps=symmetries) if VOCABULARY.read(text) else UNCHANGED


def views(text: str) -> Sequence[View]:
    """The board as it is; and turned and mirrored, where training showed it so."""
    return [view(s) for s in range(COUNT)] if VOCABULARY.read(text) else [View()]


def view(s: int) -> View:
    """The board under symmetry `s`, as symmetry.turned has it, and scores (B, 361) back to the board as it was."""

    def see(maps: Tensor) -> Tensor:
        return torch.rot90(maps.flip(-1) if s >= 4 else maps, s % 4, (-2, -1))

    def back(scores: Tensor) -> Tensor:
        boards = torch.rot90(scores.unflatten(1, (SIZE, SIZE)), -(s % 4), (-2, -1))
        return (boards.flip(-1) if s >= 4 else boards).flatten(1)

    return View(see, back, default=s == 0)
