"""What may be imagined: an input as values from 0 to 1, and what a network makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

FREE: Mapping[str, Any] = {}
LECTURES: Mapping[str, Any] = {"penalty": 2.0}
CLEAR: Mapping[str, Any] = {"penalty": 1.0, "variation": 0.5, "jitter": 1, "fourier": True}
WAVES: Mapping[str, Any] = {"jitter": 1, "fourier": True}  # a filter shows its pattern; a penalty would empty it


@dataclass(frozen=True)
class Canvas:
    """The inputs of a model as something continuous, so that there is a way uphill; a domain gives it for its facts."""

    shape: tuple[int, int, int]  # (C, H, W) of the values
    see: Callable[[Tensor], Tensor]  # (B, C, H, W) values -> the maps that the network sees, with gradients
    inputs: Callable[[Tensor], Tensor]  # (B, C, H, W) values -> compact inputs, as the domain reads them from files
    ground: Tensor  # (C, 1, 1) values where there is nothing: black, silence; what the penalty pulls towards
    mix: Tensor | None = None  # (C, C): how independent channels are put together, for natural colours
    around: tuple[bool, bool] = (True, True)  # whether height and width may be shifted without changing the meaning
    peaked: bool = False  # whether values count from the largest of an input, which is always 1: loudness
    # How to climb for labels, where nobody says: settings of Ascent, one row of a sheet each; and for a layer's units.
    ways: Sequence[Mapping[str, Any]] = (FREE, LECTURES, CLEAR)
    filters: Mapping[str, Any] = field(default_factory=lambda: WAVES)
    noise: Callable[[int, torch.Generator], Tensor] | None = None  # compact inputs of noise, where values would be slow


@dataclass(frozen=True)
class Tokens:
    """The inputs of a model that takes ids, between which there is no way: which of them are tokens."""

    first: int  # ids below stand for padding and what is not known
    count: int  # all ids


@dataclass(frozen=True)
class Moves:
    """The inputs of a model that follow rules: where they begin, and what may be done to one."""

    start: Callable[[], Any]
    after: Callable[[Any, torch.Generator], Any | None]  # something after one move by chance; None where it is illegal
    inputs: Callable[[Sequence[Any]], Tensor]  # compact inputs, as the domain reads them from files
