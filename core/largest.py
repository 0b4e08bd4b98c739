"""A convolution and the global maximum of its maps in one, whose gradient visits only the windows that win.

Behind a global maximum, one window of each map has a gradient. A convolution's own backward pass also multiplies the
zeros of all other windows, which is two thirds of the work of a training step; here sums over the winners replace it.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class Largest(torch.autograd.Function):
    """x (B, C, H, W), weight (N, C, h, w), bias (N,) or None -> (B, N): F.conv2d(x, weight, bias).amax((2, 3)).

    If windows of a map are equally large, the first gets the whole gradient; torch's amax divides it among them.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        maps = F.conv2d(x, weight, bias)
        maximum, winner = maps.flatten(2).max(2)
        ctx.save_for_backward(x, weight, input_rows(winner, maps.shape, x.shape, weight.shape))
        return maximum

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator, unused-ignore]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, rows = ctx.saved_tensors
        gradient = gradient.to(weight.dtype)
        expanded = gradient[..., None].expand(rows.shape)
        to_x = gradient_of_x(x.shape, weight, rows, expanded) if ctx.needs_input_grad[0] else None
        to_weight = None
        if ctx.needs_input_grad[1]:
            to_weight = gradient_of_weight(x.to(weight.dtype), weight.shape, rows, expanded)
        return to_x, to_weight, gradient.sum(0) if ctx.needs_input_grad[2] else None


def input_rows(winner: Tensor, maps: torch.Size, x: torch.Size, weight: torch.Size) -> Tensor:
    """Returns which of the B · H · W rows of x each weight of the winning windows meets: (B, N, h · w)."""
    height, width = x[2:]
    first = torch.arange(x[0])[:, None] * height * width + winner // maps[3] * width + winner % maps[3]
    offsets = torch.arange(weight[2])[:, None] * width + torch.arange(weight[3])
    return first[..., None] + offsets.flatten()


def gradient_of_weight(x: Tensor, shape: torch.Size, rows: Tensor, gradient: Tensor) -> Tensor:
    """Sums, for each weight, the rows of x that it met in the winning windows, times their gradients."""
    table = x.permute(0, 2, 3, 1).reshape(-1, shape[1])
    indices, factors = (values.permute(1, 2, 0).reshape(-1, len(x)) for values in (rows, gradient))
    total = F.embedding_bag(indices, table, mode="sum", per_sample_weights=factors)
    return total.view(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)


def gradient_of_x(shape: torch.Size, weight: Tensor, rows: Tensor, gradient: Tensor) -> Tensor:
    """Sums, for each row of x, the weights that it met in the winning windows, times their gradients."""
    table = weight.permute(0, 2, 3, 1).reshape(-1, weight.shape[1])
    row, order = rows.flatten().sort()
    offsets = F.pad(torch.bincount(row, minlength=shape[0] * shape[2] * shape[3]).cumsum(0), (1, 0))
    indices, factors = order % len(table), gradient.reshape(-1)[order]  # each example meets all the weights in turn
    total = F.embedding_bag(indices, table, offsets, mode="sum", per_sample_weights=factors, include_last_offset=True)
    return total.view(shape[0], shape[2], shape[3], shape[1]).permute(0, 3, 1, 2)


def fits(module: object) -> TypeGuard[nn.Conv2d]:
    """Returns True for a convolution of stride 1, without padding or dilation, in one group."""
    if type(module) is not nn.Conv2d:
        return False
    return (module.stride, module.dilation, module.padding, module.groups) == ((1, 1), (1, 1), (0, 0), 1)


def largest(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """Returns the maximum of each map that the convolution gives: (B, C, H, W) -> (B, N)."""
    if x.device.type != "cpu":  # it was measured on a CPU, and saves time there
        return convolution(x).amax((2, 3))  # type: ignore[no-any-return]
    return Largest.apply(x, convolution.weight, convolution.bias)  # type: ignore[no-any-return]
