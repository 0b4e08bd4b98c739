"""Batch normalisation over the examples of all processes that train one network, on every device.

torch's SyncBatchNorm does the same on GPUs alone. With it, several processes train what one trains on the same batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional as F


@dataclass
class Share:
    """A process's share of a batch. Without an example of its own it takes part, but counts nothing."""

    counts: bool = True


class _Shared(nn.modules.batchnorm._BatchNorm):
    """Normalises with the statistics of all processes in training, and as its base class does in evaluation."""

    share: Share
    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        result, mean, variance, count = _Normalise.apply(x, self.weight, self.bias, self.eps, self.share.counts)
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1).clamp_min(1)), self.momentum)
            self.num_batches_tracked.add_(1)
        return result  # type: ignore[no-any-return]


class SharedBatchNorm1d(_Shared, nn.BatchNorm1d):
    pass


class SharedBatchNorm2d(_Shared, nn.BatchNorm2d):
    pass


SHARED: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: SharedBatchNorm1d,
    nn.BatchNorm2d: SharedBatchNorm2d,
}


def share_statistics(network: nn.Module) -> Share:
    """Makes the batch normalisations of a network normalise over all processes, in place; returns this process's share.

    Only their classes change, so that the names of weights, and whoever holds the modules, stay as they are.
    """
    share = Share()
    for module in network.modules():
        if type(module) in SHARED:
            module.__class__ = SHARED[type(module)]
            module.share = share  # type: ignore[assignment]
    return share


class _Normalise(torch.autograd.Function):
    """y = (x − μ) / √(σ² + ε) · w + b with μ and σ² over all processes (Ioffe and Szegedy 2015, algorithm 1).

    Returns y, μ, σ² and the number of values of a channel. The gradient through μ and σ² needs the sums of ∂y and of
    ∂y · (x − μ) / √(σ² + ε) over all processes.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, counts: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        unused = torch.zeros_like(weight), torch.ones_like(weight)  # in float32, as the results then are
        mean, variance = torch.batch_norm_update_stats(x, *unused, 0.0)
        count = mean.new_tensor([x.numel() // len(mean) if counts else 0])
        local = torch.cat([count, mean.float(), variance.float()])
        parts = [torch.empty_like(local) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, local)
        counts_of, means, variances = torch.stack(parts).split([1, len(mean), len(mean)], 1)
        total = counts_of.sum()
        mean = (counts_of * means).sum(0) / total
        variance = (counts_of * (variances + (means - mean) ** 2)).sum(0) / total
        ctx.save_for_backward(x, weight, mean, variance, total)
        ctx.eps, ctx.counts = eps, counts
        ctx.mark_non_differentiable(mean, variance, total)
        return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, eps), mean, variance, total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        x, weight, mean, variance, total = ctx.saved_tensors
        of_y = gradients[0].contiguous(memory_format=_layout(x))
        _, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            of_y, x, weight, mean, variance, None, None, False, ctx.eps, [False, True, True]
        )
        sums = torch.stack([of_weight, of_bias]).float()
        distributed.all_reduce(sums)
        if not ctx.counts:
            return torch.zeros_like(x), of_weight, of_bias, None, None
        scale = (variance + ctx.eps).rsqrt()
        slope = weight * scale**2 * sums[0] / total
        offset = weight * scale * sums[1] / total - slope * mean
        of_x = _affine(of_y, weight * scale, -offset).sub_(_affine(x, slope, torch.zeros_like(slope)))
        return of_x, of_weight, of_bias, None, None


def _affine(x: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    """scale · x + offset for each channel, in one pass: as a normalisation by mean 0 and variance 1."""
    return F.batch_norm(x, torch.zeros_like(scale), torch.ones_like(scale), scale, offset, False, 0.0, 0.0)


def _layout(x: Tensor) -> torch.memory_format:
    is_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if is_last else torch.contiguous_format
