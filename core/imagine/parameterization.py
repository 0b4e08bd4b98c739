"""Parameterizations of a model's inputs: what an optimiser changes, and how maps and inputs are computed from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

UNREGULARIZED: Mapping[str, Any] = {}
LECTURES: Mapping[str, Any] = {"penalty": 2.0}
CLEAR: Mapping[str, Any] = {"penalty": 1.0, "variation": 0.5, "jitter": 1, "fourier": True}
FOURIER: Mapping[str, Any] = {"jitter": 1, "fourier": True}  # a penalty would leave nothing of a filter's pattern


@dataclass(frozen=True)
class InputParameterization:
    """The inputs of a model as values from 0 to 1 with gradients; a domain gives it for its preprocessing."""

    shape: tuple[int, int, int]  # (C, H, W) of the values
    to_maps: Callable[[Tensor], Tensor]  # (B, C, H, W) values -> the maps that the network gets, with gradients
    to_inputs: Callable[[Tensor], Tensor]  # (B, C, H, W) values -> compact inputs, as the domain reads them from files
    baseline: Tensor  # (C, 1, 1) values of an empty input: black, silence; the penalty pulls towards it
    colour_mix: Tensor | None = None  # (C, C): mixes decorrelated channels into natural colours
    shiftable: tuple[bool, bool] = (True, True)  # whether a shift along height and width keeps the meaning
    peak_normalized: bool = False  # whether values are relative to the largest of an input, which is always 1: loudness
    # Settings of Ascent if the user gives none: for labels, one row of a sheet each; and for the units of a layer.
    label_settings: Sequence[Mapping[str, Any]] = (UNREGULARIZED, LECTURES, CLEAR)
    unit_settings: Mapping[str, Any] = field(default_factory=lambda: FOURIER)
    noise: Callable[[int, torch.Generator], Tensor] | None = None  # compact inputs of noise, if `to_inputs` is slow


@dataclass(frozen=True)
class Tokens:
    """The inputs of a model that takes token ids, which have no gradient: the range of the ids."""

    first: int  # ids below stand for padding and unknown tokens
    count: int  # of all ids


@dataclass(frozen=True)
class Moves:
    """The inputs of a model that follow rules: a start, and random moves from there."""

    start: Callable[[], Any]
    after: Callable[[Any, torch.Generator], Any | None]  # the state after a random move; None if that is illegal
    to_inputs: Callable[[Sequence[Any]], Tensor]  # states -> compact inputs, as the domain reads them from files
