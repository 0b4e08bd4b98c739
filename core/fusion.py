"""Fusing for training: layers in an order and to an extent that give the same numbers and gradients for less work.

- A max pool runs before a monotonic activation, which then has fewer numbers to compute: the largest of the values is
  the value of the largest.
- A convolution and the global maximum of its maps run as one (core/largest.py).
- On a CPU, rows and columns of a convolution's input that no later layer reads are left out: of 11 rows, a pool of 2
  does not read the last. If the convolution is padded, the copy of its input would cost as much as it saves.

A plan is made once, when a network is built. core/sequential.py runs it in training, unless a hook listens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .largest import fits, largest
from .modules import GlobalMax
from .receptive_field import Window, needed

ELEMENTWISE = nn.ReLU | nn.ReLU6 | nn.LeakyReLU | nn.ELU | nn.Sigmoid | nn.Tanh | nn.GELU


class Step(NamedTuple):
    """A layer, by its index, and how it runs."""

    layer: int
    with_maximum: bool = False  # a convolution and the global maximum behind it
    windows: tuple[Window, ...] = ()  # of a convolution and of what reads its maps; empty if nothing can be left out


@dataclass(frozen=True)
class Plan:
    """The order in which the layers of a Sequential run in training."""

    modules: tuple[nn.Module, ...]  # for which it was made
    steps: tuple[Step, ...]

    def fits(self, modules: Sequence[nn.Module]) -> bool:
        """Returns True if no layer was added, removed or replaced since the plan was made."""
        return torch.compiler.is_compiling() or tuple(modules) == self.modules

    def run(self, modules: Sequence[nn.Module], x: Tensor) -> Tensor:
        for index, with_maximum, windows in self.steps:
            layer = modules[index]
            if windows and x.device.type == "cpu":
                x = trim(x, windows)
            if with_maximum and not torch.compiler.is_compiling():  # a compiler makes gradients of its own
                assert isinstance(layer, nn.Conv2d)
                x = largest(layer, x)
            else:
                x = layer(x).amax((2, 3)) if with_maximum else layer(x)
        return x


def plan(modules: Sequence[nn.Module], windows: Sequence[Window | None]) -> Plan | None:
    """Returns how to run `modules`, whose windows are given, in training; None if as they stand."""
    order = list(range(len(modules)))
    for place in range(len(order) - 1):
        first, second = modules[order[place]], modules[order[place + 1]]
        if is_monotonic(first) and isinstance(second, nn.MaxPool2d | GlobalMax):
            order[place], order[place + 1] = order[place + 1], order[place]
    steps: list[Step] = []
    for place, index in enumerate(order):
        if steps and steps[-1].with_maximum and isinstance(modules[index], GlobalMax):
            continue  # part of the step before
        following = modules[order[place + 1]] if place + 1 < len(order) else None
        if fits(modules[index]) and isinstance(following, GlobalMax):
            steps.append(Step(index, with_maximum=True))
        else:
            chain = _chain([(modules[later], windows[later]) for later in order[place:]])
            steps.append(Step(index, windows=chain))
    plain = all(step == Step(index) for index, step in enumerate(steps))
    return None if plain else Plan(tuple(modules), tuple(steps))


def is_monotonic(module: nn.Module) -> bool:
    """Returns True for an activation of single numbers that never falls as its input rises."""
    if isinstance(module, nn.LeakyReLU):
        return module.negative_slope >= 0
    if isinstance(module, nn.ELU):
        return module.alpha >= 0
    return isinstance(module, nn.ReLU | nn.ReLU6 | nn.Sigmoid | nn.Tanh)


def _chain(layers: Sequence[tuple[nn.Module, Window | None]]) -> tuple[Window, ...]:
    """Returns the windows of a convolution and of what follows it, up to the first layer that may read everything.

    Empty where nothing can be left out: behind padding, or if no window behind the convolution skips anything.
    """
    if type(layers[0][0]) is not nn.Conv2d:
        return ()
    windows: list[Window] = []
    for module, window in layers:
        if isinstance(module, ELEMENTWISE):
            continue
        if window is None or window.padded or window.ceil or not _is_plain(module):
            break
        windows.append(window)
    skips = any(stride > 1 for window in windows[1:] for stride in window.stride)
    return tuple(windows) if skips else ()


def _is_plain(module: nn.Module) -> bool:
    return type(module) is nn.Conv2d or isinstance(module, nn.MaxPool2d | nn.AvgPool2d)


def trim(x: Tensor, windows: Sequence[Window]) -> Tensor:
    """Returns (B, C, H, W) without the last rows and columns that matter to nothing behind `windows`."""
    convolution, rest = windows[0], windows[1:]
    for axis in (0, 1):
        positions = convolution.out(x.shape[2 + axis], axis)
        if (read := needed(rest, positions, axis)) < positions:
            x = x.narrow(2 + axis, 0, convolution.covered(read, axis))
    return x
