"""The fixed cells of HMAX and the Neocognitron, from which convolutional networks descend."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import nn

from .. import modules
from ..layer import Layer, Pad, Padding, Shape, Size, Windowed, constant, literal
from ..problem import Problem
from .windows import Filters

LARGEST_GABOR = 99  # pixels; beyond 167 the usual wavelength is not positive


@dataclass(frozen=True)
class Gabor(Filters):
    """|g·w| / ‖w‖ for each window w: the cosine to Gabor filters g of evenly spaced orientations; not trained.

    The S1 cells of HMAX (Serre et al. 2007, IEEE TPAMI 29(3), section 2.1): g(x, y) = exp(−(x² + γ²y²) / 2σ²) ·
    cos(2πx/λ) inside a circle, of mean 0 and norm 1, with γ = 0.3 and σ = 0.8 λ. A `wavelength` λ of 0 is the one of
    their table 1 for the size: 2·size / (4.175 − size/40) pixels.
    """

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    wavelength: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.size, int) or not 3 <= self.size <= LARGEST_GABOR:
            raise Problem(f"gabor: size is a whole number from 3 to {LARGEST_GABOR}; got {literal(self.size)}")

    def channels(self, shape: Shape) -> int:
        if shape[0] != 1:
            raise Problem(f"takes a single channel, got {shape[0]}; read the pictures as grey ones")
        return self.filters

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        size = window.size[0]
        wavelength = self.wavelength or 2 * size / (4.175 - size / 40)
        return modules.Gabor(self.filters, size, wavelength, window.stride, window.padding)

    def to_1d(self) -> Layer:
        raise Problem("gabor: has orientations, and an input of height 1 has none")


@dataclass(frozen=True)
class Patches(Filters):
    """−‖w − p‖ for each window w and each stored patch p; with `sigma`, exp(−‖w − p‖² / 2σ²). Not trained.

    The S2 cells of HMAX (Serre et al. 2007, IEEE TPAMI 29(3), section 2.1): before training, the patches are set to
    windows of training examples, drawn at random.
    """

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    sigma: float = 0.0

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        return modules.Patches((self.filters, shape[0], *window.size), window.stride, window.padding, self.sigma)

    def padding_effect(self, padding: Padding) -> Padding | None:
        return super().padding_effect(constant(padding))


@dataclass(frozen=True)
class SCells(Filters):
    """max(0, t·w − θ‖w‖) / (1 − θ) for each window w and each template t of norm 1; θ is `threshold`. Not trained.

    The S cells of the Neocognitron: a cell responds where the cosine of the window to its template is above θ
    (Fukushima 1980; in this form Fukushima 2013, Neural Networks 40, section 2.2). Before training, the templates are
    learned from windows of training examples by competition: each window moves the cell that responds most.
    """

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    threshold: float = 0.5

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        return modules.SCells((self.filters, shape[0], *window.size), window.stride, window.padding, self.threshold)


@dataclass(frozen=True)
class BlurPool(Windowed):
    """The mean of each window by binomial weights, which fall off from its middle as a Gaussian does; not trained.

    The C cells of the Neocognitron (Fukushima 1980), which tolerate shifts of what they see by blurring it.
    """

    size: Size
    stride: Size = 2
    pad: Pad = 0

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        return modules.BlurPool(shape[0], window.size, window.stride, window.padding)

    def macs(self, shape: Shape) -> int:
        return prod(self.window(shape).size) * prod(self.out(shape))
