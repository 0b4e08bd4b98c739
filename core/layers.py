"""The words a network is written in.

A word is a frozen dataclass and the whole of itself: the shape it gives, the module it becomes, the window it looks
through and the multiplications it costs. A word that needs numbers is called, `conv(25, 3)`; one that does not is a
value, `relu`, and may still be called to change what it has: `leaky(0.2)`.

A shape is (channels, height, width), or (numbers,) for a row. Sizes, strides and pads are an int for a square or a
pair (height, width). A word that does not fit its input raises a `Problem`.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from fractions import Fraction
from math import ceil as up
from math import prod
from typing import Any, ClassVar, Literal, NamedTuple, Self

from torch import nn

from . import modules
from .problem import Problem

Shape = tuple[int, ...]
Pair = tuple[int, int]
Size = int | Pair
Pad = Size | Literal["same"]

LEAST = dict.fromkeys(("filters", "size", "stride", "dilation", "groups", "units", "tokens", "dim"), 1) | {
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
            _check_number(self.word, each.name, getattr(self, each.name), type(each.default) is float)

    def __call__(self, *numbers: Any, **named: Any) -> Self:
        return type(self)(*numbers, **named)

    def __str__(self) -> str:
        shown = []
        first = True
        for each in fields(self):
            value, needed = getattr(self, each.name), each.default is MISSING
            if needed or value != each.default:
                positional = needed or (first and not any(f.default is MISSING for f in fields(self)))
                shown.append(_number(value) if positional else f"{each.name}={_number(value)}")
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

    def inside(self) -> tuple[tuple[Layer, ...], ...]:
        """The sequences of layers that this word holds, each fed with its input."""
        return ()


def _check_number(word: str, name: str, value: Any, real: bool) -> None:
    if name in LEAST:
        numbers = value if name in PAIRS and isinstance(value, tuple) else (value,)
        whole = all(type(n) is int and n >= LEAST[name] for n in numbers) and len(numbers) in (1, 2)
        pair = len(numbers) == 2 or not isinstance(value, tuple)
        if not (whole and pair) and not (name == "pad" and value == "same") and value is not None:
            kind = "a whole number or a pair of them" if name in PAIRS else "a whole number"
            raise Problem(f"{word}: {name} is {kind}, {LEAST[name]} or more; got {_number(value)}")
    elif real and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise Problem(f"{word}: {name} is a number; got {_number(value)}")


def _number(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _pair(value: Size) -> Pair:
    return (value, value) if isinstance(value, int) else value


def _sides(pad: Pad, size: Pair, dilation: Pair, stride: Pair) -> tuple[Pair, Pair]:
    if pad != "same":
        return ((_pair(pad)[0],) * 2, (_pair(pad)[1],) * 2)
    if stride != (1, 1):
        raise Problem('pad="same" keeps the size, which needs stride 1; give the pad as a number')
    more = [(f - 1) * d for f, d in zip(size, dilation, strict=True)]
    return ((more[0] // 2, more[0] - more[0] // 2), (more[1] // 2, more[1] - more[1] // 2))


def _maps(shape: Shape) -> None:
    if len(shape) != 3:
        raise Problem(f"takes maps of (channels, height, width), got a row of {shape[0]} numbers")


class _Windowed(Layer):
    """What convolutions and pools share: the arithmetic of windows."""

    size: Size
    stride: Size | None
    pad: Pad

    def window(self, shape: Shape) -> Window:
        _maps(shape)
        size = _pair(self.size)
        stride = size if self.stride is None else _pair(self.stride)
        dilation = _pair(getattr(self, "dilation", 1))
        window = Window(
            size, stride, dilation, _sides(self.pad, size, dilation, stride), bool(getattr(self, "ceil", False))
        )
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


@dataclass(frozen=True)
class Conv(_Windowed):
    """`filters` small windows, each moved over the whole input: M·N·K²·(D−K+1)² multiply-accumulates at stride 1."""

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    dilation: Size = 1
    groups: int = 1
    bias: bool = True

    def channels(self, shape: Shape) -> int:
        for what, number in (("input channels", shape[0]), ("filters", self.filters)):
            if number % self.groups:
                raise Problem(f"{number} {what} do not divide into {self.groups} groups")
        return self.filters

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        (top, bottom), (left, right) = window.sides
        numbers: Any = (window.dilation, self.groups, self.bias)
        if top == bottom and left == right:
            return nn.Conv2d(shape[0], self.filters, window.size, window.stride, (top, left), *numbers)
        sides = (left, right, top, bottom)
        return modules.UnevenConv(sides, shape[0], self.filters, window.size, window.stride, 0, *numbers)

    def macs(self, shape: Shape) -> int:
        return shape[0] // self.groups * prod(self.window(shape).size) * prod(self.out(shape))


@dataclass(frozen=True)
class Local(_Windowed):
    """Locally connected: windows as in `conv`, but every position has weights of its own."""

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    bias: bool = True

    def channels(self, shape: Shape) -> int:
        return self.filters

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        sides = (*window.sides[1], *window.sides[0])
        return modules.Local(shape, self.out(shape), window.size, window.stride, sides, self.bias)

    def macs(self, shape: Shape) -> int:
        return shape[0] * prod(self.window(shape).size) * prod(self.out(shape))


@dataclass(frozen=True)
class Dense(Layer):
    """Every number to every unit: fully connected."""

    units: int
    bias: bool = True

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Problem(f"takes a row of numbers, got {shape}; put flatten before it")
        return (self.units,)

    def see(self, shape: Shape, field: Field) -> Field:
        return Field(field.whole, field.jump, field.whole)

    def module(self, shape: Shape) -> nn.Module:
        return nn.Linear(shape[0], self.units, self.bias)

    def macs(self, shape: Shape) -> int:
        return shape[0] * self.units


class _Pool(_Windowed):
    """A pool's windows do not overlap unless a stride says so."""

    ceil: bool

    def window(self, shape: Shape) -> Window:
        window = super().window(shape)
        if any(2 * side > size for (side, _), size in zip(window.sides, window.size, strict=True)):
            raise Problem(f"a pool's pad is at most half its window; got {_number(self.pad)} for {_number(self.size)}")
        return window

    def numbers(self, shape: Shape) -> tuple[Pair, Pair, Pair]:
        window = self.window(shape)
        return window.size, window.stride, (window.sides[0][0], window.sides[1][0])


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest number in each window."""

    size: Size
    stride: Size | None = None
    pad: Size = 0
    ceil: bool = False

    def module(self, shape: Shape) -> nn.Module:
        return nn.MaxPool2d(*self.numbers(shape), ceil_mode=self.ceil)


@dataclass(frozen=True)
class AvgPool(_Pool):
    """The mean of each window; padded zeros count."""

    size: Size
    stride: Size | None = None
    pad: Size = 0
    ceil: bool = False

    def module(self, shape: Shape) -> nn.Module:
        return nn.AvgPool2d(*self.numbers(shape), ceil_mode=self.ceil)


@dataclass(frozen=True)
class L2Pool(_Pool):
    """The root of the sum of squares in each window."""

    size: Size
    stride: Size | None = None
    pad: Size = 0
    ceil: bool = False

    def module(self, shape: Shape) -> nn.Module:
        return modules.L2Pool(*self.numbers(shape), self.ceil)


class _Whole(Layer):
    """One number a map, from the whole of it."""

    def out(self, shape: Shape) -> Shape:
        _maps(shape)
        return shape[:1]

    def see(self, shape: Shape, field: Field) -> Field:
        whole = field.through((shape[1], shape[2]), (1, 1)).size
        return Field(whole, field.jump, whole)


@dataclass(frozen=True)
class GlobalMax(_Whole):
    """The largest number of each map."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.GlobalMax()


