"""The modules of layers that torch does not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pair = tuple[int, int]
Sides = tuple[int, ...]  # of padding: left, right, top, bottom, as F.pad takes them


class UnevenConv(nn.Conv2d):
    """A convolution with one more pixel of padding after than before, which keeps the size under an even window.

    torch's own padding="same" computes the same and warns about a copy at the first call.
    """

    def __init__(self, sides: tuple[int, int, int, int], *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sides = sides  # left, right, top, bottom

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, self.sides))


class Local(nn.Module):
    """A convolution whose weights are not shared between positions: (B, C, H, W) -> (B, N, H', W')."""

    def __init__(
        self, shape: Sequence[int], out: Sequence[int], size: Pair, stride: Pair, sides: tuple[int, ...], bias: bool
    ) -> None:
        super().__init__()
        self.size, self.stride, self.sides = size, stride, sides  # sides: left, right, top, bottom, as F.pad takes them
        self.out = tuple(out)
        positions, window = out[1] * out[2], shape[0] * size[0] * size[1]
        self.weight = nn.Parameter(torch.empty(positions, out[0], window))
        self.bias = nn.Parameter(torch.zeros(tuple(out))) if bias else None
        bound = window**-0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        windows = F.unfold(F.pad(x, self.sides), self.size, stride=self.stride)  # (B, C·h·w, positions)
        y: Tensor = torch.einsum("bwp,pnw->bnp", windows, self.weight.to(windows.dtype)).unflatten(2, self.out[1:])
        return y if self.bias is None else y + self.bias


def end_with_windows(x: Tensor, size: Pair, stride: Pair, pad: Pair, value: float) -> tuple[Tensor, Pair]:
    """Returns x without what follows the last window along axes of free length, and the padding that is left to do.

    For an export: torch's pools freeze the remainder of (N + 2P − F)/S. Here the division comes out even. Along these
    axes x is padded with `value`.
    """
    left = list(pad)
    for axis in (0, 1):
        if isinstance(x.shape[2 + axis], int):
            continue
        if pad[axis]:
            sides = (0, 0, pad[0], pad[0]) if axis == 0 else (pad[1], pad[1], 0, 0)
            x, left[axis] = F.pad(x, sides, value=value), 0
        steps = (x.shape[2 + axis] - size[axis]) // stride[axis]
        kept = torch.arange(steps * stride[axis] + size[axis], device=x.device)
        x = x.index_select(2 + axis, kept)  # a slice would freeze whether it is contiguous
    return x, (left[0], left[1])


class MaxPool(nn.MaxPool2d):
    """The maximum of each window; sizes are pairs."""

    def forward(self, input: Tensor) -> Tensor:
        if not torch.compiler.is_exporting() or self.ceil_mode:
            return super().forward(input)  # type: ignore[no-any-return]
        size, stride, pad = self.kernel_size, self.stride, self.padding
        x, pad = end_with_windows(input, size, stride, pad, -torch.inf)  # type: ignore[arg-type]
        return F.max_pool2d(x, size, stride, pad)


class AvgPool(nn.AvgPool2d):
    """The mean of each window, padded zeros included; sizes are pairs."""

    def forward(self, input: Tensor) -> Tensor:
        if not torch.compiler.is_exporting() or self.ceil_mode:
            return super().forward(input)
        size, stride, pad = self.kernel_size, self.stride, self.padding
        x, pad = end_with_windows(input, size, stride, pad, 0.0)  # type: ignore[arg-type]
        return F.avg_pool2d(x, size, stride, pad)


class L2Pool(nn.Module):
    """The root of the sum of squares in each window."""

    def __init__(self, size: Pair, stride: Pair, pad: Pair, ceil: bool) -> None:
        super().__init__()
        self.size, self.stride, self.pad, self.ceil = size, stride, pad, ceil

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting() and not self.ceil:
            x, pad = end_with_windows(x, self.size, self.stride, self.pad, 0.0)
            # ONNX's average pool has no other divisor than the size of its window.
            sums = F.avg_pool2d(x * x, self.size, self.stride, pad) * (self.size[0] * self.size[1])
        else:
            sums = F.avg_pool2d(x * x, self.size, self.stride, self.pad, self.ceil, divisor_override=1)
        return sums.clamp_min(1e-12).sqrt()  # the root's gradient at 0 is infinite, and 0 · ∞ is NaN


class BlurPool(nn.Module):
    """The mean of each window by binomial weights: (B, C, H, W) -> (B, C, H', W')."""

    kernel: Tensor

    def __init__(self, channels: int, size: Pair, stride: Pair, sides: Sides) -> None:
        super().__init__()
        self.channels, self.stride, self.sides = channels, stride, sides
        rows, columns = (binomial(length) for length in size)
        self.register_buffer("kernel", (rows[:, None] * columns).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.kernel.to(x.dtype).expand(self.channels, 1, -1, -1)
        return F.conv2d(padded(x, self.sides), kernel, stride=self.stride, groups=self.channels)


def binomial(length: int) -> Tensor:
    """The numbers of a row of Pascal's triangle as shares of their sum: 1, 2, 1 -> ¼, ½, ¼."""
    logs = torch.arange(1, length, dtype=torch.float64).log().cumsum(0)  # of the factorials from 1 on
    factorials = torch.cat((torch.zeros(1, dtype=torch.float64), logs))
    return (-factorials - factorials.flip(0)).softmax(0)


