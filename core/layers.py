"""The layers that networks are made of.

A layer is a frozen dataclass that knows all about itself (core/layer.py). A layer that needs arguments is called,
`conv(25, 3)`; one that does not is a value, `relu`, and may be called to change its defaults: `leaky(0.2)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn

from . import modules, proposals
from .combinators import Heads, Maximum, Parallel, Residual, Scales, Vote, text
from .decoder import WINDOW as WORDS_SEEN
from .decoder import Decoder as DecoderModule
from .layer import (
    Layer,
    Layers,
    Pad,
    Padding,
    Shape,
    Size,
    Windowed,
    check_number,
    literal,
    macs,
    output_shape,
    receptive_field,
    require_maps,
    sequence,
)
from .problem import Problem
from .receptive_field import Pair, ReceptiveField, Window, union

LARGEST_GABOR = 99  # pixels; beyond 167 the usual wavelength is not positive
MOST_LEVELS = 8  # of a pyramid: the last is 128 times smaller than the first
LARGEST_ANCHOR = 10_000  # cells
MOST_REGIONS = 1000  # of an input: all candidates are compared with each other


class Filters(Windowed):
    """The base of layers with `filters` windows of weights."""

    filters: int

    def channels(self, shape: Shape) -> int:
        return self.filters


@dataclass(frozen=True)
class Conv(Filters):
    """`filters` windows, each applied at every position: M·N·K²·(D−K+1)² multiply-accumulates at stride 1."""

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    dilation: Size = 1
    groups: int = 1
    bias: bool = True

    def channels(self, shape: Shape) -> int:
        for name, count in (("input channels", shape[0]), ("filters", self.filters)):
            if count % self.groups:
                raise Problem(f"{count} {name} do not divide into {self.groups} groups")
        return self.filters

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        (top, bottom), (left, right) = window.sides
        arguments: Any = (window.dilation, self.groups, self.bias)
        if top == bottom and left == right:
            return nn.Conv2d(shape[0], self.filters, window.size, window.stride, (top, left), *arguments)
        sides = (left, right, top, bottom)
        return modules.UnevenConv(sides, shape[0], self.filters, window.size, window.stride, 0, *arguments)

    def macs(self, shape: Shape) -> int:
        return shape[0] // self.groups * prod(self.window(shape).size) * prod(self.out(shape))

    def padding_effect(self, padding: Padding) -> Padding | None:
        effect = super().padding_effect(padding)
        return "constant" if effect == "zero" and self.bias else effect


@dataclass(frozen=True)
class Local(Filters):
    """Locally connected: windows as in `conv`, but with different weights at every position."""

    filters: int
    size: Size
    stride: Size = 1
    pad: Pad = 0
    bias: bool = True

    def module(self, shape: Shape) -> nn.Module:
        window = self.window(shape)
        sides = (*window.sides[1], *window.sides[0])
        return modules.Local(shape, self.out(shape), window.size, window.stride, sides, self.bias)

    def macs(self, shape: Shape) -> int:
        return shape[0] * prod(self.window(shape).size) * prod(self.out(shape))

    def padding_effect(self, padding: Padding) -> Padding | None:
        return None


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
        size, sides = window.size[0], (*window.sides[1], *window.sides[0])
        wavelength = self.wavelength or 2 * size / (4.175 - size / 40)
        return modules.Gabor(self.filters, size, wavelength, window.stride, sides)

    def macs(self, shape: Shape) -> int:
        return prod(self.window(shape).size) * prod(self.out(shape))

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
        sides = (*window.sides[1], *window.sides[0])
        return modules.Patches((self.filters, shape[0], *window.size), window.stride, sides, self.sigma)

    def macs(self, shape: Shape) -> int:
        return shape[0] * prod(self.window(shape).size) * prod(self.out(shape))

    def padding_effect(self, padding: Padding) -> Padding | None:
        return super().padding_effect(_constant(padding))


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
        sides = (*window.sides[1], *window.sides[0])
        return modules.SCells((self.filters, shape[0], *window.size), window.stride, sides, self.threshold)

    def macs(self, shape: Shape) -> int:
        return shape[0] * prod(self.window(shape).size) * prod(self.out(shape))


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
class Pool(Windowed):
    """The base of pools, whose windows do not overlap unless a stride is given."""

    size: Size
    stride: Size | None = None
    pad: Size = 0
    ceil: bool = False

    def window(self, shape: Shape) -> Window:
        window = super().window(shape)
        if any(before != after for before, after in window.sides):
            raise Problem(f"a pool pads both sides alike, which pad={literal(self.pad)} does not here; give a number")
        if any(2 * side > size for (side, _), size in zip(window.sides, window.size, strict=True)):
            raise Problem(f"a pool's pad is at most half its window; got {literal(self.pad)} for {literal(self.size)}")
        return window

    def arguments(self, shape: Shape) -> tuple[Pair, Pair, Pair]:
        """Returns size, stride and padding as torch's pools take them."""
        window = self.window(shape)
        return window.size, window.stride, (window.sides[0][0], window.sides[1][0])


