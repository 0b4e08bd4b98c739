"""The largest answer of each filter of a convolution, whose gradient visits the windows that win and no other.

Behind a maximum over a whole map one window of all has a gradient. A convolution's own backward pass multiplies the
zeros of all the others too, which is two thirds of the work of a step; here sums over the winners take its place.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class Largest(torch.autograd.Function):
    """x (B, C, H, W), weight (N, C, h, w), bias (N,) or None -> (B, N): F.conv2d(x, weight, bias).amax((2, 3)).

    Where windows of a map are equally large, the first alone has the gradient; torch's amax shares it out.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        maps = F.conv2d(x, weight, bias)
        largest, at = maps.flatten(2).max(2)
        ctx.save_for_backward(x, weight, taps(at, maps.shape, x.shape, weight.shape))
        return largest

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, seen = ctx.saved_tensors
        slope = slope.to(weight.dtype)
        each = slope[..., None].expand(seen.shape)
        to_x = rows_of_x(x.shape, weight, seen, each) if ctx.needs_input_grad[0] else None
        to_weight = rows_of_weight(x.to(weight.dtype), weight.shape, seen, each) if ctx.needs_input_grad[1] else None
        return to_x, to_weight, slope.sum(0) if ctx.needs_input_grad[2] else None


def taps(at: Tensor, maps: torch.Size, x: torch.Size, weight: torch.Size) -> Tensor:
    """Where in the rows of x, B · H · W of them, each weight of the winning windows lies: (B, N, h · w)."""
    height, width = x[2:]
    first = torch.arange(x[0])[:, None] * height * width + at // maps[3] * width + at % maps[3]
    inside = torch.arange(weight[2])[:, None] * width + torch.arange(weight[3])
    return first[..., None] + inside.flatten()


def rows_of_weight(x: Tensor, shape: torch.Size, seen: Tensor, each: Tensor) -> Tensor:
    """The gradient of each weight: the rows of x that it met in the windows that won, by their slopes."""
    rows = x.permute(0, 2, 3, 1).reshape(-1, shape[1])
    met, by = (of.permute(1, 2, 0).reshape(-1, len(x)) for of in (seen, each))
    told = F.embedding_bag(met, rows, mode="sum", per_sample_weights=by)
    return told.view(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)


def rows_of_x(shape: torch.Size, weight: Tensor, seen: Tensor, each: Tensor) -> Tensor:
    """The gradient of each row of x: the weights that it met in the windows that won, by their slopes."""
    rows = weight.permute(0, 2, 3, 1).reshape(-1, weight.shape[1])
    place, order = seen.flatten().sort()
    starts = F.pad(torch.bincount(place, minlength=shape[0] * shape[2] * shape[3]).cumsum(0), (1, 0))
    met, by = order % len(rows), each.reshape(-1)[order]  # an example after the other meets all the weights
    told = F.embedding_bag(met, rows, starts, mode="sum", per_sample_weights=by, include_last_offset=True)
    return told.view(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)


def fits(conv: object) -> TypeGuard[nn.Conv2d]:
    """Whether a module is a convolution whose windows are next to each other, without padding and in one group."""
    if type(conv) is not nn.Conv2d or torch.compiler.is_compiling():  # a compiler makes gradients of its own
        return False
    return (conv.stride, conv.dilation, conv.padding, conv.groups) == ((1, 1), (1, 1), (0, 0), 1)


def largest(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, N): the largest of each map that the convolution gives."""
    if x.device.type != "cpu":  # what follows was measured on a CPU, and gains there
        return conv(x).amax((2, 3))  # type: ignore[no-any-return]
    return Largest.apply(x, conv.weight, conv.bias)  # type: ignore[no-any-return]