def padded(x: Tensor, sides: Sides) -> Tensor:
    """x with zeros around it: left, right, top, bottom."""
    return F.pad(x, sides) if any(sides) else x


class GlobalMax(nn.Module):
    """(B, C, H, W) -> (B, C), the largest value of each map."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax((2, 3))


class GlobalAvg(nn.Module):
    """(B, C, H, W) -> (B, C), the mean of each map."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class SoftArgmax(nn.Module):
    """(B, C, H, W) -> (B, C), gain · Σ softmax(sharpness · map) · row + offset, with rows from −1 to 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        # A flat softmax has hardly a gradient, so it starts sharp; a border starts two standard deviations away.
        self.sharpness = nn.Parameter(torch.full((channels,), 8.0))
        self.gain = nn.Parameter(torch.full((channels,), 2.0))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        shares = (x * self.sharpness[:, None, None]).flatten(2).softmax(2).unflatten(2, x.shape[2:]).sum(3)
        rows = torch.linspace(-1, 1, x.shape[2], device=x.device, dtype=x.dtype)
        return (shares @ rows) * self.gain + self.offset  # type: ignore[no-any-return]


class GlobalBias(nn.Module):
    """(B, C, H, W) plus W·[mean, max of each map] + b for each map (Wu 2019, arXiv:1902.10565, section 3.3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dense = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        pooled = torch.cat((x.mean((2, 3)), x.amax((2, 3))), 1)
        return x + self.dense(pooled)[:, :, None, None]  # type: ignore[no-any-return]


class Maxout(nn.Module):
    """The largest of each `pieces` neighbouring channels (Goodfellow et al. 2013): (B, C, …) -> (B, C / pieces, …)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.unflatten(1, (-1, self.pieces)).amax(2)  # type: ignore[no-any-return]


def embedding(tokens: int, dim: int) -> nn.Embedding:
    """Returns a table of `dim` random numbers for each id; their standard deviation is 1. Id 0 is padding, and zero.

    `nn.Embedding` draws normal numbers, which on the meta device, where networks are measured, imports torch's
    compiler: 1.2 s of processor time for each command that measures a network.
    """
    rows = torch.empty(tokens, dim).uniform_(-(3**0.5), 3**0.5)
    rows[0] = 0
    return nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=0)  # type: ignore[no-any-return]


class Embed(nn.Module):
    """Embeds a row of token ids as an image of height 1: (B, 1, 1, L) -> (B, dim, 1, L). Id 0 is padding, and zero."""

    def __init__(self, tokens: int, dim: int, static: bool = False) -> None:
        super().__init__()
        self.table = embedding(tokens, dim)
        self.table.weight.requires_grad_(not static)

    def forward(self, x: Tensor) -> Tensor:
        return self.table(x[:, 0, 0].long()).permute(0, 2, 1).unsqueeze(2)  # type: ignore[no-any-return]


def hashed_runs(ids: Tensor, longest: int) -> Tensor:
    """Hashes each run of 1 … `longest` ids: (B, L) int64 -> (B, longest, L) int64, 0 if a run reaches into padding.

    The hash is a polynomial modulo 2⁶²: among a million runs, two share a hash once in ten million times.
    """
    following, code, valid, rows = ids, torch.zeros_like(ids), ids > 0, []
    for length in range(1, longest + 1):
        code = (code * RUN_BASE + following * RUN_SPREAD + length) & (2**62 - 1)  # int64 overflows alike everywhere
        valid = valid & (following > 0)
        rows.append(torch.where(valid, code, 0))
        following = F.pad(following[:, 1:], (0, 1))
    return torch.stack(rows, 1)


RUN_BASE, RUN_SPREAD = 6364136223846793005, 1442695040888963407  # Knuth's linear congruential generator, both odd


class NGrams(nn.Module):
    """Maps ids (B, 1, 1, L) to ids of the known runs that begin at each position: (B, longest, 1, L) int64."""

    keys: Tensor

    def __init__(self, longest: int, tokens: int) -> None:
        super().__init__()
        self.longest = longest
        unknown = torch.full((max(1, tokens - 1),), 2**62, dtype=torch.int64)  # larger than any hash
        self.register_buffer("keys", unknown)  # the hashes of the known runs, ascending

    def forward(self, x: Tensor) -> Tensor:
        codes = hashed_runs(x[:, 0, 0].long(), self.longest)
        search = (
            binary_search if torch.compiler.is_exporting() else torch.searchsorted
        )  # which ONNX has no operator for
        index = search(self.keys, codes)
        known = self.keys[index.clamp_max(self.keys.shape[0] - 1)] == codes
        return torch.where(known, index + 1, 0).unsqueeze(2)


def binary_search(keys: Tensor, values: Tensor) -> Tensor:
    """Returns how many of the ascending `keys` are less than each value, as torch.searchsorted does.

    Each of ⌈log₂ N⌉ steps halves the range with a lookup, a comparison and a choice, which any runtime has.
    """
    count = keys.shape[0]
    half = 1 << (count.bit_length() - 1)  # the largest power of two within the count
    # The first step chooses between the first and the last `half` keys, so that no later index leaves the table.
    index = torch.where(keys[half - 1] < values, count - half, 0)
    while half > 1:
        half //= 2
        index = torch.where(keys[index + (half - 1)] < values, index + half, index)
    return torch.where(keys[index] < values, index + 1, index)


class Bag(nn.Module):
    """The weighted sum of the rows of all ids, and a bias: (B, C, 1, L) -> (B, dim). Id 0 is padding, and zero."""

    weigh: Tensor

    def __init__(self, tokens: int, dim: int, static: bool = False, unit: bool = False) -> None:
        super().__init__()
        self.unit = unit
        self.table = embedding(tokens, dim)
        self.bias = nn.Parameter(torch.zeros(dim))
        self.register_buffer("weigh", torch.ones(tokens))
        self.requires_grad_(not static)

    def forward(self, x: Tensor) -> Tensor:
        ids, weights = x.flatten(1).long(), self.weights(x)
        if torch.compiler.is_exporting():  # ONNX has no operator for a weighted embedding_bag
            return (self.table(ids) * (weights * (ids > 0)).unsqueeze(-1)).sum(1) + self.bias  # type: ignore[no-any-return]
        padding = self.table.padding_idx
        total = F.embedding_bag(
            ids,
            self.table.weight,
            mode="sum",
            per_sample_weights=weights,
            padding_idx=padding,
            sparse=self.table.sparse,
        )
        return total + self.bias

    def weights(self, x: Tensor) -> Tensor:
        """Returns the weight of each id: (B, C, 1, L) -> (B, C · L)."""
        ids = x.flatten(1).long()
        weights = self.weigh[ids]
        if not self.unit:
            return weights
        weights = weights * (ids > 0)
        return weights / (weights * weights).sum(1, keepdim=True).clamp_min(1e-12).sqrt()


class Bias(nn.Module):
    """A different bias for each position of each map."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(tuple(shape)))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


class Upsample(nn.Upsample):
    """Maps enlarged by whole factors, bilinear (each number at the middle of its square) or by repetition."""

    def __init__(self, factor: Pair, nearest: bool) -> None:
        scale = (float(factor[0]), float(factor[1]))
        super().__init__(scale_factor=scale, mode="nearest" if nearest else "bilinear")


class Pyramid(nn.Module):
    """`body` on every level of a Laplacian pyramid of x; the maps of all, at the size of the first, concatenated.

    A level is what halving loses: x less its half enlarged again; the last is the smallest half (Burt and Adelson
    1983). The levels add up to x.
    """

    def __init__(self, body: nn.Module, levels: int, factor: Pair) -> None:
        super().__init__()
        self.body, self.levels, self.factor = body, levels, factor

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.body(level) for level in self.split(x)]
        size = maps[0].shape[2:]
        return torch.cat([maps[0], *(resized(level, size) for level in maps[1:])], 1)

    def split(self, x: Tensor) -> list[Tensor]:
        """Returns the levels of the pyramid, the finest first."""
        levels = []
        for _ in range(self.levels - 1):
            half = F.avg_pool2d(x, self.factor)
            levels.append(x - resized(half, x.shape[2:]))
            x = half
        return [*levels, x]


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Returns maps enlarged to a size, bilinear."""
    return F.interpolate(x, size=size, mode="bilinear")


class Scale(nn.Module):
    """Every number times the same constant."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by


