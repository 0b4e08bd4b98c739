"""Texts changed at random while a network learns: "drop(0.1), swap(0.05)", or "none".

A change is a tensor expression over the batch of ids; every random number comes from one generator. Padding is never
touched, so that lengths stay what they are.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..core.domain import Augment
from ..core.network import call
from ..core.problem import USAGE, Problem
from .vocabulary import PADDING, UNKNOWN

Change = Callable[[Tensor, torch.Generator], Tensor]


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


WORDS: dict[str, Callable[..., Tensor]] = {"drop": drop, "swap": swap}


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """The words in `text` for training; raises Problem for an unknown word or an impossible number."""
    changes = read(text)

    def change(ids: Tensor, targets: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        for each in changes:
            ids = each(ids, rng)
        return ids, targets

    return Augment(change)


def read(text: str) -> list[Change]:
    """The words in `text` in their order, each with its share filled in; none for "none"."""
    if text.strip() == "none":
        return []
    parts = [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    if not parts:
        raise Problem("the augmentation is empty; write none, or words such as: drop(0.1), swap(0.05)", USAGE)
    return [_filled(part) for part in parts]


def _filled(part: str) -> Change:
    name, given, named = call(part, WORDS, "way to augment")
    default = inspect.signature(WORDS[name]).parameters["share"].default
    try:
        share: Any = _only(*given, **named) if given or named else default
    except TypeError:
        raise Problem(f"{part}: {name} takes share, as in {name}({default})", USAGE) from None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise Problem(f"{name}: share is a number from 0 to 1; got {share}", USAGE)
    return partial(WORDS[name], share=float(share))


def _only(share: Any) -> Any:
    return share
