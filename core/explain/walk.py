"""Attribution with a rule for each layer: runs a network layer by layer and replaces the gradients (deeplift, lrp)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .. import modules
from ..sequential import Sequential

Rule = Callable[..., Tensor]  # a module and its inputs -> its output, whose gradients are what the rule makes them
Back = Callable[[Tensor], Tensor | tuple[Tensor, ...]]


class _WithBackward(torch.autograd.Function):
    """A value whose gradients with respect to its sources are replaced."""

    @staticmethod
    def forward(ctx: Any, back: Back, value: Tensor, *sources: Tensor) -> Tensor:
        ctx.back = back
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        result = ctx.back(gradients[0])
        return (None, None, *(result if isinstance(result, tuple) else (result,)))


def with_backward(value: Tensor, back: Back, *sources: Tensor) -> Tensor:
    """Returns `value`, computed from `sources`, whose backward pass is `back`: its gradient -> those of the sources."""
    return _WithBackward.apply(back, value.detach(), *sources)  # type: ignore[no-any-return]


def walk(module: nn.Module, x: Tensor, rule: Rule) -> Tensor:
    """Returns the output of `module` for x; `rule` computes every layer that holds no others, and every merge."""
    if isinstance(module, Sequential):
        for layer in module:
            x = walk(layer, x, rule)
        return x
    if isinstance(module, modules.Combinator):
        outputs = [walk(branch, x, rule) for branch in module.branches]
        if module.shared is not None:
            outputs = [walk(module.shared, output, rule) for output in outputs]
        return rule(module.merge, *outputs)
    return rule(module, x)