@dataclass(frozen=True)
class GlobalAvg(_Whole):
    """The mean of each map."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.GlobalAvg()


@dataclass(frozen=True)
class Flatten(Layer):
    """All maps as one row of numbers, channel by channel."""

    def out(self, shape: Shape) -> Shape:
        return (prod(shape),)

    def see(self, shape: Shape, field: Field) -> Field:
        if len(shape) == 1:
            return field
        return Field(field.size, field.jump, field.through((shape[1], shape[2]), (1, 1)).size)

    def module(self, shape: Shape) -> nn.Module:
        return nn.Flatten()


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Each channel to mean 0 and variance 1 over the batch, then scaled and shifted (Ioffe and Szegedy 2015)."""

    eps: float = 1e-5
    momentum: float = 0.1

    def module(self, shape: Shape) -> nn.Module:
        norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        return norm(shape[0], self.eps, self.momentum)


@dataclass(frozen=True)
class Lrn(Layer):
    """Local response normalisation over `size` neighbouring channels, with AlexNet's numbers (2012, section 3.3).

    x / (k + alpha/size · Σ x²)^beta: torch divides alpha by the size, the paper does not.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def out(self, shape: Shape) -> Shape:
        _maps(shape)
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return nn.LocalResponseNorm(self.size, self.alpha, self.beta, self.k)

    def flat(self) -> Layer:
        return self


@dataclass(frozen=True)
class Dropout(Layer):
    """Each number is left out with probability `rate` in training, the others grow to keep the sum."""

    rate: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rate < 1:
            raise Problem(f"dropout: rate is from 0 to below 1; got {self.rate}")

    def module(self, shape: Shape) -> nn.Module:
        return nn.Dropout(self.rate)


@dataclass(frozen=True)
class Relu(Layer):
    """max(0, x)."""

    def module(self, shape: Shape) -> nn.Module:
        return nn.ReLU()


@dataclass(frozen=True)
class Leaky(Layer):
    """max(slope · x, x)."""

    slope: float = 0.1

    def module(self, shape: Shape) -> nn.Module:
        return nn.LeakyReLU(self.slope)


@dataclass(frozen=True)
class Elu(Layer):
    """x where positive, else alpha · (eˣ − 1)."""

    alpha: float = 1.0

    def module(self, shape: Shape) -> nn.Module:
        return nn.ELU(self.alpha)


@dataclass(frozen=True)
class Gelu(Layer):
    """x · Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016)."""

    def module(self, shape: Shape) -> nn.Module:
        return nn.GELU()


@dataclass(frozen=True)
class Sigmoid(Layer):
    """1 / (1 + e⁻ˣ)."""

    def module(self, shape: Shape) -> nn.Module:
        return nn.Sigmoid()


@dataclass(frozen=True)
class Tanh(Layer):
    """The hyperbolic tangent."""

    def module(self, shape: Shape) -> nn.Module:
        return nn.Tanh()


@dataclass(frozen=True)
class Maxout(Layer):
    """max(w₁ᵀx + b₁, …, w_kᵀx + b_k): the largest of each `pieces` neighbouring channels (Goodfellow et al. 2013)."""

    pieces: int

    def out(self, shape: Shape) -> Shape:
        if shape[0] % self.pieces:
            raise Problem(f"{shape[0]} channels do not divide into groups of {self.pieces}")
        return (shape[0] // self.pieces, *shape[1:])

    def module(self, shape: Shape) -> nn.Module:
        return modules.Maxout(self.pieces)


@dataclass(frozen=True)
class Embed(Layer):
    """Each of 1×1×length token ids to a column of `dim` numbers, learned."""

    tokens: int
    dim: int

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 3 or shape[:2] != (1, 1):
            raise Problem(f"takes a row of token ids, (1, 1, length), got {shape}")
        return (self.dim, 1, shape[2])

    def module(self, shape: Shape) -> nn.Module:
        return modules.Embed(self.tokens, self.dim)


@dataclass(frozen=True)
class Bias(Layer):
    """A different bias for each position of each map (AlphaGo's last layer)."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.Bias(shape)


@dataclass(frozen=True)
class Scale(Layer):
    """Every number times the constant `by`; before a softmax, how sure the scores may be."""

    by: float

    def __post_init__(self) -> None:
        _check_number("scale", "by", self.by, real=True)

    def module(self, shape: Shape) -> nn.Module:
        return modules.Scale(self.by)


Layers = tuple[Layer, ...]


def through(layers: Layers, shape: Shape) -> Shape:
    """The shape after all of `layers`."""
    for layer in layers:
        shape = layer.out(shape)
    return shape


def sequence(layers: Layers, shape: Shape) -> nn.Sequential:
    """One module a word, in order."""
    built = nn.Sequential()
    for layer in layers:
        built.append(layer.module(shape))
        shape = layer.out(shape)
    return built


def _seen(layers: Layers, shape: Shape, field: Field) -> Field:
    for layer in layers:
        shape, field = layer.out(shape), layer.see(shape, field)
    return field


def _cost(layers: Layers, shape: Shape) -> int:
    total = 0
    for layer in layers:
        shape, total = layer.out(shape), total + layer.macs(shape)
    return total


def _widest(fields: list[Field]) -> Field:
    sizes = [max(axis) for axis in zip(*(f.size for f in fields), strict=True)]
    return Field((sizes[0], sizes[1]), fields[0].jump, fields[0].whole)


def _layers(word: str, given: Any) -> Layers:
    told: Layers = given if isinstance(given, tuple) else (given,)
    for each in told:
        if not isinstance(each, Layer):
            raise Problem(f"{word}: takes layers, got {_number(each)}")
    return told


def _text(layers: Layers) -> str:
    return "(" + ", ".join(map(str, layers)) + ("," if len(layers) == 1 else "") + ")"


class _Combinator(Layer):
    """A word that holds sequences of words, each fed with the same input."""

    def macs(self, shape: Shape) -> int:
        return sum(_cost(layers, shape) for layers in self.inside())

    def see(self, shape: Shape, field: Field) -> Field:
        return _widest([_seen(layers, shape, field) for layers in self.inside()])


@dataclass(frozen=True, init=False)
class Residual(_Combinator):
    """body(x) + x, or body(x) + shortcut(x) where the body changes the shape (He et al. 2016)."""

    body: Layers
    shortcut: Layers = ()

    def __init__(self, *body: Layer, shortcut: Layers | Layer = ()) -> None:
        object.__setattr__(self, "body", _layers("residual", body))
        object.__setattr__(self, "shortcut", _layers("residual", shortcut))
        if not body:
            raise Problem("residual: takes at least one layer, as in residual(conv(64, 3, pad=1), relu)")

    def __str__(self) -> str:
        parts = [str(layer) for layer in self.body]
        return f"residual({', '.join(parts + [f'shortcut={_text(self.shortcut)}'] * bool(self.shortcut))})"

    def inside(self) -> tuple[Layers, ...]:
        return (self.body, self.shortcut)

    def flat(self) -> Layer:
        return Residual(*(layer.flat() for layer in self.body), shortcut=tuple(layer.flat() for layer in self.shortcut))

    def out(self, shape: Shape) -> Shape:
        body, shortcut = through(self.body, shape), through(self.shortcut, shape)
        if body != shortcut:
            raise Problem(
                f"its body gives {body}, its shortcut {shortcut}, and only equal shapes add up; "
                "give shortcut=(conv(…, 1, stride=…),) or keep the shape"
            )
        return body

    def module(self, shape: Shape) -> nn.Module:
        return modules.Residual(sequence(self.body, shape), sequence(self.shortcut, shape))


@dataclass(frozen=True, init=False)
class Parallel(_Combinator):
    """The channels of all branches joined; an empty branch `()` hands its input on (Szegedy et al. 2015)."""

    branches: tuple[Layers, ...]

    def __init__(self, *branches: Layers | Layer) -> None:
        object.__setattr__(self, "branches", tuple(_layers("parallel", branch) for branch in branches))
        if not branches:
            raise Problem(
                "parallel: takes at least one branch, as in parallel((conv(8, 1), relu), (conv(8, 3, pad=1),))"
            )

    def __str__(self) -> str:
        return f"parallel({', '.join(map(_text, self.branches))})"

    def inside(self) -> tuple[Layers, ...]:
        return self.branches

    def flat(self) -> Layer:
        return Parallel(*(tuple(layer.flat() for layer in branch) for branch in self.branches))

    def out(self, shape: Shape) -> Shape:
        outs = [through(branch, shape) for branch in self.branches]
        if len({out[1:] for out in outs}) > 1:
            raise Problem(f"its branches give {', '.join(map(str, outs))}; heights and widths must be equal to join")
        return (sum(out[0] for out in outs), *outs[0][1:])

    def module(self, shape: Shape) -> nn.Module:
        return modules.Parallel([sequence(branch, shape) for branch in self.branches])


KINDS: dict[str, type[Layer]] = {
    kind.word: kind
    for kind in (
        *(AvgPool, BatchNorm, Bias, Conv, Dense, Dropout, Elu, Embed, Flatten, Gelu, GlobalAvg, GlobalMax, L2Pool),
        *(Leaky, Local, Lrn, MaxPool, Maxout, Parallel, Relu, Residual, Scale, Sigmoid, Tanh),
    )
}

avgpool, conv, dense, embed, l2pool, local = AvgPool, Conv, Dense, Embed, L2Pool, Local
maxout, maxpool, parallel, residual, scale = Maxout, MaxPool, Parallel, Residual, Scale
batchnorm, bias, dropout, elu, flatten, gelu = BatchNorm(), Bias(), Dropout(), Elu(), Flatten(), Gelu()
globalavg, globalmax, leaky, lrn, relu = GlobalAvg(), GlobalMax(), Leaky(), Lrn(), Relu()
sigmoid, tanh = Sigmoid(), Tanh()
