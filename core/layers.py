"""The words a network is written in.

A word is a frozen dataclass and the whole of itself (core/layer.py). A word that needs numbers is called,
`conv(25, 3)`; one that does not is a value, `relu`, and may still be called to change what it has: `leaky(0.2)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn

from . import modules
from .combinators import Parallel, Residual, Vote
from .layer import (
    Field,
    Layer,
    Pad,
    Padding,
    Pair,
    Shape,
    Size,
    Window,
    Windowed,
    check_number,
    need_maps,
    spelt,
)
from .problem import Problem


@dataclass(frozen=True)
class Conv(Windowed):
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

    def behind(self, padding: Padding) -> Padding | None:
        after = super().behind(padding)
        return "even" if after == "zero" and self.bias else after


@dataclass(frozen=True)
class Local(Windowed):
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

    def behind(self, padding: Padding) -> Padding | None:
        return None


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


@dataclass(frozen=True)
class Pool(Windowed):
    """A pool's windows do not overlap unless a stride says so."""

    size: Size
    stride: Size | None = None
    pad: Size = 0
    ceil: bool = False

    def window(self, shape: Shape) -> Window:
        window = super().window(shape)
        if any(before != after for before, after in window.sides):
            raise Problem(f"a pool pads both sides alike, which pad={spelt(self.pad)} is not here; give it as a number")
        if any(2 * side > size for (side, _), size in zip(window.sides, window.size, strict=True)):
            raise Problem(f"a pool's pad is at most half its window; got {spelt(self.pad)} for {spelt(self.size)}")
        return window

    def numbers(self, shape: Shape) -> tuple[Pair, Pair, Pair]:
        window = self.window(shape)
        return window.size, window.stride, (window.sides[0][0], window.sides[1][0])


@dataclass(frozen=True)
class MaxPool(Pool):
    """The largest number in each window."""

    def module(self, shape: Shape) -> nn.Module:
        return nn.MaxPool2d(*self.numbers(shape), ceil_mode=self.ceil)


@dataclass(frozen=True)
class AvgPool(Pool):
    """The mean of each window; padded zeros count."""

    def module(self, shape: Shape) -> nn.Module:
        return nn.AvgPool2d(*self.numbers(shape), ceil_mode=self.ceil)


@dataclass(frozen=True)
class L2Pool(Pool):
    """The root of the sum of squares in each window."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.L2Pool(*self.numbers(shape), self.ceil)

    def behind(self, padding: Padding) -> Padding | None:
        return super().behind(_even(padding))


class Whole(Layer):
    """One number a map, from the whole of it."""

    def out(self, shape: Shape) -> Shape:
        need_maps(shape)
        return shape[:1]

    def see(self, shape: Shape, field: Field) -> Field:
        whole = field.through((shape[1], shape[2]), (1, 1)).size
        return Field(whole, field.jump, whole)

    def behind(self, padding: Padding) -> Padding | None:
        return None


@dataclass(frozen=True)
class GlobalMax(Whole):
    """The largest number of each map."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.GlobalMax()

    def behind(self, padding: Padding) -> Padding | None:
        return "gone"  # of many equal columns one is enough


@dataclass(frozen=True)
class GlobalAvg(Whole):
    """The mean of each map."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.GlobalAvg()


@dataclass(frozen=True)
class GlobalBias(Layer):
    """Each map plus a bias that a dense layer reads from the means and the largest numbers of all maps.

    What happens anywhere is so known everywhere, without pooling the maps (Wu 2019, arXiv:1902.10565, section 3.3).
    """

    def out(self, shape: Shape) -> Shape:
        need_maps(shape)
        return shape

    def see(self, shape: Shape, field: Field) -> Field:
        return field._replace(size=GlobalMax().see(shape, field).size)

    def module(self, shape: Shape) -> nn.Module:
        return modules.GlobalBias(shape[0])

    def macs(self, shape: Shape) -> int:
        return 2 * shape[0] ** 2

    def behind(self, padding: Padding) -> Padding | None:
        return None


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

    def behind(self, padding: Padding) -> Padding | None:
        return _if_gone(padding)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Each channel to mean 0 and variance 1 over the batch, then scaled and shifted (Ioffe and Szegedy 2015)."""

    eps: float = 1e-5
    momentum: float = 0.1

    def module(self, shape: Shape) -> nn.Module:
        norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        return norm(shape[0], self.eps, self.momentum)

    def behind(self, padding: Padding) -> Padding | None:
        return _even(padding)


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
        need_maps(shape)
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
class Relu6(Layer):
    """min(max(0, x), 6): a rectifier with a ceiling, for arithmetic in few bits (Howard et al. 2017)."""

    def module(self, shape: Shape) -> nn.Module:
        return nn.ReLU6()


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

    def behind(self, padding: Padding) -> Padding | None:
        return _even(padding)


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
    """Each of 1×1×length token ids to a column of `dim` numbers, learned; id 0 is padding, and its column stays zero.

    With `static`, the columns stay what they begin as.
    """

    tokens: int
    dim: int
    static: bool = False

    def out(self, shape: Shape) -> Shape:
        _need_ids(shape)
        return (self.dim, 1, shape[2])

    def module(self, shape: Shape) -> nn.Module:
        return modules.Embed(self.tokens, self.dim, bool(self.static))

    def behind(self, padding: Padding) -> Padding | None:
        return "zero"


