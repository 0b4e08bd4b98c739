"""Layers that hold others: branches, each applied to the same input, and a module that merges their outputs.

A new combinator is one subclass of Combinator: what merges the branches, and the shape that this gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Self

from torch import nn

from . import modules
from .layer import (
    Layer,
    Layers,
    Padding,
    Shape,
    literal,
    macs,
    output_shape,
    padding_effect,
    receptive_field,
    sequence,
    weight_shapes,
)
from .problem import Problem
from .receptive_field import ReceptiveField, union


@dataclass(frozen=True, init=False)
class Combinator(Layer):
    """Branches applied to the same input; `merge` combines their outputs. An empty branch `()` is the identity."""

    branches: tuple[Layers, ...]  # type: ignore[misc]  # of other layers a constant

    merge: ClassVar[type[nn.Module]]  # a module without weights, of as many inputs as there are branches
    transferred_whole: ClassVar[bool] = False  # if weights are taken over for all branches together or not at all

    def __init__(self, *branches: Layers | Layer) -> None:
        object.__setattr__(self, "branches", tuple(self.as_layers(branch) for branch in branches))

    @classmethod
    def as_layers(cls, value: Any) -> Layers:
        """Returns a layer or a tuple of layers as a tuple. Raises Problem for anything else."""
        layers: Layers = value if isinstance(value, tuple) else (value,)
        for layer in layers:
            if not isinstance(layer, Layer):
                raise Problem(f"{cls.name}: takes layers, got {literal(layer)}")
        return layers

    def with_branches(self, branches: Sequence[Layers]) -> Self:
        """Returns a copy with other branches."""
        copy = object.__new__(type(self))
        object.__setattr__(copy, "branches", tuple(branches))
        return copy

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Returns the output shape, given those of the branches. Raises Problem if they cannot be merged."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(text, self.branches))})"

    def out(self, shape: Shape) -> Shape:
        return self.merged_shape([output_shape(branch, shape) for branch in self.branches])

    def module(self, shape: Shape) -> nn.Module:
        return modules.Combinator([sequence(branch, shape) for branch in self.branches], self.merge())

    def macs(self, shape: Shape) -> int:
        return sum(macs(branch, shape) for branch in self.branches)

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        output = self.out(shape)
        positions = (output[1], output[2]) if len(output) == 3 else (1, 1)
        return union([receptive_field(branch, shape, field) for branch in self.branches], positions)

    def padding_effect(self, padding: Padding) -> Padding | None:
        effects = {padding_effect(branch, padding) for branch in self.branches}
        if "removed" in effects:
            return "removed" if effects == {"removed"} else None
        return None if None in effects else "constant" if "constant" in effects else "zero"

    def to_1d(self) -> Layer:
        return self.with_branches([tuple(layer.to_1d() for layer in branch) for branch in self.branches])


def text(layers: Layers) -> str:
    """Returns a branch as it is written in a network's text."""
    return "(" + ", ".join(map(str, layers)) + ("," if len(layers) == 1 else "") + ")"


@dataclass(frozen=True, init=False)
class Residual(Combinator):
    """body(x) + x, or body(x) + shortcut(x) if the body changes the shape (He et al. 2016)."""

    merge = modules.Sum
    transferred_whole = True

    def __init__(self, *body: Layer, shortcut: Layers | Layer = ()) -> None:
        super().__init__(body, shortcut)
        if not body:
            raise Problem("residual: takes at least one layer, as in residual(conv(64, 3, pad=1), relu)")

    @property
    def body(self) -> Layers:
        return self.branches[0]

    @property
    def shortcut(self) -> Layers:
        return self.branches[1]

    def __str__(self) -> str:
        parts = [str(layer) for layer in self.body] + [f"shortcut={text(self.shortcut)}"] * bool(self.shortcut)
        return f"residual({', '.join(parts)})"

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        body, shortcut = shapes
        if body != shortcut:
            raise Problem(
                f"its body gives {body}, its shortcut {shortcut}, and only equal shapes add up; "
                "give shortcut=(conv(…, 1, stride=…),) or keep the shape"
            )
        return body

    def module(self, shape: Shape) -> nn.Module:
        return modules.Residual([sequence(branch, shape) for branch in self.branches])


@dataclass(frozen=True, init=False)
class Parallel(Combinator):
    """The channels of all branches, concatenated; an empty branch `()` is the identity (Szegedy et al. 2015)."""

    merge = modules.Concatenate

    def __init__(self, *branches: Layers | Layer) -> None:
        super().__init__(*branches)
        if not branches:
            raise Problem(
                "parallel: takes at least one branch, as in parallel((conv(8, 1), relu), (conv(8, 3, pad=1),))"
            )

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        return concatenated(shapes)