class Unit(nn.Module):
    """Rows divided by their norm: (B, K) -> (B, K)."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.square().sum(1, keepdim=True).clamp_min(1e-12).rsqrt()


# --- cells that compare windows with templates, of HMAX and the Neocognitron -----------------------------------------


class Templates(nn.Module):
    """The base of layers that compare each window w with templates t: (B, C, H, W) -> (B, N, H', W').

    Templates are no parameters: training does not move them.
    """

    weight: Tensor

    def __init__(self, shape: tuple[int, ...], stride: Pair, sides: Sides) -> None:
        super().__init__()
        self.stride, self.sides = stride, sides
        self.register_buffer("weight", torch.zeros(shape))  # (N, C, h, w)

    def forward(self, x: Tensor) -> Tensor:
        # Distances are differences of large numbers, of which bfloat16 would leave nothing.
        if x.device.type != "meta" and torch.is_autocast_enabled(x.device.type):
            with torch.autocast(x.device.type, enabled=False):
                return self.compare(*self.products(x.float()))
        return self.compare(*self.products(x))

    def products(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """t·w of every template, (B, N, H', W'), and ‖w‖², (B, 1, H', W')."""
        x, (height, width) = padded(x, self.sides), self.weight.shape[2:]
        squares = x.square().sum(1, keepdim=True)
        # ONNX's average pool has no other divisor than the size of its window.
        norms = F.avg_pool2d(squares, (height, width), self.stride) * (height * width)
        return F.conv2d(x, self.weight.to(x.dtype), stride=self.stride), norms

    def compare(self, products: Tensor, norms: Tensor) -> Tensor:
        raise NotImplementedError

    def windows(self, inputs: Sequence[Tensor], count: int, rng: torch.Generator) -> Tensor:
        """Random windows (at most `count`, C, h, w) of what the layer receives, (B, C, H, W) each, that are not blank.

        Each of `inputs`, which may differ in size, gives as many.
        """
        drawn = []
        for index, x in enumerate(inputs):
            share = count * (index + 1) // len(inputs) - count * index // len(inputs)
            x, (height, width) = padded(x, self.sides), self.weight.shape[2:]
            views = x.unfold(2, height, self.stride[0]).unfold(3, width, self.stride[1])  # (B, C, H', W', h, w)
            places = [torch.randint(views.shape[axis], (BLANK * share,), generator=rng) for axis in (0, 2, 3)]
            batch, row, column = (place.to(x.device) for place in places)
            windows = views[batch, :, row, column]
            drawn.append(windows[windows.flatten(1).any(1)][:share])
        return torch.cat(drawn)


BLANK = 8  # windows that are drawn for each that is needed: around digits most are blank


class Gabor(Templates):
    """|g·w| / ‖w‖ of each Gabor filter g: (B, 1, H, W) -> (B, filters, H', W')."""

    def __init__(self, filters: int, size: int, wavelength: float, stride: Pair, sides: Sides) -> None:
        nn.Module.__init__(self)
        self.stride, self.sides = stride, sides
        self.register_buffer("weight", gabor_filters(filters, size, wavelength), persistent=False)

    def compare(self, products: Tensor, norms: Tensor) -> Tensor:
        return products.abs() / norms.clamp_min(1e-12).sqrt()


def gabor_filters(filters: int, size: int, wavelength: float) -> Tensor:
    """Gabor filters (filters, 1, size, size) of mean 0 and norm 1, whose orientations divide 180°; the first is 90°."""
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    down, across = axis[:, None], axis[None]
    angle = (torch.arange(filters, dtype=torch.float64) / filters * torch.pi + torch.pi)[:, None, None]
    along, beside = down * angle.cos() + across * angle.sin(), across * angle.cos() - down * angle.sin()
    envelope = torch.exp(-(along**2 + 0.3**2 * beside**2) / (2 * (0.8 * wavelength) ** 2))
    inside = (down**2 + across**2).sqrt() <= size / 2
    waves = envelope * torch.cos(2 * torch.pi * along / wavelength) * inside
    waves = waves - waves.mean((1, 2), keepdim=True)
    return (waves / waves.square().sum((1, 2), keepdim=True).sqrt().clamp_min(1e-12)).float()[:, None]


class Patches(Templates):
    """−‖w − t‖, or exp(−‖w − t‖² / 2σ²)."""

    def __init__(self, shape: tuple[int, ...], stride: Pair, sides: Sides, sigma: float) -> None:
        super().__init__(shape, stride, sides)
        self.sigma = sigma

    def compare(self, products: Tensor, norms: Tensor) -> Tensor:
        own = self.weight.to(products.dtype).square().sum((1, 2, 3))[:, None, None]
        squares = (norms - 2 * products + own).clamp_min(1e-12)  # rounding may make it negative
        return torch.exp(squares / (-2 * self.sigma**2)) if self.sigma else -squares.sqrt()

    @torch.no_grad()
    def fit(self, inputs: Sequence[Tensor], rng: torch.Generator) -> None:
        """Stores random windows of the inputs; with fewer windows that are not blank, templates stay blank."""
        windows = self.windows(inputs, len(self.weight), rng)
        self.weight[: len(windows)] = windows


class SCells(Templates):
    """max(0, t·w − θ‖w‖) / (1 − θ)."""

    def __init__(self, shape: tuple[int, ...], stride: Pair, sides: Sides, threshold: float) -> None:
        super().__init__(shape, stride, sides)
        self.threshold = threshold

    def compare(self, products: Tensor, norms: Tensor) -> Tensor:
        return (products - self.threshold * norms.clamp_min(1e-12).sqrt()).clamp_min(0) / (1 - self.threshold)

    @torch.no_grad()
    def fit(self, inputs: Sequence[Tensor], rng: torch.Generator) -> None:
        """Learns the templates by competition: each becomes the mean direction of the windows that it responds most to.

        One that wins no window moves to the window to which the others respond least.
        """
        windows = self.windows(inputs, COMPETITION_WINDOWS, rng).flatten(1).float()
        if not len(windows):
            return
        windows = F.normalize(windows)
        templates = windows[torch.randint(len(windows), (len(self.weight),), generator=rng).to(windows.device)]
        for _ in range(COMPETITION_ROUNDS):
            responses, winners = (windows @ templates.T).max(1)
            sums = torch.zeros_like(templates).index_add_(0, winners, windows)
            silent = (sums == 0).all(1).nonzero()[:, 0]
            weakest = responses.argsort()[: len(silent)]
            sums[silent[: len(weakest)]] = windows[weakest]
            templates = F.normalize(sums)
        self.weight.copy_(templates.view_as(self.weight))


COMPETITION_WINDOWS, COMPETITION_ROUNDS = 20_000, 20


# --- combinators -----------------------------------------------------------------------------------------------------


class Sum(nn.Module):
    """The sum of its inputs, which have the same shape."""

    def forward(self, *inputs: Tensor) -> Tensor:
        total = inputs[0]
        for term in inputs[1:]:
            total = total + term
        return total


class Mean(nn.Module):
    """The mean of its inputs, which have the same shape."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.stack(inputs).mean(0)


