"""Layers whose weights, or whose maximum or mean, move over their input in windows."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn

from .. import modules
from ..layer import Pad, Padding, Shape, Size, Windowed, constant, literal
from ..problem import Problem
from ..receptive_field import Pair, Window


class Filters(Windowed):
    """The base of layers with `filters` windows of weights."""

    filters: int

    def channels(self, shape: Shape) -> int:
        return self.filters

    def macs(self, shape: Shape) -> int:
        return shape[0] * prod(self.window(shape).size) * prod(self.out(shape))


@dataclass(frozen=True)
class Conv(Filters):
    """`filters` windows, each applied at every position: M·N·K²·(D−K+1)² multiply-accumulates at stride 1."""

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    dilation: Size = 1
    groups: int = 1
    bias: bool = True

    def channels(self, shape: Shape) -> int:
        for name, count in (("input channels", shape[0]), ("filters", self.filters)):
            if count % self.groups:
                raise Problem(f"{count} {name} do not divide into {self.groups} groups")
        return self.filters

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        (top, bottom), (left, right) = window.sides
        arguments: Any = (window.dilation, self.groups, self.bias)
        if top == bottom and left == right:
            return nn.Conv2d(shape[0], self.filters, window.size, window.stride, (top, left), *arguments)
        return modules.UnevenConv(window.padding, shape[0], self.filters, window.size, window.stride, 0, *arguments)

    def macs(self, shape: Shape) -> int:
        return shape[0] // self.groups * prod(self.window(shape).size) * prod(self.out(shape))

    def padding_effect(self, padding: Padding) -> Padding | None:
        effect = super().padding_effect(padding)
        return "constant" if effect == "zero" and self.bias else effect


@dataclass(frozen=True)
class Local(Filters):
    """Locally connected: windows as in `conv`, but with different weights at every position."""

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    bias: bool = True

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        return modules.Local(shape, self.out(shape), window.size, window.stride, window.padding, self.bias)

    def padding_effect(self, padding: Padding) -> Padding | None:
        return None


@dataclass(frozen=True)
class Pool(Windowed):
    """The base of pools, whose windows do not overlap unless a stride is given."""

    size: Size
    stride: Size | None = None
    pad: Size = 0
    ceil: bool = False

    def window(self, shape: Shape) -> Window:
        window = super().window(shape)
        if any(before != after for before, after in window.sides):
            raise Problem(f"a pool pads both sides alike, which pad={literal(self.pad)} does not here; give a number")
        if any(2 * side > size for (side, _), size in zip(window.sides, window.size, strict=True)):
            raise Problem(f"a pool's pad is at most half its window; got {literal(self.pad)} for {literal(self.size)}")
        return window

    def arguments(self, shape: Shape) -> tuple[Pair, Pair, Pair]:
        """Returns size, stride and padding as torch's pools take them."""
        window = self.window(shape)
        return window.size, window.stride, (window.sides[0][0], window.sides[1][0])


@dataclass(frozen=True)
class MaxPool(Pool):
    """The maximum of each window."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.MaxPool(*self.arguments(shape), ceil_mode=self.ceil)


@dataclass(frozen=True)
class AvgPool(Pool):
    """The mean of each window; padded zeros count."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.AvgPool(*self.arguments(shape), ceil_mode=self.ceil)


@dataclass(frozen=True)
class L2Pool(Pool):
    """The root of the sum of squares in each window."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.L2Pool(*self.arguments(shape), self.ceil)

    def padding_effect(self, padding: Padding) -> Padding | None:
        return super().padding_effect(constant(padding))
