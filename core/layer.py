"""The base of all layers: shapes, windows, modules, costs and receptive fields, known without running a network.

A shape is (channels, height, width) for maps, or (numbers,) for a row. Sizes, strides and pads are an int for a square
or a pair (height, width). A layer that does not fit its input raises a `Problem`.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from math import ceil
from typing import Any, ClassVar, Literal, Self

import torch
from torch import nn

from .problem import Problem, shortened
from .receptive_field import Pair, ReceptiveField, Window
from .sequential import Sequential

Shape = tuple[int, ...]
Size = int | Pair
Pad = Size | Literal["same"]
Padding = Literal["zero", "constant", "removed"]  # columns of padding: all zero, all alike, or no longer present

# The smallest valid value of each argument name; a name means the same in every layer.
LEAST = dict.fromkeys(
    (
        *("filters", "size", "stride", "dilation", "groups", "units", "tokens", "dim", "longest", "factor", "levels"),
        *("blocks", "beam"),
    ),
    1,
) | {
    "pad": 0,
    "pieces": 2,
}
PAIRS = ("size", "stride", "pad", "dilation", "factor")
# The largest valid values: windows on longer inputs than any recording's would take minutes to measure.
MOST = dict.fromkeys(LEAST, 2**31 - 1) | dict.fromkeys(PAIRS, 1_000_000)
# The ranges of real arguments, both ends included; a name means the same in every layer.
LARGEST_REAL = 1e9  # of those without a range of their own: their products stay finite in float32
REALS = {
    "eps": (1e-30, 1.0),
    "momentum": (0.0, 1.0),
    "sigma": (0.0, LARGEST_REAL),
    "threshold": (0.0, 0.999),
    "wavelength": (0.0, LARGEST_REAL),
}


@dataclass(frozen=True)
class Layer:
    """The base of all layers; unless overridden, a layer keeps the shape, has no window and costs nothing."""

    name: ClassVar[str] = ""
    branches: ClassVar[tuple[Layers, ...]] = ()  # of a combinator: sequences of layers, each applied to its input
    shared: ClassVar[Layers] = ()  # layers that are applied more than once, with the same weights

    def __init_subclass__(cls) -> None:
        cls.name = cls.__name__.lower()

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(self.name, field.name, getattr(self, field.name), type(field.default))

    def __call__(self, *arguments: Any, **keywords: Any) -> Self:
        return type(self)(*arguments, **keywords)

    def __str__(self) -> str:
        """Returns the text that `network.parse` reads."""
        texts = []
        no_required = not any(field.default is MISSING for field in fields(self))
        for index, field in enumerate(fields(self)):
            value, required = getattr(self, field.name), field.default is MISSING
            if required or value != field.default:
                positional = required or (index == 0 and no_required)
                texts.append(literal(value) if positional else f"{field.name}={literal(value)}")
        return f"{self.name}({', '.join(texts)})" if texts else self.name

    def out(self, shape: Shape) -> Shape:
        """Returns the output shape for an input shape. Raises Problem if the layer does not fit."""
        return shape

    def module(self, shape: Shape) -> nn.Module:
        """Returns a new module for an input shape."""
        raise NotImplementedError

    def macs(self, shape: Shape) -> int:
        """Returns multiply-accumulates for one example; biases, activations and norms are not counted."""
        return 0

    def window(self, shape: Shape) -> Window | None:
        return None

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        """Returns the receptive field of the output, given that of the input."""
        window = self.window(shape)
        return field if window is None else field.through(window)

    def padding_effect(self, padding: Padding) -> Padding | None:
        """Returns what `padding` at the end of an input becomes; None if the output depends on its length."""
        return padding

    def to_1d(self) -> Layer:
        """Returns the layer for inputs of height 1, where a size of 3 means 1×3."""
        changes: dict[str, Any] = {}
        for name in PAIRS:
            value = getattr(self, name, None)
            if isinstance(value, int):
                changes[name] = (0 if name == "pad" else 1, value)
        return replace(self, **changes) if changes else self


Layers = tuple[Layer, ...]


def check_number(layer: str, name: str, value: Any, kind: type | None = None) -> None:
    """Raises Problem unless `value` is valid for the argument `name`; `kind` is float or bool for such arguments."""
    if name in LEAST:
        _check_integers(layer, name, value)
    elif kind is float:
        low, high = REALS.get(name, (-LARGEST_REAL, LARGEST_REAL))
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Problem(f"{layer}: {name} is a number; got {shortened(literal(value))}")
        if not low <= value <= high:
            raise Problem(f"{layer}: {name} is a number from {low:g} to {high:g}; got {shortened(literal(value))}")
    elif kind is bool and value not in (True, False):
        raise Problem(f"{layer}: {name} is True or False; got {shortened(literal(value))}")


def _check_integers(layer: str, name: str, value: Any) -> None:
    if value is None or (name == "pad" and value == "same"):
        return
    numbers = value if name in PAIRS and isinstance(value, tuple) else (value,)
    pair = len(numbers) == (2 if isinstance(value, tuple) else 1)
    if not pair or not all(type(number) is int and number >= LEAST[name] for number in numbers):
        words = "a whole number or a pair of them" if name in PAIRS else "a whole number"
        raise Problem(f"{layer}: {name} is {words}, {LEAST[name]} or more; got {shortened(literal(value))}")
    if max(numbers) > MOST[name]:
        raise Problem(f"{layer}: {name} is at most {MOST[name]:,}; got {shortened(literal(value))}")


def literal(value: Any) -> str:
    """Returns a value as it is written in a network's text."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _pair(value: Size) -> Pair:
    return (value, value) if isinstance(value, int) else value