@dataclass(frozen=True, init=False)
class Maximum(Combinator):
    """The elementwise maximum over branches, such as the scales of a filter.

    With `shared`, these layers follow each branch, with the same weights: the maximum is of what they give. So the C2
    cells of HMAX are the maximum over the scales of the same cells (Serre et al. 2007, IEEE TPAMI 29(3), section 2.1).
    """

    shared: Layers  # type: ignore[misc]  # of other layers a constant

    merge = modules.Maximum
    transferred_whole = True

    def __init__(self, *branches: Layers | Layer, shared: Layers | Layer = ()) -> None:
        super().__init__(*branches)
        object.__setattr__(self, "shared", self.as_layers(shared))
        if not branches:
            raise Problem("maximum: takes at least one branch, as in maximum(conv(8, 3, pad=1), conv(8, 5, pad=2))")

    def __str__(self) -> str:
        parts = [*map(text, self.branches)] + [f"shared={text(self.shared)}"] * bool(self.shared)
        return f"maximum({', '.join(parts)})"

    def with_branches(self, branches: Sequence[Layers]) -> Self:
        copy = super().with_branches(branches)
        object.__setattr__(copy, "shared", self.shared)
        return copy

    def to_1d(self) -> Layer:
        branches = [tuple(layer.to_1d() for layer in branch) for branch in self.branches]
        return Maximum(*branches, shared=tuple(layer.to_1d() for layer in self.shared))

    def whole_branches(self) -> list[Layers]:
        """The branches with the shared layers behind each."""
        return [(*branch, *self.shared) for branch in self.branches]

    def out(self, shape: Shape) -> Shape:
        return self.merged_shape([output_shape(branch, shape) for branch in self.whole_branches()])

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        return equal(shapes, "have a maximum")

    def module(self, shape: Shape) -> nn.Module:
        inputs = [output_shape(branch, shape) for branch in self.branches]
        if len({weight_shapes(self.shared, one) for one in inputs}) > 1:
            raise Problem(f"its shared layers have other weights for each of {', '.join(map(str, inputs))}")
        shared = sequence(self.shared, inputs[0]) if self.shared else None
        return modules.Combinator([sequence(branch, shape) for branch in self.branches], self.merge(), shared)

    def macs(self, shape: Shape) -> int:
        return sum(macs(branch, shape) for branch in self.whole_branches())

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        output = self.out(shape)
        positions = (output[1], output[2]) if len(output) == 3 else (1, 1)
        return union([receptive_field(branch, shape, field) for branch in self.whole_branches()], positions)

    def padding_effect(self, padding: Padding) -> Padding | None:
        effects = {padding_effect(branch, padding) for branch in self.whole_branches()}
        return effects.pop() if len(effects) == 1 else None


@dataclass(frozen=True, init=False)
class Vote(Combinator):
    """The mean of the outputs of all branches; in training, each example goes through a single, random branch.

    So each branch learns on its own. If the outputs were simply added, a branch that has memorised the training
    examples would leave the others nothing to learn. A branch without trainable parameters gets no examples then.
    """

    merge = modules.Mean

    def __init__(self, *branches: Layers | Layer) -> None:
        super().__init__(*branches)
        if len(branches) < 2:
            raise Problem("vote: takes two branches or more, as in vote((flatten, dense(2)), (globalmax, dense(2)))")

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        return equal(shapes, "add up")

    def module(self, shape: Shape) -> nn.Module:
        return modules.Vote([sequence(branch, shape) for branch in self.branches])


@dataclass(frozen=True, init=False)
class Heads(Combinator):
    """Named branches whose outputs stand in one row: a head for each of several targets (Caruana 1997).

    `classes` in a head is the number of its own outputs (core/network.py). Heads of a text stand in the order in which
    it names them.
    """

    names: tuple[str, ...]

    merge = modules.Concatenate

    def __init__(self, **branches: Layers | Layer) -> None:
        super().__init__(*branches.values())
        object.__setattr__(self, "names", tuple(branches))
        if not branches:
            raise Problem("heads: takes named branches, as in heads(type=(dense(64), relu, dense(classes)))")

    def __str__(self) -> str:
        parts = (
            f"{name}={text(branch) if len(branch) != 1 else branch[0]}"
            for name, branch in zip(self.names, self.branches, strict=True)
        )
        return f"heads({', '.join(parts)})"

    def with_branches(self, branches: Sequence[Layers]) -> Self:
        copy = super().with_branches(branches)
        object.__setattr__(copy, "names", self.names)
        return copy

    def sizes(self, shape: Shape) -> dict[str, int]:
        """The number of outputs of each head, for an input shape."""
        outputs = [output_shape(branch, shape) for branch in self.branches]
        return {name: output[0] for name, output in zip(self.names, outputs, strict=True)}

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        return concatenated(shapes)


@dataclass(frozen=True, init=False)
class Scales(Combinator):
    """The positions of all branches in one row: (C, H, W) maps of several sizes -> (C, 1, ΣH·W), in their order.

    So a detector predicts boxes at several strides (Lin et al. 2017, arXiv:1612.03144). Its receptive field is that of
    all positions together; those of the branches are measured within it.
    """

    merge = modules.Positions

    def __init__(self, *branches: Layers | Layer) -> None:
        super().__init__(*branches)
        if not branches:
            raise Problem(
                "scales: takes at least one branch, as in scales((conv(9, 3, pad=1),), (maxpool(2), conv(9, 3)))"
            )

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        if len({shape[0] for shape in shapes}) > 1:
            raise Problem(f"its branches give {', '.join(map(str, shapes))}, and only equal channels stand in one row")
        return (shapes[0][0], 1, sum(prod(shape[1:]) for shape in shapes))

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        fields = []
        for branch in self.branches:
            output = output_shape(branch, shape)
            positions = (output[1], output[2]) if len(output) == 3 else (1, 1)
            fields.append(receptive_field(branch, shape, field).over(positions))
        return union(fields, (1, 1))


def equal(shapes: Sequence[Shape], what: str) -> Shape:
    """Returns the shape that all outputs have. Raises Problem if their shapes differ."""
    if len(set(shapes)) > 1:
        raise Problem(f"its branches give {', '.join(map(str, shapes))}, and only equal shapes {what}")
    return shapes[0]


def concatenated(shapes: Sequence[Shape]) -> Shape:
    """Returns the shape of outputs concatenated along their channels. Raises Problem if their sizes differ."""
    if len({shape[1:] for shape in shapes}) > 1:
        raise Problem(
            f"its branches give {', '.join(map(str, shapes))}; heights and widths must be equal to concatenate"
        )
    return (sum(shape[0] for shape in shapes), *shapes[0][1:])
