"""Layers that change each number by itself, or by its neighbours in other channels."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from .. import modules
from ..layer import Layer, Padding, Shape, check_number, constant, if_removed, require_maps
from ..problem import Problem
from ..receptive_field import ReceptiveField


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Normalises each channel over the batch, then scales and shifts it (Ioffe and Szegedy 2015)."""

    eps: float = 1e-5
    momentum: float = 0.1

    def module(self, shape: Shape) -> nn.Module:
        norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        return norm(shape[0], self.eps, self.momentum)

    def padding_effect(self, padding: Padding) -> Padding | None:
        return constant(padding)


@dataclass(frozen=True)
class Lrn(Layer):
    """Local response normalisation over `size` neighbouring channels, with AlexNet's defaults (2012, section 3.3).

    x / (k + alpha/size · Σ x²)^beta: torch divides alpha by the size, the paper does not.
    """

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0

    def out(self, shape: Shape) -> Shape:
        require_maps(shape)
        return shape

    def module(self, shape: Shape) -> nn.Module:
        return nn.LocalResponseNorm(self.size, self.alpha, self.beta, self.k)

    def to_1d(self) -> Layer:
        return self  # its size counts channels


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, sets each number to 0 with probability `rate` and scales the others up to keep the expected sum."""

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
    """min(max(0, x), 6): a bounded rectifier, for low-precision arithmetic (Howard et al. 2017)."""

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
    """x if positive, else alpha · (eˣ − 1)."""

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

    def padding_effect(self, padding: Padding) -> Padding | None:
        return constant(padding)


@dataclass(frozen=True)
class Tanh(Layer):
    """The hyperbolic tangent."""

    def module(self, shape: Shape) -> nn.Module:
        return nn.Tanh()


@dataclass(frozen=True)
class Maxout(Layer):
    """max(w₁ᵀx + b₁, …, w_kᵀx + b_k): the maximum of each `pieces` neighbouring channels (Goodfellow et al. 2013)."""

    pieces: int

    def out(self, shape: Shape) -> Shape:
        if shape[0] % self.pieces:
            raise Problem(f"{shape[0]} channels do not divide into groups of {self.pieces}")
        return (shape[0] // self.pieces, *shape[1:])

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over(field.positions) if field.positions != (1, 1) else field  # neighbours in a flattened row

    def module(self, shape: Shape) -> nn.Module:
        return modules.Maxout(self.pieces)


@dataclass(frozen=True)
class Bias(Layer):
    """A different bias for each position of each map (AlphaGo's last layer)."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.Bias(shape)

    def padding_effect(self, padding: Padding) -> Padding | None:
        return if_removed(padding)


@dataclass(frozen=True)
class Scale(Layer):
    """Every number times the constant `by`: before a softmax, the inverse of a temperature."""

    by: float

    def __post_init__(self) -> None:
        check_number("scale", "by", self.by, float)

    def module(self, shape: Shape) -> nn.Module:
        return modules.Scale(self.by)
