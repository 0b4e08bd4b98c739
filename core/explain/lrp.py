"""Layer-wise relevance propagation: an output is redistributed layer by layer to the input, and its sum is conserved.

Rules by depth, as Montavon et al. 2019 (Layer-Wise Relevance Propagation: An Overview, section 10.3) recommend them:
the epsilon rule for dense layers, where each input gets its signed share of the sum (Bach et al. 2015, eq. 58), and
alpha 1, beta 0 for convolutions, where only contributions of the sum's own sign count (eq. 60). The contribution of a
bias is divided among the inputs in proportion to theirs (after Arras et al. 2017, arXiv:1706.07206, section 3.1);
otherwise relevance would stay with the biases, which is why captum's implementation does not conserve. Batch
normalisation is merged into the convolution before it. Local response normalisation and the bias of `globalbias` count
as constants.
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
from .interpretable import InterpretableEmbedding, InterpretableNetwork
from .walk import walk, with_backward

TINY = 1e-9  # a sum below this has no relevance to redistribute
WEIGHTED = (nn.Conv2d, modules.Local)
ELEMENTWISE = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.Sigmoid, nn.Tanh, nn.BatchNorm1d, nn.BatchNorm2d),
    *(nn.LocalResponseNorm, modules.Bias, modules.GlobalBias, modules.Scale),
)  # one number in, one out: relevance passes unchanged
# Relevance follows the gradient.
ROUTED = (nn.MaxPool2d, modules.GlobalMax, modules.Maxout, nn.Flatten, nn.Dropout, modules.NGrams)
MERGES = (modules.Sum, modules.Mean, modules.Maximum, modules.Concatenate, modules.Positions)
AVERAGES = (nn.AvgPool2d, modules.GlobalAvg, modules.BlurPool, modules.Upsample)
SUPPORTED = (*WEIGHTED, *ELEMENTWISE, *ROUTED, nn.Linear, *AVERAGES, modules.L2Pool, *MERGES)

Linear = Callable[
    [Tensor, Tensor | None], Tensor
]  # inputs and weights to use instead of the layer's -> sums without bias


def lrp(network: InterpretableNetwork, targets: Tensor) -> Tensor:
    """Redistributes the output of each target over the positions: (B, H, W); the sum is the output.

    Where the output is not a logit itself, the relevance of the logits is z · ∂y/∂z.
    """
    inputs = network.inputs_with_gradients()
    logits = walk(_fused(network.network), network.first_input(inputs), _rule)
    leaf = logits.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(network.scalars(leaf).gather(1, targets[:, None]).sum(), leaf)
    # The walk turns the gradient of a logit into its relevance. A scalar, for torch imports sympy (0.6 s) otherwise.
    relevance = (logits * (leaf.detach() * slopes)).sum()
    return network.over_positions(torch.autograd.grad(relevance, inputs))


def _rule(module: nn.Module, *inputs: Tensor) -> Tensor:
    if isinstance(module, modules.Sum | modules.Mean):
        return _merge(module, inputs)
    if isinstance(module, modules.Maximum | modules.Concatenate | modules.Positions):
        return module(*inputs)  # type: ignore[no-any-return]
    (x,) = inputs
    if isinstance(module, WEIGHTED):
        return _windows(module, x)
    if isinstance(module, nn.Linear):
        return _dense(module, x)
    if isinstance(module, AVERAGES):
        y = module(x.detach())
        return with_backward(y, lambda gradient: _by_sign(lambda v, _: module(v), x.detach(), None, y, gradient), x)
    if isinstance(module, modules.L2Pool):
        sums = module(x.detach()).square()
        return with_backward(sums.sqrt(), lambda gradient: _squares(module, x.detach(), sums, gradient), x)
    if isinstance(module, InterpretableEmbedding) and isinstance(module.table, modules.Bag):
        assert module.override is not None
        return _bag(module.override, module.table.bias)
    if isinstance(module, ELEMENTWISE):
        return with_backward(module(x.detach()), lambda gradient: gradient, x)
    return module(x)  # type: ignore[no-any-return]


# --- alpha 1, beta 0 -------------------------------------------------------------------------------------------------


def _windows(module: nn.Module, x: Tensor) -> Tensor:
    y = module(x.detach())
    no_bias = {"bias": torch.zeros_like(module.bias)} if isinstance(module.bias, Tensor) else {}

    def linear(values: Tensor, weight: Tensor | None) -> Tensor:
        assert weight is not None
        return functional_call(module, {"weight": weight, **no_bias}, (values,))  # type: ignore[no-any-return]

    weight = module.weight.detach()  # type: ignore[operator]
    return with_backward(y, lambda gradient: _by_sign(linear, x.detach(), weight, y, gradient), x)


def _by_sign(linear: Linear, x: Tensor, weight: Tensor | None, y: Tensor, relevance: Tensor) -> Tensor:
    """Redistributes the relevance of each sum y to the products of the same sign, in proportion.

    If none has its sign, a bias has decided: then to all products by their size and, if all are zero, to all evenly.
    """
    positive, negative = (None, None) if weight is None else (weight.clamp_min(0), weight.clamp_max(0))
    with torch.enable_grad():
        above, below = x.clamp_min(0).requires_grad_(), x.clamp_max(0).requires_grad_()
        ones = torch.ones_like(x).requires_grad_()
        if weight is None:
            rises, falls = linear(above, None), linear(below, None)
        else:
            rises = linear(above, positive) + linear(below, negative)
            falls = linear(above, negative) + linear(below, positive)
        count = linear(ones, None if weight is None else torch.ones_like(weight))
        same_sign, absolute = torch.where(y >= 0, rises, -falls).detach(), (rises - falls).detach()
        least = TINY + 1e-6 * y.abs()
        by_sign, by_size = same_sign > least, (same_sign <= least) & (absolute > least)
        signs = torch.where(y >= 0, 1.0, 0.0)
        size_share = _masked(by_size, relevance, absolute)
        to_rises = torch.where(by_sign, signs * relevance / same_sign.clamp_min(TINY), 0) + size_share
        to_falls = torch.where(by_sign, (1 - signs) * relevance / same_sign.clamp_min(TINY), 0) + size_share
        to_all = _masked(~by_sign & ~by_size, relevance, count.detach())
        total = (rises * to_rises - falls * to_falls + count * to_all).sum()
        gradients = torch.autograd.grad(total, (above, below, ones))
    return (gradients[0] * above + gradients[1] * below + gradients[2]).detach()


def _masked(mask: Tensor, relevance: Tensor, total: Tensor) -> Tensor:
    return torch.where(mask, relevance / total.clamp_min(TINY), 0)


def _merge(module: nn.Module, branches: Sequence[Tensor]) -> Tensor:
    """A sum or mean of branches: its relevance goes to the branches of its sign, in proportion."""
    y = module(*[branch.detach() for branch in branches])

    def backward(relevance: Tensor) -> tuple[Tensor, ...]:
        parts = [(branch.detach() * torch.where(y >= 0, 1, -1)).clamp_min(0) for branch in branches]
        total = torch.stack(parts).sum(0)
        even = 1 / len(parts)
        return tuple(torch.where(total > TINY, part / total.clamp_min(TINY), even) * relevance for part in parts)

    return with_backward(y, backward, *branches)


# --- epsilon rule ----------------------------------------------------------------------------------------------------


def _dense(module: nn.Linear, x: Tensor) -> Tensor:
    y, weight = module(x.detach()), module.weight.detach()

    def backward(relevance: Tensor) -> Tensor:
        share = relevance / _away_from_zero(y)
        values = x.detach()
        result = values * (share @ weight)
        if module.bias is not None:
            sizes = F.linear(values.abs(), weight.abs())
            bias = share * module.bias.detach()
            result = result + values.abs() * ((bias / sizes.clamp_min(TINY)) @ weight.abs())
        return result

    return with_backward(y, backward, x)


def _bag(rows: Tensor, bias: Tensor) -> Tensor:
    """(B, C, L, dim) rows of a bag and its bias -> their sum (B, dim); the bias is divided by the rows' sizes."""
    values = rows.detach()
    y, sizes = values.sum((1, 2)) + bias.detach(), values.abs().sum((1, 2)).clamp_min(TINY)

    def backward(relevance: Tensor) -> Tensor:
        share = relevance / _away_from_zero(y)
        return values * share[:, None, None] + values.abs() * (share * bias.detach() / sizes)[:, None, None]

    return with_backward(y, backward, rows)