@dataclass(frozen=True)
class MaxPool(Pool):
    """The maximum of each window."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.MaxPool(*self.arguments(shape), ceil_mode=self.ceil)


@dataclass(frozen=True)
class AvgPool(Pool):
    """The mean of each window; padded zeros count."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.AvgPool(*self.arguments(shape), ceil_mode=self.ceil)


@dataclass(frozen=True)
class L2Pool(Pool):
    """The root of the sum of squares in each window."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.L2Pool(*self.arguments(shape), self.ceil)

    def padding_effect(self, padding: Padding) -> Padding | None:
        return super().padding_effect(_constant(padding))


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
        return modules.BlurPool(shape[0], window.size, window.stride, (*window.sides[1], *window.sides[0]))

    def macs(self, shape: Shape) -> int:
        return prod(self.window(shape).size) * prod(self.out(shape))


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
        return _if_removed(padding)


@dataclass(frozen=True)
class BatchNorm(Layer):
    """Normalises each channel over the batch, then scales and shifts it (Ioffe and Szegedy 2015)."""

    eps: float = 1e-5
    momentum: float = 0.1

    def module(self, shape: Shape) -> nn.Module:
        norm = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        return norm(shape[0], self.eps, self.momentum)

    def padding_effect(self, padding: Padding) -> Padding | None:
        return _constant(padding)


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
        return _constant(padding)


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
class Embed(Layer):
    """Embeds each of 1×1×length token ids as a column of `dim` numbers; id 0 is padding, and its column stays zero.

    With `static`, the columns are not trained.
    """

    tokens: int
    dim: int
    static: bool = False

    def out(self, shape: Shape) -> Shape:
        _require_ids(shape)
        return (self.dim, 1, shape[2])

    def module(self, shape: Shape) -> nn.Module:
        return modules.Embed(self.tokens, self.dim, bool(self.static))

    def padding_effect(self, padding: Padding) -> Padding | None:
        return "zero"


@dataclass(frozen=True)
class NGrams(Layer):
    """Rows of ids, one for each length from 1 to `longest`: the known run of so many ids that begins at each position.

    Of `tokens` ids, 0 stands for an unknown run, or one that reaches into padding. The known runs are set from the
    training data before training (DataInitialization); a new network knows none.
    """

    longest: int
    tokens: int

    def out(self, shape: Shape) -> Shape:
        _require_ids(shape)
        return (self.longest, 1, shape[2])

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.through(Window((1, self.longest), (1, 1), (1, 1), ((0, 0), (0, self.longest - 1)), ceil=False))

    def module(self, shape: Shape) -> nn.Module:
        return modules.NGrams(self.longest, self.tokens)


@dataclass(frozen=True)
class Bag(Layer):
    """The sum of the embeddings of all ids, each times a fixed weight of its id, and a bias.

    Id 0 is padding. The weights are 1 unless they are set from the training data (DataInitialization). With `static`,
    the embeddings are not trained; with `unit`, the weights of an input are scaled so that their squares sum to 1.
    """

    tokens: int
    dim: int
    static: bool = False
    unit: bool = False

    def out(self, shape: Shape) -> Shape:
        require_maps(shape)
        return (self.dim,)

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over((shape[1], shape[2]))

    def module(self, shape: Shape) -> nn.Module:
        return modules.Bag(self.tokens, self.dim, bool(self.static), bool(self.unit))

    def macs(self, shape: Shape) -> int:
        return prod(shape) * self.dim

    def padding_effect(self, padding: Padding) -> Padding | None:
        return "removed" if padding == "zero" else None


@dataclass(frozen=True)
class Decoder(Layer):
    """The logits of `longest` words of a sentence about a row of numbers, written one after the other.

    A causal convolutional network of `blocks` (core/decoder.py). With `beam`, predictions are by beam search.
    """

    tokens: int
    longest: int
    dim: int = 128
    blocks: int = 3
    beam: int = 1

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Problem(f"takes a row of numbers, got {shape}; put flatten before it")
        return (self.tokens, 1, self.longest)

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over(field.positions)

    def module(self, shape: Shape) -> nn.Module:
        return DecoderModule(shape[0], self.tokens, self.longest, self.dim, self.blocks, self.beam)

    def macs(self, shape: Shape) -> int:
        of_word = 2 * WORDS_SEEN * self.dim**2 * self.blocks + self.dim * self.tokens
        return shape[0] * self.dim + self.longest * of_word


@dataclass(frozen=True)
class Bias(Layer):
    """A different bias for each position of each map (AlphaGo's last layer)."""

    def module(self, shape: Shape) -> nn.Module:
        return modules.Bias(shape)

    def padding_effect(self, padding: Padding) -> Padding | None:
        return _if_removed(padding)


@dataclass(frozen=True)
class Scale(Layer):
    """Every number times the constant `by`: before a softmax, the inverse of a temperature."""

    by: float

    def __post_init__(self) -> None:
        check_number("scale", "by", self.by, float)

    def module(self, shape: Shape) -> nn.Module:
        return modules.Scale(self.by)


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


def _require_ids(shape: Shape) -> None:
    if len(shape) != 3 or shape[:2] != (1, 1):
        raise Problem(f"takes a row of token ids, (1, 1, length), got {shape}")


def _constant(padding: Padding) -> Padding:
    return "constant" if padding == "zero" else padding


def _if_removed(padding: Padding) -> Padding | None:
    return padding if padding == "removed" else None


KINDS: dict[str, type[Layer]] = {
    kind.name: kind
    for kind in (
        *(
            AvgPool,
            Bag,
            BatchNorm,
            Bias,
            BlurPool,
            Conv,
            Decoder,
            Dense,
            Dropout,
            Elu,
            Embed,
            Flatten,
            Gabor,
            Gelu,
            GlobalAvg,
        ),
        *(GlobalBias, GlobalMax, Heads, L2Pool, Leaky, Local, Lrn, MaxPool, Maximum, Maxout, NGrams, Parallel, Patches),
        *(Pyramid, Regions, Relu, Relu6, Residual, SCells, Scale, Scales, Sigmoid, SoftArgmax, Tanh, Unit, Upsample),
        Vote,
    )
}

avgpool, bag, conv, dense, embed, heads, l2pool, local = AvgPool, Bag, Conv, Dense, Embed, Heads, L2Pool, Local
blurpool, decoder, gabor, maximum, patches, scells = BlurPool, Decoder, Gabor, Maximum, Patches, SCells
maxout, maxpool, ngrams, parallel, pyramid, residual = Maxout, MaxPool, NGrams, Parallel, Pyramid, Residual
regions = Regions
scale, scales, upsample, vote = Scale, Scales, Upsample, Vote
batchnorm, bias, dropout, elu, flatten, gelu = BatchNorm(), Bias(), Dropout(), Elu(), Flatten(), Gelu()
globalavg, globalbias, globalmax = GlobalAvg(), GlobalBias(), GlobalMax()
leaky, lrn, relu, relu6 = Leaky(), Lrn(), Relu(), Relu6()
sigmoid, softargmax, tanh, unit = Sigmoid(), SoftArgmax(), Tanh(), Unit()
