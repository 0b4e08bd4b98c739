"""DeepLIFT with the rescale rule (Shrikumar et al. 2017, arXiv:1704.02685, sections 3.2 and 3.5.1), on our words.

captum's (0.9) treats what it has no rule for as if it were linear (the largest of a map, maxout, L2 pools), does not
add up to the difference of scores where relus and max pools come together, and overwrites the shares of a number in two
windows of a pool; on networks without those the two agree.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .. import modules
from .opened import Opened
from .walk import walk, with_backward

NEAR = 1e-7  # of an input to its reference: below it the slope is the gradient
ELEMENTWISE = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.Sigmoid, nn.Tanh)
LINEAR = (
    *(nn.Conv2d, nn.Linear, nn.AvgPool2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.Flatten, nn.Dropout),
    *(modules.Local, modules.GlobalAvg, modules.Bias, modules.Scale, modules.NGrams),
    *(modules.Sum, modules.Mean, modules.Concatenate),
)
FITS = (*ELEMENTWISE, *LINEAR, nn.MaxPool2d, modules.GlobalMax, modules.GlobalBias, modules.Maxout, modules.L2Pool)


def deeplift(opened: Opened, targets: Tensor) -> Tensor:
    """What each place adds to the score, compared with an empty input: (B, H, W); the sum is the difference."""
    leaves = opened.with_gradients()
    both = [torch.cat(pair) for pair in zip(leaves, opened.empty, strict=True)]
    scores = opened_walk(opened, both)[: len(targets)]
    multipliers = torch.autograd.grad(scores.gather(1, targets[:, None]).sum(), leaves)
    steps = (leaf - empty for leaf, empty in zip(opened.leaves, opened.empty, strict=True))
    return opened.folded(tuple(m * step for m, step in zip(multipliers, steps, strict=True)))


def opened_walk(opened: Opened, both: list[Tensor]) -> Tensor:
    """Scores of inputs and, in the second half of the batch, of their references."""
    for table, rows in zip(opened.tables, both, strict=False):
        table.given = rows
    return walk(opened.words, opened.maps if opened.tables else both[0], _rule)


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
    """Back goes what arrives, times the slope between the reference and the input (the gradient where they meet)."""
    with torch.enable_grad():
        at = x.detach().requires_grad_()
        y = module(at)
        (gradient,) = torch.autograd.grad(y.sum(), at)
    (value, reference), (out, from_reference) = x.detach().chunk(2), y.detach().chunk(2)
    step = value - reference
    near = step.abs() < NEAR
    slope = torch.where(near, gradient.chunk(2)[0], (out - from_reference) / torch.where(near, 1, step))
    return with_backward(y, lambda arriving: torch.cat((arriving.chunk(2)[0] * slope, torch.zeros_like(slope))), x)


def _pooled(module: nn.MaxPool2d, x: Tensor) -> Tensor:
    """Each window of a max pool: its largest number in the input, and its largest in the reference."""
    numbers = (module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode)
    _, places = F.max_pool2d(x.detach(), *numbers, return_indices=True)
    flat = x.flatten(2)
    return _chosen(flat, places.flatten(2)).view_as(places)


def _largest(x: Tensor) -> Tensor:
    """(2B, …, N) -> (2B, …): the largest of the last axis."""
    return _chosen(x, x.detach().argmax(-1, keepdim=True)).squeeze(-1)


def _chosen(x: Tensor, places: Tensor) -> Tensor:
    """The numbers at `places`, each the largest of its window; windows may overlap.

    A rise is due to the number that is the largest in the input, a fall to the one that was it in the reference; both
    shares are between 0 and 1.
    """
    own, other = places.chunk(2)
    value, reference = x.chunk(2)
    y, before = value.gather(-1, own).detach(), reference.gather(-1, other).detach()
    at_own, at_other = value.gather(-1, own), value.gather(-1, other)
    rise = _share(torch.maximum(y, before) - before, at_own.detach() - reference.gather(-1, own).detach())
    fall = _share(y - torch.maximum(y, before), at_other.detach() - before)
    linear = rise * at_own + fall * at_other
    return torch.cat((linear - linear.detach() + y, before))


def _share(part: Tensor, whole: Tensor) -> Tensor:
    near = whole.abs() < NEAR
    return torch.where(near, 0, part / torch.where(near, 1, whole))
