"""Layers that take all of their input at once: rows of numbers, and whole maps."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import nn

from .. import modules
from ..layer import Layer, Padding, Shape, if_removed, require_maps
from ..problem import Problem
from ..receptive_field import ReceptiveField


@dataclass(frozen=True)
class Dense(Layer):
    """Fully connected: a weighted sum of all numbers for each unit."""

    units: int
    bias: bool = True

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Problem(f"takes a row of numbers, got {shape}; put flatten before it")
        return (self.units,)

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over(field.positions)

    def module(self, shape: Shape) -> nn.Module:
        return nn.Linear(shape[0], self.units, self.bias)

    def macs(self, shape: Shape) -> int:
        return shape[0] * self.units


@dataclass(frozen=True)
class Flatten(Layer):
    """All maps as one row of numbers, channel by channel."""

    def out(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field._replace(positions=(shape[1], shape[2])) if len(shape) == 3 else field

    def module(self, shape: Shape) -> nn.Module:
        return nn.Flatten()

    def padding_effect(self, padding: Padding) -> Padding | None:
        return if_removed(padding)


@dataclass(frozen=True)
class Unit(Layer):
    """A row of numbers divided by the root of the sum of their squares: products of such rows are cosines."""

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Problem(f"takes a row of numbers, got {shape}; put flatten before it")
        return shape

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over(field.positions)

    def module(self, shape: Shape) -> nn.Module:
        return modules.Unit()


class GlobalPool(Layer):
    """The base of global pools: one number for each map."""

    def out(self, shape: Shape) -> Shape:
        require_maps(shape)
        return shape[:1]

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over((shape[1], shape[2]))

    def padding_effect(self, padding: Padding) -> Padding | None:
        return None


@dataclass(frozen=True)
class GlobalMax(GlobalPool):
    """The maximum of each map."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.GlobalMax()

    def padding_effect(self, padding: Padding) -> Padding | None:
        return "removed"  # one of many equal columns is enough


@dataclass(frozen=True)
class GlobalAvg(GlobalPool):
    """The mean of each map."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.GlobalAvg()


@dataclass(frozen=True)
class SoftArgmax(GlobalPool):
    """Where the maximum of each map lies along its height: the mean row by the softmax of the map.

    The border rows are −1 and 1; sharpness, gain and offset of each map are learned. It moves with its input by as much
    (Levine et al. 2016, arXiv:1504.00702, section 4.2, along one axis): a number that is a place, such as a pitch.
    """

    def module(self, shape: Shape) -> nn.Module:
        return modules.SoftArgmax(shape[0])


@dataclass(frozen=True)
class GlobalBias(Layer):
    """Each map plus a bias that a dense layer computes from the means and maxima of all maps.

    It makes global features available at every position (Wu 2019, arXiv:1902.10565, section 3.3).
    """

    def out(self, shape: Shape) -> Shape:
        require_maps(shape)
        return shape

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over((shape[1], shape[2]))

    def module(self, shape: Shape) -> nn.Module:
        return modules.GlobalBias(shape[0])

    def macs(self, shape: Shape) -> int:
        return 2 * shape[0] ** 2

    def padding_effect(self, padding: Padding) -> Padding | None:
        return None
