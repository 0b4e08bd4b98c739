"""The second stage of a detector: boxes that may hold an object, and a network for each."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn

from .. import proposals
from ..combinators import Parallel, text
from ..layer import (
    Layer,
    Layers,
    Padding,
    Shape,
    literal,
    macs,
    output_shape,
    require_maps,
    sequence,
)
from ..problem import Problem
from ..receptive_field import ReceptiveField

LARGEST_ANCHOR = 10_000  # cells
MOST_REGIONS = 1000  # of an input: all candidates are compared with each other


@dataclass(frozen=True, init=False)
class Regions(Layer):
    """Boxes that may hold an object, and what `head` gives for the maps in each (Faster R-CNN, Ren et al. 2015).

    `proposer` gives 5 numbers for each anchor of a position, three anchors for each of `sizes`, a side in cells of the
    map; `head` gets the maps of `count` regions, 7×7 each, and gives 5 numbers beside those of the labels: the output
    is what core/proposals.py takes apart.
    """

    proposer: Layers
    head: Layers
    sizes: tuple[float, ...]
    count: int

    def __init__(
        self, proposer: Layers | Layer, head: Layers | Layer, sizes: tuple[float, ...], count: int = 128
    ) -> None:
        object.__setattr__(self, "proposer", Parallel.as_layers(proposer))
        object.__setattr__(self, "head", Parallel.as_layers(head))
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "count", count)
        if not isinstance(sizes, tuple) or not sizes or not all(is_size(size) for size in sizes):
            raise Problem(f"regions: sizes are sides of anchors, from 0.1 on, as in (2, 4, 8); got {literal(sizes)}")
        if type(count) is not int or not 1 <= count <= MOST_REGIONS:
            raise Problem(f"regions: count is a whole number from 1 to {MOST_REGIONS:,}; got {literal(count)}")

    @property
    def shared(self) -> Layers:  # type: ignore[override]  # of other layers a constant
        return (*self.proposer, *self.head)

    def __str__(self) -> str:
        parts = [text(self.proposer), text(self.head), literal(self.sizes)]
        return f"regions({', '.join(parts + [f'count={self.count}'] * (self.count != 128))})"

    def classes(self, shape: Shape) -> int:
        """Returns the number of labels that the head gives. Raises Problem if the branches do not fit."""
        require_maps(shape)
        wanted = (proposals.OF_ANCHOR * len(proposals.RATIOS) * len(self.sizes), *shape[1:])
        if (given := output_shape(self.proposer, shape)) != wanted:
            raise Problem(f"its first branch gives {given}, and {len(self.sizes)} sizes of anchors need {wanted}")
        output = output_shape(self.head, self.region_shape(shape))
        if len(output) != 1 or output[0] <= proposals.OF_REGION:
            raise Problem(
                f"its second branch gives {output} for a region; end it with parallel((dense(classes),), (dense(5),))"
            )
        if self.count > (most := prod(wanted) // proposals.OF_ANCHOR):
            raise Problem(
                f"there are {most:,} anchors on {shape[1]}×{shape[2]}, and {self.count:,} regions; take fewer"
            )
        return output[0] - proposals.OF_REGION

    def region_shape(self, shape: Shape) -> Shape:
        return (shape[0], proposals.SIDE, proposals.SIDE)

    def out(self, shape: Shape) -> Shape:
        of_region = 4 + self.classes(shape) + proposals.OF_REGION
        return (self.count * of_region + prod(output_shape(self.proposer, shape)),)

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over((shape[1], shape[2]))

    def module(self, shape: Shape) -> nn.Module:
        branches = sequence(self.proposer, shape), sequence(self.head, self.region_shape(shape))
        return proposals.Regions(*branches, (shape[1], shape[2]), self.sizes, self.count)

    def macs(self, shape: Shape) -> int:
        return macs(self.proposer, shape) + self.count * macs(self.head, self.region_shape(shape))

    def padding_effect(self, padding: Padding) -> Padding | None:
        return None


def is_size(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0.1 <= value <= LARGEST_ANCHOR