class Maximum(nn.Module):
    """The elementwise maximum of its inputs, which have the same shape."""

    def forward(self, *inputs: Tensor) -> Tensor:
        largest = inputs[0]
        for x in inputs[1:]:
            largest = torch.maximum(largest, x)
        return largest


class Concatenate(nn.Module):
    """The channels of its inputs, one after the other."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, 1)


class Positions(nn.Module):
    """The positions of maps of several sizes, one row: (B, C, H, W), … -> (B, C, 1, ΣH·W)."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat([x.flatten(2) for x in inputs], 2)[:, :, None]


class Combinator(nn.Module):
    """Applies branches to the same input and merges their outputs. Walks over networks need to know no other.

    With `shared`, its layers follow each branch, with the same weights.
    """

    def __init__(self, branches: Sequence[nn.Module], merge: nn.Module, shared: nn.Module | None = None) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.merge = merge
        self.shared = shared

    def forward(self, x: Tensor) -> Tensor:
        outputs = [branch(x) for branch in self.branches]
        return self.merge(*(outputs if self.shared is None else map(self.shared, outputs)))  # type: ignore[no-any-return]

    @property
    def sequences(self) -> list[nn.Module]:
        """The branches, and behind them the shared layers, if there are any."""
        return [*self.branches, *([] if self.shared is None else [self.shared])]

    def with_branches(self, branches: Sequence[nn.Module], shared: nn.Module | None = None) -> Combinator:
        """Returns a module that merges the outputs of other branches in the same way, in evaluation."""
        return Combinator(branches, self.merge, shared).eval()