def _sides(pad: Pad, size: Pair, dilation: Pair, stride: Pair, lengths: Shape) -> tuple[Pair, Pair]:
    if pad != "same":
        return ((_pair(pad)[0],) * 2, (_pair(pad)[1],) * 2)
    # As many windows as strides begin in the input, ⌈N/S⌉, as in Keras: with stride 1 the size stays.
    axes = zip(lengths, size, dilation, stride, strict=True)
    total = [max(0, (ceil(n / s) - 1) * s + (f - 1) * d + 1 - n) for n, f, d, s in axes]
    return ((total[0] // 2, total[0] - total[0] // 2), (total[1] // 2, total[1] - total[1] // 2))


def require_maps(shape: Shape) -> None:
    if len(shape) != 3:
        raise Problem(f"takes maps of (channels, height, width), got a row of {shape[0]} numbers")


class Windowed(Layer):
    """The arithmetic of windows that convolutions and pools share."""

    size: Size
    stride: Size | None
    pad: Pad

    def window(self, shape: Shape) -> Window:
        require_maps(shape)
        size = _pair(self.size)
        stride = size if self.stride is None else _pair(self.stride)
        dilation = _pair(getattr(self, "dilation", 1))
        sides = _sides(self.pad, size, dilation, stride, shape[1:])
        window = Window(size, stride, dilation, sides, bool(getattr(self, "ceil", False)))
        for axis, direction in enumerate(("high", "wide")):
            padding = sum(window.sides[axis])
            if window.span(axis) > (length := shape[1 + axis] + padding):
                raise Problem(
                    f"its window is {window.span(axis)} {direction}, but its input is {length} {direction}"
                    f"{' with padding' if padding else ''}; take a larger input, smaller windows or fewer pools"
                )
        return window

    def out(self, shape: Shape) -> Shape:
        window = self.window(shape)
        return (self.channels(shape), window.out(shape[1], 0), window.out(shape[2], 1))

    def channels(self, shape: Shape) -> int:
        return shape[0]

    def padding_effect(self, padding: Padding) -> Padding | None:
        # With padding of its own, or a last window that is cut, the output depends on how far the border is.
        return padding if self.pad == 0 and not getattr(self, "ceil", False) else None


def output_shape(layers: Layers, shape: Shape) -> Shape:
    """Returns the shape behind all of `layers`."""
    for layer in layers:
        shape = layer.out(shape)
    return shape


def sequence(layers: Layers, shape: Shape) -> Sequential:
    """Returns one module with a child for each layer, in order."""
    modules, windows = [], []
    for layer in layers:
        modules.append(layer.module(shape))
        windows.append(layer.window(shape))
        shape = layer.out(shape)
    return Sequential(*modules).with_plan(windows)


def weight_shapes(layers: Layers, shape: Shape) -> tuple[tuple[int, ...], ...]:
    """Returns the shapes of all weights and buffers of `layers` for an input shape."""
    with torch.device("meta"):
        return tuple(tuple(value.shape) for value in sequence(layers, shape).state_dict().values())


def receptive_field(layers: Layers, shape: Shape, field: ReceptiveField) -> ReceptiveField:
    """Returns the receptive field behind all of `layers`."""
    for layer in layers:
        shape, field = layer.out(shape), layer.receptive_field(shape, field)
    return field


def padding_effect(layers: Layers, padding: Padding) -> Padding | None:
    """Returns what padding becomes behind all of `layers`; None if the output depends on its length."""
    for layer in layers:
        effect = layer.padding_effect(padding)
        if effect is None:
            return None
        padding = effect
    return padding


def macs(layers: Layers, shape: Shape) -> int:
    """Returns the multiply-accumulates of all of `layers`."""
    total = 0
    for layer in layers:
        shape, total = layer.out(shape), total + layer.macs(shape)
    return total


def constant(padding: Padding) -> Padding:
    """What padding becomes where zeros turn into another number."""
    return "constant" if padding == "zero" else padding


def if_removed(padding: Padding) -> Padding | None:
    """Padding that had no effect still has none; any other changes what follows."""
    return padding if padding == "removed" else None
