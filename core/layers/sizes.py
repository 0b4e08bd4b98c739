"""Layers that work on maps of several sizes."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from .. import modules
from ..layer import (
    Layer,
    Layers,
    Padding,
    Shape,
    Size,
    check_number,
    macs,
    output_shape,
    receptive_field,
    require_maps,
    sequence,
)
from ..problem import Problem
from ..receptive_field import Pair, ReceptiveField, Window, union

MOST_LEVELS = 8  # of a pyramid: the last is 128 times smaller than the first


@dataclass(frozen=True)
class Upsample(Layer):
    """Maps enlarged `factor` times, bilinear; with `nearest`, each number is repeated."""

    factor: Size
    nearest: bool = False

    def pair(self) -> Pair:
        return (self.factor, self.factor) if isinstance(self.factor, int) else self.factor

    def out(self, shape: Shape) -> Shape:
        require_maps(shape)
        down, across = self.pair()
        return (shape[0], shape[1] * down, shape[2] * across)

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.enlarged(self.pair(), 1 if self.nearest else 2)

    def module(self, shape: Shape) -> nn.Module:
        return modules.Upsample(self.pair(), bool(self.nearest))

    def padding_effect(self, padding: Padding) -> Padding | None:
        return None


@dataclass(frozen=True, init=False)
class Pyramid(Layer):
    """`layers` on each of `levels` scales of a Laplacian pyramid, with shared weights (Farabet et al. 2013, sec. 3).

    The maps of the smaller scales are enlarged to the size of the first, and all are concatenated. Farabet et al. also
    normalise each scale locally, which the frontend does not do.
    """

    levels: int
    shared: Layers  # type: ignore[misc]  # of other layers a constant

    def __init__(self, levels: int, *layers: Layer) -> None:
        object.__setattr__(self, "levels", levels)
        object.__setattr__(self, "shared", tuple(layers))
        check_number(self.name, "levels", levels)
        if levels > MOST_LEVELS:
            raise Problem(f"pyramid: levels is at most {MOST_LEVELS}; got {levels}")
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise Problem(
                "pyramid: takes layers behind the number of levels, as in pyramid(3, conv(16, 7, pad=3), relu)"
            )

    def __str__(self) -> str:
        return f"pyramid({', '.join([str(self.levels), *map(str, self.shared)])})"

    def shapes(self, shape: Shape) -> list[Shape]:
        """Returns the shapes of all levels. Raises Problem if the last has no pixel."""
        require_maps(shape)
        factor = self.halves(shape)
        sides = [(shape[1] // factor[0] ** k, shape[2] // factor[1] ** k) for k in range(self.levels)]
        shapes: list[Shape] = [(shape[0], *side) for side in sides]
        if min(shapes[-1]) < 1:
            raise Problem(f"{self.levels} levels halve {shape[1]}×{shape[2]} too often; take fewer, or a larger input")
        return shapes

    def halves(self, shape: Shape) -> Pair:
        """Returns what a level shrinks by: an input of height 1 keeps its height."""
        return (1 if shape[1] == 1 else 2, 2)

    def out(self, shape: Shape) -> Shape:
        outputs = [output_shape(self.shared, level) for level in self.shapes(shape)]
        require_maps(outputs[0])
        return (sum(output[0] for output in outputs), *outputs[0][1:])

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        output, factor = self.out(shape), self.halves(shape)
        fields = []
        for index, level in enumerate(self.shapes(shape)):
            of_level = field
            for _ in range(index):
                of_level = of_level.through(Window(factor, factor, (1, 1), ((0, 0), (0, 0)), ceil=False))
            if index + 1 < self.levels:  # the half, enlarged again, mixes two numbers more on each side
                reach = (5 if factor[0] == 2 else 1, 5)
                of_level = of_level.through(
                    Window(reach, (1, 1), (1, 1), ((reach[0] // 2,) * 2, (reach[1] // 2,) * 2), ceil=False)
                )
            of_level = receptive_field(self.shared, level, of_level)
            fields.append(of_level.enlarged((factor[0] ** index, factor[1] ** index), 2) if index else of_level)
        return union(fields, (output[1], output[2]))

    def module(self, shape: Shape) -> nn.Module:
        self.out(shape)
        return modules.Pyramid(sequence(self.shared, shape), self.levels, self.halves(shape))

    def macs(self, shape: Shape) -> int:
        return sum(macs(self.shared, level) for level in self.shapes(shape))

    def padding_effect(self, padding: Padding) -> Padding | None:
        return None

    def to_1d(self) -> Layer:
        return Pyramid(self.levels, *(layer.to_1d() for layer in self.shared))
