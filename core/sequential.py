"""A network as torch runs it: its layers in order and, in training, in an equivalent order that costs less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_modules

from .fusion import Plan, plan
from .receptive_field import Window


class Sequential(nn.Sequential):
    """One module for each layer, in order.

    In training it runs `fused` (core/fusion.py): the same numbers and gradients for less work. It does not while a hook
    listens to one of its layers, so that hooks get what each layer receives and gives, in training as in evaluation.
    Set `fused` to None to turn this off.
    """

    fused: Plan | None = None

    def with_plan(self, windows: Sequence[Window | None]) -> Self:
        """Plans for training, given the window of each layer; None for layers that have none."""
        self.fused = plan(list(self), windows)
        return self

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self)
        if self.training and self.fused is not None and self.fused.fits(layers) and not has_listener(layers):
            return self.fused.run(layers, x)
        for layer in layers:
            x = layer(x)
        return x


def has_listener(layers: Sequence[nn.Module]) -> bool:
    """Returns True if a forward or backward hook is registered on one of the layers, or on all modules."""
    if torch.compiler.is_compiling():
        return False
    return _has_global_hook() or any(
        layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks
        for layer in layers
    )


def _has_global_hook() -> bool:
    return bool(
        torch_modules._global_forward_hooks
        or torch_modules._global_forward_pre_hooks
        or torch_modules._global_backward_hooks
        or torch_modules._global_backward_pre_hooks
    )