@dataclass(frozen=True)
class NGrams(Layer):
    """Rows of ids, one for each length from 1 to `longest`: which known run of so many ids begins at each place.

    Of `tokens` ids 0 stands for an unknown run, or one into padding. Which runs are known is found out before training
    (Domain.begin); none are in a network that has not been told.
    """

    longest: int
    tokens: int

    def out(self, shape: Shape) -> Shape:
        _need_ids(shape)
        return (self.longest, 1, shape[2])

    def see(self, shape: Shape, field: Field) -> Field:
        return field.through((1, self.longest), (1, 1))

    def module(self, shape: Shape) -> nn.Module:
        return modules.NGrams(self.longest, self.tokens)


@dataclass(frozen=True)
class Bag(Layer):
    """The sum of the learned rows of `dim` numbers of all ids, each times a fixed weight of its id, and a bias.

    Id 0 is padding. The weights are 1 unless something is known of the ids before training (Domain.begin). With
    `static`, the rows stay what they begin as; with `unit`, the weights of an input have squares that add up to 1.
    """

    tokens: int
    dim: int
    static: bool = False
    unit: bool = False

    def out(self, shape: Shape) -> Shape:
        need_maps(shape)
        return (self.dim,)

    def see(self, shape: Shape, field: Field) -> Field:
        return GlobalMax().see(shape, field)

    def module(self, shape: Shape) -> nn.Module:
        return modules.Bag(self.tokens, self.dim, bool(self.static), bool(self.unit))

    def macs(self, shape: Shape) -> int:
        return prod(shape) * self.dim

    def behind(self, padding: Padding) -> Padding | None:
        return "gone" if padding == "zero" else None


@dataclass(frozen=True)
class Bias(Layer):
    """A different bias for each position of each map (AlphaGo's last layer)."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.Bias(shape)

    def behind(self, padding: Padding) -> Padding | None:
        return _if_gone(padding)


@dataclass(frozen=True)
class Scale(Layer):
    """Every number times the constant `by`; before a softmax, how sure the scores may be."""

    by: float

    def __post_init__(self) -> None:
        check_number("scale", "by", self.by, real=True)

    def module(self, shape: Shape) -> nn.Module:
        return modules.Scale(self.by)


def _need_ids(shape: Shape) -> None:
    if len(shape) != 3 or shape[:2] != (1, 1):
        raise Problem(f"takes a row of token ids, (1, 1, length), got {shape}")


def _even(padding: Padding) -> Padding:
    return "even" if padding == "zero" else padding


def _if_gone(padding: Padding) -> Padding | None:
    return padding if padding == "gone" else None


KINDS: dict[str, type[Layer]] = {
    kind.word: kind
    for kind in (
        *(AvgPool, Bag, BatchNorm, Bias, Conv, Dense, Dropout, Elu, Embed, Flatten, Gelu, GlobalAvg, GlobalBias),
        *(GlobalMax, L2Pool, Leaky, Local, Lrn, MaxPool, Maxout, NGrams, Parallel, Relu, Relu6, Residual, Scale),
        *(Sigmoid, Tanh, Vote),
    )
}

avgpool, bag, conv, dense, embed, l2pool, local = AvgPool, Bag, Conv, Dense, Embed, L2Pool, Local
maxout, maxpool, ngrams, parallel, residual, scale, vote = Maxout, MaxPool, NGrams, Parallel, Residual, Scale, Vote
batchnorm, bias, dropout, elu, flatten, gelu = BatchNorm(), Bias(), Dropout(), Elu(), Flatten(), Gelu()
globalavg, globalbias, globalmax = GlobalAvg(), GlobalBias(), GlobalMax()
leaky, lrn, relu, relu6 = Leaky(), Lrn(), Relu(), Relu6()
sigmoid, tanh = Sigmoid(), Tanh()
