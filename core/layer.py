"""What every word of a network is: a layer that knows its shape, its window, its module and its cost.

A shape is (channels, height, width), or (numbers,) for a row. Sizes, strides and pads are an int for a square or a
pair (height, width). A layer that does not fit its input raises a `Problem`.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from fractions import Fraction
from math import ceil as up
from typing import Any, ClassVar, Literal, NamedTuple, Self

from torch import nn

from .problem import Problem
from .sequential import Sequential

Shape = tuple[int, ...]
Pair = tuple[int, int]
Size = int | Pair
Pad = Size | Literal["same"]
Padding = Literal["zero", "even", "gone"]  # what columns of padding are: all zero, all alike, or no longer there

LEAST = dict.fromkeys(("filters", "size", "stride", "dilation", "groups", "units", "tokens", "dim", "longest"), 1) | {
    "pad": 0,
    "pieces": 2,
}  # the smallest sensible number of each name: the same name means the same thing in every word
PAIRS = ("size", "stride", "pad", "dilation")


class Field(NamedTuple):
    """What one number of a map has seen: its receptive field, and the step between two neighbours, in input pixels."""

    size: Pair = (1, 1)
    jump: Pair = (1, 1)
    whole: Pair = (1, 1)  # what all numbers of the map have seen together, kept when it is flattened

    def through(self, spans: Pair, strides: Pair) -> Field:
        """r_k = r_{k−1} + (f_k − 1)·∏ s_i, along each axis."""
        (h, w), (y, x) = self.size, self.jump
        return Field((h + (spans[0] - 1) * y, w + (spans[1] - 1) * x), (y * strides[0], x * strides[1]))


class Window(NamedTuple):
    """How a layer looks at its input along height and width; `sides` are the pixels added before and after."""

    size: Pair
    stride: Pair
    dilation: Pair
    sides: tuple[Pair, Pair]
    ceil: bool

    def span(self, axis: int) -> int:
        return (self.size[axis] - 1) * self.dilation[axis] + 1

    def fit(self, length: int, axis: int) -> Fraction:
        """(N + 2P − F)/S + 1: a whole number where the windows end with the input."""
        return Fraction(length + sum(self.sides[axis]) - self.span(axis), self.stride[axis]) + 1

    def out(self, length: int, axis: int) -> int:
        exact = self.fit(length, axis)
        count = up(exact) if self.ceil else int(exact // 1)
        if self.ceil and (count - 1) * self.stride[axis] >= length + self.sides[axis][0]:
            count -= 1  # the last window must begin inside the input, as in torch
        return count

    def unseen(self, length: int, axis: int) -> int:
        """How many of the input's rows (axis 0) or columns (axis 1) no window touches."""
        start, steps = -self.sides[axis][0], range(self.out(length, axis))
        taps = range(0, self.span(axis), self.dilation[axis])
        seen = {start + i * self.stride[axis] + tap for i in steps for tap in taps}
        return length - len(seen & set(range(length)))


@dataclass(frozen=True)
class Layer:
    """The base of all words: a layer that keeps the shape, has no window and costs nothing."""

    word: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        cls.word = cls.__name__.lower()

    def __post_init__(self) -> None:
        for each in fields(self):
            check_number(self.word, each.name, getattr(self, each.name), type(each.default) is float)

    def __call__(self, *numbers: Any, **named: Any) -> Self:
        return type(self)(*numbers, **named)

    def __str__(self) -> str:
        shown = []
        first = True
        for each in fields(self):
            value, needed = getattr(self, each.name), each.default is MISSING
            if needed or value != each.default:
                positional = needed or (first and not any(f.default is MISSING for f in fields(self)))
                shown.append(spelt(value) if positional else f"{each.name}={spelt(value)}")
            first = False
        return f"{self.word}({', '.join(shown)})" if shown else self.word

    def out(self, shape: Shape) -> Shape:
        return shape

    def module(self, shape: Shape) -> nn.Module:
        raise NotImplementedError

    def macs(self, shape: Shape) -> int:
        """Multiply-accumulates for one example; biases, activations and norms are not counted."""
        return 0

    def window(self, shape: Shape) -> Window | None:
        return None

    def see(self, shape: Shape, field: Field) -> Field:
        """The receptive field after this layer."""
        window = self.window(shape)
        return field if window is None else field.through((window.span(0), window.span(1)), window.stride)

    def flat(self) -> Layer:
        """This layer on an input of height 1, where a window of 3 means 1×3."""
        changes: dict[str, Any] = {}
        for name in PAIRS:
            value = getattr(self, name, None)
            if isinstance(value, int):
                changes[name] = (0 if name == "pad" else 1, value)
        return replace(self, **changes) if changes else self

    def behind(self, padding: Padding) -> Padding | None:
        """What `padding` behind an input has become after this layer; None where the answer depends on its length."""
        return padding

    def inside(self) -> tuple[tuple[Layer, ...], ...]:
        """The sequences of layers that this word holds, each fed with its input."""
        return ()