def _away_from_zero(y: Tensor) -> Tensor:
    return torch.where(y >= 0, y.clamp_min(TINY), y.clamp_max(-TINY))


def _squares(module: modules.L2Pool, x: Tensor, sums: Tensor, relevance: Tensor) -> Tensor:
    with torch.enable_grad():
        squares = x.square().requires_grad_()
        pooled = F.avg_pool2d(squares, module.size, module.stride, module.pad, module.ceil, divisor_override=1)
        (slopes,) = torch.autograd.grad((pooled * (relevance / sums.clamp_min(TINY))).sum(), squares)
    return (slopes * squares).detach()


# --- convolutions with their batch normalisation ---------------------------------------------------------------------


def _fused(module: nn.Module) -> nn.Module:
    """Returns a copy in which batch normalisations are merged into the convolutions before them.

    A normalisation with positive weights and a max pool before it commute: they keep the order of numbers.
    """
    if isinstance(module, Sequential):
        layers = [_fused(layer) for layer in module]
        index = 0
        while index + 1 < len(layers):
            layer, following = layers[index : index + 2]
            if isinstance(layer, nn.MaxPool2d) and _keeps_order(following):
                layers[index : index + 2] = following, layer
                index = max(0, index - 1)
            elif type(layer) is nn.Conv2d and isinstance(following, nn.BatchNorm2d):
                layers[index : index + 2] = [fuse_conv_bn_eval(layer, following)]
            else:
                index += 1
        return Sequential(*layers)
    if isinstance(module, modules.Combinator):
        shared = None if module.shared is None else _fused(module.shared)
        return module.with_branches([_fused(branch) for branch in module.branches], shared)
    return module


def _keeps_order(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d) and module.affine and bool((module.weight > 0).all())
