"""DeepLIFT with the rescale rule (Shrikumar et al. 2017, arXiv:1704.02685, sections 3.2 and 3.5.1), on our layers.

captum 0.9 treats layers for which it has no rule as linear (global max pools, maxout, L2 pools), does not add up to the
difference of outputs where relus and max pools are combined, and overwrites the contributions of a number in two
windows of a pool. On networks without those the two implementations agree.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import modules
from .interpretable import InterpretableNetwork
from .walk import walk, with_backward

NEAR = 1e-7  # difference from the reference below which the slope is the gradient
ELEMENTWISE = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.Sigmoid, nn.Tanh)
LINEAR = (
    *(nn.Conv2d, nn.Linear, nn.AvgPool2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.Flatten, nn.Dropout),
    *(modules.Local, modules.GlobalAvg, modules.BlurPool, modules.Bias, modules.Scale, modules.NGrams),
    *(modules.Sum, modules.Mean, modules.Concatenate, modules.Positions),
)
MAXIMA = (nn.MaxPool2d, modules.GlobalMax, modules.Maxout, modules.Maximum)
SUPPORTED = (*ELEMENTWISE, *LINEAR, *MAXIMA, modules.GlobalBias, modules.L2Pool)


def deeplift(network: InterpretableNetwork, targets: Tensor) -> Tensor:
    """The contribution of each position to the output, relative to the baseline: (B, H, W); it sums to the difference.

    One batch holds the inputs and, in its second half, their baselines.
    """
    inputs = network.inputs_with_gradients()
    pairs = tuple(torch.cat(pair) for pair in zip(inputs, network.baselines, strict=True))
    logits = walk(network.network, network.first_input(pairs), _rule)
    outputs = network.scalars(logits)[: len(targets)]
    multipliers = torch.autograd.grad(outputs.gather(1, targets[:, None]).sum(), inputs)
    differences = (x - baseline for x, baseline in zip(network.inputs, network.baselines, strict=True))
    return network.over_positions(tuple(m * step for m, step in zip(multipliers, differences, strict=True)))


def _rule(module: nn.Module, *inputs: Tensor) -> Tensor:
    x = inputs[0]
    if isinstance(module, ELEMENTWISE):
        return _rescaled(module, x)
    if isinstance(module, nn.MaxPool2d):
        return _pooled(module, x)
    if isinstance(module, modules.GlobalMax):
        return _largest(x.flatten(2))
    if isinstance(module, modules.GlobalBias):
        pooled = torch.cat((x.mean((2, 3)), _largest(x.flatten(2))), 1)
        return x + module.dense(pooled)[:, :, None, None]  # type: ignore[no-any-return]
    if isinstance(module, modules.Maxout):
        return _largest(x.unflatten(1, (-1, module.pieces)).movedim(2, -1))
    if isinstance(module, modules.Maximum):
        return _largest(torch.stack(inputs, -1))
    if isinstance(module, modules.L2Pool):
        squares = _rescaled(_Square(), x)
        sums = F.avg_pool2d(squares, module.size, module.stride, module.pad, module.ceil, divisor_override=1)
        return _rescaled(_Root(), sums)
    return module(*inputs)  # type: ignore[no-any-return]  # linear: its gradient is its multiplier


class _Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


class _Root(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.clamp_min(1e-12).sqrt()


def _rescaled(module: nn.Module, x: Tensor) -> Tensor:
    """Multiplies gradients by the slope between the reference and the input, or by the gradient where they meet."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y = module(leaf)
        (slopes,) = torch.autograd.grad(y.sum(), leaf)
    (value, reference), (out, reference_out) = x.detach().chunk(2), y.detach().chunk(2)
    difference = value - reference
    near = difference.abs() < NEAR
    slope = torch.where(near, slopes.chunk(2)[0], (out - reference_out) / torch.where(near, 1, difference))
    return with_backward(y, lambda gradient: torch.cat((gradient.chunk(2)[0] * slope, torch.zeros_like(slope))), x)


def _pooled(module: nn.MaxPool2d, x: Tensor) -> Tensor:
    """The maximum of each window of a max pool, in the input and in the reference."""
    numbers = (module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode)
    _, indices = F.max_pool2d(x.detach(), *numbers, return_indices=True)
    return _select(x.flatten(2), indices.flatten(2)).view_as(indices)


def _largest(x: Tensor) -> Tensor:
    """(2B, …, N) -> (2B, …): the maximum of the last axis."""
    return _select(x, x.detach().argmax(-1, keepdim=True)).squeeze(-1)


def _select(x: Tensor, indices: Tensor) -> Tensor:
    """The numbers at `indices`, each the maximum of its window; windows may overlap.

    An increase is attributed to the maximum of the input, a decrease to the maximum of the reference; both
    contributions are between 0 and 1.
    """
    input_index, reference_index = indices.chunk(2)
    value, reference = x.chunk(2)
    y, before = value.gather(-1, input_index).detach(), reference.gather(-1, reference_index).detach()
    input_max, reference_max = value.gather(-1, input_index), value.gather(-1, reference_index)
    rise = _ratio(torch.maximum(y, before) - before, input_max.detach() - reference.gather(-1, input_index).detach())
    fall = _ratio(y - torch.maximum(y, before), reference_max.detach() - before)
    linear = rise * input_max + fall * reference_max
    return torch.cat((linear - linear.detach() + y, before))


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    near = denominator.abs() < NEAR
    return torch.where(near, 0, numerator / torch.where(near, 1, denominator))