class Residual(Combinator):
    """`body(x) + shortcut(x)` (He et al. 2016)."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        nn.Module.__init__(self)
        self.body, self.shortcut = branches  # model files know the weights by these names
        self.merge, self.shared = Sum(), None

    @property
    def branches(self) -> tuple[nn.Module, nn.Module]:  # type: ignore[override]
        return self.body, self.shortcut


class Vote(Combinator):
    """The mean of all branches; in training, each example goes through a single, random one of those that learn."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__(branches, Mean())

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        learning = [branch for branch in self.branches if any(p.requires_grad for p in branch.parameters())]
        if not learning or len(x) < len(learning):
            return super().forward(x)
        self.call_listeners(x, learning)
        if len(learning) == 1:
            return learning[0](x)  # type: ignore[no-any-return]
        order = torch.randperm(len(x)).to(x.device)  # drawn on the CPU: the same on every device
        shares = order.chunk(len(learning))
        outputs = [branch(x[share]) for branch, share in zip(learning, shares, strict=True)]
        return torch.cat(outputs)[order.argsort()]

    def call_listeners(self, x: Tensor, learning: Sequence[nn.Module]) -> None:
        """Runs the branches that do not learn, for nothing but the forward hooks in them, if there are any."""
        for branch in self.branches:
            if branch not in learning and any(m._forward_hooks or m._forward_pre_hooks for m in branch.modules()):
                with torch.no_grad():
                    branch(x)
