"""Layer-wise relevance propagation: the score, handed back from word to word; nothing is lost and nothing added.

Rules by depth, as Montavon et al. 2019 (Layer-Wise Relevance Propagation: An Overview, section 10.3) recommend them:
where all is connected to all, every input gets its share of the sum with its sign (Bach et al. 2015, eq. 58); where
windows move, only what speaks for the sum that came of it (alpha 1, beta 0; eq. 60). What a bias says is shared by the
inputs beside it, in proportion to what they say (after Arras et al. 2017, arXiv:1706.07206, section 3.1), for otherwise
relevance stays with the biases: that is why captum's does not conserve. Batch normalisation is a part of the
convolution before it; a local response normalisation counts as a constant, and so does a
bias that is read from the whole board.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .. import modules
from ..sequential import Sequential
from .opened import Opened, Rows
from .walk import walk, with_backward

TINY = 1e-9  # of a sum: nothing to share
WEIGHED = (nn.Conv2d, modules.Local)
HANDED_ON = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.Sigmoid, nn.Tanh, nn.BatchNorm1d, nn.BatchNorm2d),
    *(nn.LocalResponseNorm, modules.Bias, modules.GlobalBias, modules.Scale),
)  # one number in, one out: whatever it becomes is its own
ROUTED = (nn.MaxPool2d, modules.GlobalMax, modules.Maxout, nn.Flatten, nn.Dropout, modules.NGrams)  # as gradients go
MERGES = (modules.Sum, modules.Mean, modules.Concatenate)
FITS = (*WEIGHED, *HANDED_ON, *ROUTED, nn.Linear, nn.AvgPool2d, modules.GlobalAvg, modules.L2Pool, *MERGES)

Linear = Callable[[Tensor, Tensor | None], Tensor]  # inputs and other weights than its own -> sums without bias


def lrp(opened: Opened, targets: Tensor) -> Tensor:
    """The score of each target, shared by the places: (B, H, W); the sum is the score."""
    leaves = opened.with_gradients()
    for table, rows in zip(opened.tables, leaves, strict=False):
        table.given = rows
    fused = _fused(opened.words)
    scores = walk(fused, opened.maps if opened.tables else leaves[0], _rule)
    told = scores.gather(1, targets[:, None])
    shares = told * told.detach()  # torch takes gradients of several numbers too, and imports sympy for it: 0.6 s
    return opened.folded(torch.autograd.grad(shares.sum(), leaves))


def _rule(module: nn.Module, *inputs: Tensor) -> Tensor:
    if isinstance(module, modules.Sum | modules.Mean):
        return _added(module, inputs)
    if isinstance(module, modules.Concatenate):
        return module(*inputs)  # type: ignore[no-any-return]
    (x,) = inputs
    if isinstance(module, WEIGHED):
        return _windows(module, x)
    if isinstance(module, nn.Linear):
        return _dense(module, x)
    if isinstance(module, nn.AvgPool2d | modules.GlobalAvg):
        y = module(x.detach())
        return with_backward(y, lambda arriving: _by_sign(lambda v, _: module(v), x.detach(), None, y, arriving), x)
    if isinstance(module, modules.L2Pool):
        sums = module(x.detach()).square()
        return with_backward(sums.sqrt(), lambda arriving: _squares(module, x.detach(), sums, arriving), x)
    if isinstance(module, Rows) and isinstance(module.table, modules.Bag):
        assert module.given is not None
        return _pooled(module.given, module.table.bias)
    if isinstance(module, HANDED_ON):
        return with_backward(module(x.detach()), lambda arriving: arriving, x)
    return module(x)  # type: ignore[no-any-return]


# --- by sign ---------------------------------------------------------------------------------------------------------


def _windows(module: nn.Module, x: Tensor) -> Tensor:
    y = module(x.detach())
    nothing = {"bias": torch.zeros_like(module.bias)} if isinstance(module.bias, Tensor) else {}

    def linear(values: Tensor, weight: Tensor | None) -> Tensor:
        assert weight is not None
        return functional_call(module, {"weight": weight, **nothing}, (values,))  # type: ignore[no-any-return]

    weight = module.weight.detach()  # type: ignore[operator]
    return with_backward(y, lambda arriving: _by_sign(linear, x.detach(), weight, y, arriving), x)


def _by_sign(linear: Linear, x: Tensor, weight: Tensor | None, y: Tensor, arriving: Tensor) -> Tensor:
    """Each sum y gives what arrives at it to the products of its own sign, in proportion.

    Where none has its sign, a bias has decided: then to all, by their size; where all are zero, to all alike.
    """
    up, down = (None, None) if weight is None else (weight.clamp_min(0), weight.clamp_max(0))
    with torch.enable_grad():
        above, below = x.clamp_min(0).requires_grad_(), x.clamp_max(0).requires_grad_()
        ones = torch.ones_like(x).requires_grad_()
        if weight is None:
            rises, falls = linear(above, None), linear(below, None)
        else:
            rises = linear(above, up) + linear(below, down)
            falls = linear(above, down) + linear(below, up)
        alike = linear(ones, None if weight is None else torch.ones_like(weight))
        chosen, whole = torch.where(y >= 0, rises, -falls).detach(), (rises - falls).detach()
        least = TINY + 1e-6 * y.abs()
        first, second = chosen > least, (chosen <= least) & (whole > least)
        signs = torch.where(y >= 0, 1.0, 0.0)
        to_rises = torch.where(first, signs * arriving / chosen.clamp_min(TINY), 0) + _if(second, arriving, whole)
        to_falls = torch.where(first, (1 - signs) * arriving / chosen.clamp_min(TINY), 0) + _if(second, arriving, whole)
        to_all = _if(~first & ~second, arriving, alike.detach())
        total = (rises * to_rises - falls * to_falls + alike * to_all).sum()
        sent = torch.autograd.grad(total, (above, below, ones))
    return (sent[0] * above + sent[1] * below + sent[2]).detach()


def _if(where: Tensor, arriving: Tensor, whole: Tensor) -> Tensor:
    return torch.where(where, arriving / whole.clamp_min(TINY), 0)


def _added(module: nn.Module, parts: Sequence[Tensor]) -> Tensor:
    """A sum or mean of branches: what arrives goes to those of its sign, in proportion."""
    y = module(*[part.detach() for part in parts])

    def back(arriving: Tensor) -> tuple[Tensor, ...]:
        own = [(part.detach() * torch.where(y >= 0, 1, -1)).clamp_min(0) for part in parts]
        whole = torch.stack(own).sum(0)
        return tuple(torch.where(whole > TINY, each / whole.clamp_min(TINY), 1 / len(own)) * arriving for each in own)

    return with_backward(y, back, *parts)


# --- with signs ------------------------------------------------------------------------------------------------------


def _dense(module: nn.Linear, x: Tensor) -> Tensor:
    y, weight = module(x.detach()), module.weight.detach()

    def back(arriving: Tensor) -> Tensor:
        share = arriving / _away_from_zero(y)
        values = x.detach()
        sent = values * (share @ weight)
        if module.bias is not None:
            sizes = F.linear(values.abs(), weight.abs())
            bias = share * module.bias.detach()
            sent = sent + values.abs() * ((bias / sizes.clamp_min(TINY)) @ weight.abs())
        return sent

    return with_backward(y, back, x)


def _pooled(rows: Tensor, bias: Tensor) -> Tensor:
    """(B, C, L, dim) rows of a bag and its bias -> their sum (B, dim); the rows share what the bias says by size."""
    values = rows.detach()
    y, sizes = values.sum((1, 2)) + bias.detach(), values.abs().sum((1, 2)).clamp_min(TINY)

    def back(arriving: Tensor) -> Tensor:
        share = arriving / _away_from_zero(y)
        return values * share[:, None, None] + values.abs() * (share * bias.detach() / sizes)[:, None, None]

    return with_backward(y, back, rows)


def _away_from_zero(y: Tensor) -> Tensor:
    return torch.where(y >= 0, y.clamp_min(TINY), y.clamp_max(-TINY))


def _squares(module: modules.L2Pool, x: Tensor, sums: Tensor, arriving: Tensor) -> Tensor:
    with torch.enable_grad():
        squares = x.square().requires_grad_()
        pooled = F.avg_pool2d(squares, module.size, module.stride, module.pad, module.ceil, divisor_override=1)
        (sent,) = torch.autograd.grad((pooled * (arriving / sums.clamp_min(TINY))).sum(), squares)
    return (sent * squares).detach()


# --- convolutions with their batch normalisation ---------------------------------------------------------------------


def _fused(module: nn.Module) -> nn.Module:
    """A copy in which each convolution has taken in the batch normalisation behind it, also one behind its max pool.

    A normalisation that turns no sign and a max pool may change places: the largest stays the largest.
    """
    if isinstance(module, Sequential):
        words = [_fused(word) for word in module]
        at = 0
        while at + 1 < len(words):
            if isinstance(words[at], nn.MaxPool2d) and _keeps_order(words[at + 1]):
                words[at : at + 2] = words[at + 1], words[at]
                at = max(0, at - 1)
            elif type(words[at]) is nn.Conv2d and isinstance(words[at + 1], nn.BatchNorm2d):
                words[at : at + 2] = [fuse_conv_bn_eval(words[at], words[at + 1])]  # type: ignore[arg-type, type-var]
            else:
                at += 1
        return Sequential(*words)
    if isinstance(module, modules.Combinator):
        return module.with_branches([_fused(branch) for branch in module.branches])
    return module


def _keeps_order(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d) and module.affine and bool((module.weight > 0).all())