def check_number(word: str, name: str, value: Any, real: bool) -> None:
    if name in LEAST:
        numbers = value if name in PAIRS and isinstance(value, tuple) else (value,)
        whole = all(type(n) is int and n >= LEAST[name] for n in numbers) and len(numbers) in (1, 2)
        pair = len(numbers) == 2 or not isinstance(value, tuple)
        if not (whole and pair) and not (name == "pad" and value == "same") and value is not None:
            kind = "a whole number or a pair of them" if name in PAIRS else "a whole number"
            raise Problem(f"{word}: {name} is {kind}, {LEAST[name]} or more; got {spelt(value)}")
    elif real and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise Problem(f"{word}: {name} is a number; got {spelt(value)}")


def spelt(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _pair(value: Size) -> Pair:
    return (value, value) if isinstance(value, int) else value


def _sides(pad: Pad, size: Pair, dilation: Pair, stride: Pair, lengths: Shape) -> tuple[Pair, Pair]:
    if pad != "same":
        return ((_pair(pad)[0],) * 2, (_pair(pad)[1],) * 2)
    # As many windows as strides begin in the input, ⌈N/S⌉, as in Keras: with stride 1 the size stays.
    each = zip(lengths, size, dilation, stride, strict=True)
    more = [max(0, (up(n / s) - 1) * s + (f - 1) * d + 1 - n) for n, f, d, s in each]
    return ((more[0] // 2, more[0] - more[0] // 2), (more[1] // 2, more[1] - more[1] // 2))


def need_maps(shape: Shape) -> None:
    if len(shape) != 3:
        raise Problem(f"takes maps of (channels, height, width), got a row of {shape[0]} numbers")


class Windowed(Layer):
    """What convolutions and pools share: the arithmetic of windows."""

    size: Size
    stride: Size | None
    pad: Pad

    def window(self, shape: Shape) -> Window:
        need_maps(shape)
        size = _pair(self.size)
        stride = size if self.stride is None else _pair(self.stride)
        dilation = _pair(getattr(self, "dilation", 1))
        sides = _sides(self.pad, size, dilation, stride, shape[1:])
        window = Window(size, stride, dilation, sides, bool(getattr(self, "ceil", False)))
        for axis, name in enumerate(("high", "wide")):
            have = shape[1 + axis] + sum(window.sides[axis])
            if window.span(axis) > have:
                raise Problem(
                    f"its window is {window.span(axis)} {name}, but what it is given is {have} {name}"
                    f"{' with padding' if sum(window.sides[axis]) else ''}; "
                    "take a larger input, smaller windows or fewer pools"
                )
        return window

    def out(self, shape: Shape) -> Shape:
        window = self.window(shape)
        return (self.channels(shape), window.out(shape[1], 0), window.out(shape[2], 1))

    def channels(self, shape: Shape) -> int:
        return shape[0]

    def behind(self, padding: Padding) -> Padding | None:
        return padding if self.pad == 0 and not getattr(self, "ceil", False) else None  # else the border is near or far


Layers = tuple[Layer, ...]


def through(layers: Layers, shape: Shape) -> Shape:
    """The shape after all of `layers`."""
    for layer in layers:
        shape = layer.out(shape)
    return shape


def sequence(layers: Layers, shape: Shape) -> Sequential:
    """One module a word, in order."""
    built = Sequential()
    for layer in layers:
        built.append(layer.module(shape))
        shape = layer.out(shape)
    return built


def seen(layers: Layers, shape: Shape, field: Field) -> Field:
    for layer in layers:
        shape, field = layer.out(shape), layer.see(shape, field)
    return field


def behind(layers: Layers, padding: Padding) -> Padding | None:
    """What padding becomes after all of `layers`."""
    for layer in layers:
        after = layer.behind(padding)
        if after is None:
            return None
        padding = after
    return padding


def cost(layers: Layers, shape: Shape) -> int:
    total = 0
    for layer in layers:
        shape, total = layer.out(shape), total + layer.macs(shape)
    return total


def widest(fields: list[Field]) -> Field:
    sizes = [max(axis) for axis in zip(*(f.size for f in fields), strict=True)]
    return Field((sizes[0], sizes[1]), fields[0].jump, fields[0].whole)
