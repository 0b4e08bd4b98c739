"""The modules that torch does not have, one class a word. Each keeps its own state; none is shared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Pair = tuple[int, int]


class UnevenConv(nn.Conv2d):
    """A convolution with one more pixel of padding after than before: what keeps the size under an even window.

    torch's own padding="same" does the same sum and warns of a copy at each first call.
    """

    def __init__(self, sides: tuple[int, int, int, int], *numbers: Any) -> None:
        super().__init__(*numbers)
        self.sides = sides  # left, right, top, bottom

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(F.pad(input, self.sides))


class Local(nn.Module):
    """A window for every position, weights not shared: (B, C, H, W) -> (B, N, H', W')."""

    def __init__(
        self, shape: Sequence[int], out: Sequence[int], size: Pair, stride: Pair, sides: tuple[int, ...], bias: bool
    ) -> None:
        super().__init__()
        self.size, self.stride, self.sides = size, stride, sides  # sides: left, right, top, bottom, as F.pad takes them
        self.out = tuple(out)
        places, window = out[1] * out[2], shape[0] * size[0] * size[1]
        self.weight = nn.Parameter(torch.empty(places, out[0], window))
        self.bias = nn.Parameter(torch.zeros(tuple(out))) if bias else None
        bound = window**-0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        windows = F.unfold(F.pad(x, self.sides), self.size, stride=self.stride)  # (B, C·h·w, places)
        y: Tensor = torch.einsum("bwp,pnw->bnp", windows, self.weight.to(windows.dtype)).unflatten(2, self.out[1:])
        return y if self.bias is None else y + self.bias


class L2Pool(nn.Module):
    """The root of the sum of squares in each window."""

    def __init__(self, size: Pair, stride: Pair, pad: Pair, ceil: bool) -> None:
        super().__init__()
        self.size, self.stride, self.pad, self.ceil = size, stride, pad, ceil

    def forward(self, x: Tensor) -> Tensor:
        sums = F.avg_pool2d(x * x, self.size, self.stride, self.pad, self.ceil, divisor_override=1)
        return sums.clamp_min(1e-12).sqrt()  # the slope of a root at 0 is infinite, and 0 · ∞ is not a number


class GlobalMax(nn.Module):
    """(B, C, H, W) -> (B, C), the largest value of each map."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax((2, 3))


class GlobalAvg(nn.Module):
    """(B, C, H, W) -> (B, C), the mean of each map."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


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


def table(tokens: int, dim: int) -> nn.Embedding:
    """Rows of `dim` numbers by id, of deviation 1 before `start` draws them anew. Id 0 is padding, and zero.

    `nn.Embedding` draws normal numbers, which on the meta device, where networks are measured, imports torch's
    compiler: 1.2 s of the processor for each command that knows words.
    """
    rows = torch.empty(tokens, dim).uniform_(-(3**0.5), 3**0.5)
    rows[0] = 0
    return nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=0)  # type: ignore[no-any-return]


class Embed(nn.Module):
    """A row of token ids to a picture of height 1: (B, 1, 1, L) -> (B, dim, 1, L). Id 0 is padding, and zero."""

    def __init__(self, tokens: int, dim: int, static: bool = False) -> None:
        super().__init__()
        self.table = table(tokens, dim)
        self.table.weight.requires_grad_(not static)

    def forward(self, x: Tensor) -> Tensor:
        return self.table(x[:, 0, 0].long()).permute(0, 2, 1).unsqueeze(2)  # type: ignore[no-any-return]


def runs(ids: Tensor, longest: int) -> Tensor:
    """A number for each run of 1 … `longest` ids: (B, L) int64 -> (B, longest, L) int64, 0 where a run meets padding.

    The same run has the same number everywhere; a polynomial modulo 2⁶² gives two of a million runs the same number
    once in ten million times.
    """
    after, number, whole, rows = ids, torch.zeros_like(ids), ids > 0, []
    for length in range(1, longest + 1):
        number = (number * RUN_BASE + after * RUN_SPREAD + length) & (2**62 - 1)  # int64 overflows alike everywhere
        whole = whole & (after > 0)
        rows.append(torch.where(whole, number, 0))
        after = F.pad(after[:, 1:], (0, 1))
    return torch.stack(rows, 1)


RUN_BASE, RUN_SPREAD = 6364136223846793005, 1442695040888963407  # Knuth's linear congruential generator, both odd


class NGrams(nn.Module):
    """Ids (B, 1, 1, L) to ids of the known runs of 1 … `longest` that begin at each place: (B, longest, 1, L) int64."""

    keys: Tensor

    def __init__(self, longest: int, tokens: int) -> None:
        super().__init__()
        self.longest = longest
        unknown = torch.full((max(1, tokens - 1),), 2**62, dtype=torch.int64)  # larger than any run's number
        self.register_buffer("keys", unknown)  # the numbers of the known runs, rising

    def forward(self, x: Tensor) -> Tensor:
        found = runs(x[:, 0, 0].long(), self.longest)
        at = torch.searchsorted(self.keys, found)
        known = self.keys[at.clamp_max(len(self.keys) - 1)] == found
        return torch.where(known, at + 1, 0).unsqueeze(2)


class Bag(nn.Module):
    """The weighted sum of the rows of all ids, and a bias: (B, C, 1, L) -> (B, dim). Id 0 is padding, and zero."""

    weigh: Tensor

    def __init__(self, tokens: int, dim: int, static: bool = False, unit: bool = False) -> None:
        super().__init__()
        self.unit = unit
        self.table = table(tokens, dim)
        self.bias = nn.Parameter(torch.zeros(dim))
        self.register_buffer("weigh", torch.ones(tokens))
        self.requires_grad_(not static)

    def forward(self, x: Tensor) -> Tensor:
        ids, weights = x.flatten(1).long(), self.weights(x)
        padding = self.table.padding_idx
        told = F.embedding_bag(
            ids,
            self.table.weight,
            mode="sum",
            per_sample_weights=weights,
            padding_idx=padding,
            sparse=self.table.sparse,
        )
        return told + self.bias

    def weights(self, x: Tensor) -> Tensor:
        """(B, C, 1, L) ids -> the weight of each, (B, C · L)."""
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


class Scale(nn.Module):
    """Every number times the same constant."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Tensor) -> Tensor:
        return x * self.by


class Residual(nn.Module):
    """`body(x) + shortcut(x)` (He et al. 2016)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)  # type: ignore[no-any-return]


class Parallel(nn.Module):
    """The channels of all branches, one after the other (Szegedy et al. 2015)."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Vote(nn.Module):
    """The mean of all branches; in training each that learns takes a part of the batch by chance, and answers alone."""

    def __init__(self, branches: Sequence[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        learning = [branch for branch in self.branches if any(p.requires_grad for p in branch.parameters())]
        if not self.training or not learning or len(x) < len(learning):
            return torch.stack([branch(x) for branch in self.branches]).mean(0)
        if len(learning) == 1:
            return learning[0](x)  # type: ignore[no-any-return]
        order = torch.randperm(len(x)).to(x.device)  # drawn on the CPU: the same on every device
        parts = [branch(x[own]) for branch, own in zip(learning, order.chunk(len(learning)), strict=True)]
        return torch.cat(parts)[order.argsort()]
