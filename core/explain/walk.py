"""A network walked word by word, each with a rule of its own for the way back: what deeplift and lrp are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .. import modules
from ..sequential import Sequential

Rule = Callable[[nn.Module, Tensor], Tensor]
Back = Callable[[Tensor], Tensor | tuple[Tensor, ...]]
Sum = Callable[[Sequence[Tensor]], Tensor]


class _Passed(torch.autograd.Function):
    """A value, and what goes back to where it came from in the place of a gradient."""

    @staticmethod
    def forward(ctx: Any, back: Back, value: Tensor, *sources: Tensor) -> Tensor:
        ctx.back = back
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> Any:
        sent = ctx.back(arriving[0])
        return (None, None, *(sent if isinstance(sent, tuple) else (sent,)))


def passed(value: Tensor, back: Back, *sources: Tensor) -> Tensor:
    """`value`, computed from `sources`; on the way back, `back` turns what arrives at it into what they are sent."""
    return _Passed.apply(back, value.detach(), *sources)  # type: ignore[no-any-return]


def plain_sum(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(tuple(parts)).sum(0)


def walk(module: nn.Module, x: Tensor, rule: Rule, add: Sum = plain_sum) -> Tensor:
    """What `module` gives for x, where `rule` answers for every word that holds no others, and `add` for every sum."""
    if isinstance(module, Sequential):
        for word in module:
            x = walk(word, x, rule, add)
        return x
    if isinstance(module, modules.Residual):
        return add([walk(module.body, x, rule, add), walk(module.shortcut, x, rule, add)])
    if isinstance(module, modules.Parallel):
        return torch.cat([walk(branch, x, rule, add) for branch in module.branches], 1)
    if isinstance(module, modules.Vote):
        mean = modules.Scale(1 / len(module.branches))
        return rule(mean, add([walk(branch, x, rule, add) for branch in module.branches]))
    return rule(module, x)
