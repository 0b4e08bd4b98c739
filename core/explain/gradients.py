"""Methods that follow the gradient of a label's score back to the input.

captum computes those that it has; of `saliency` and `gradient-input`, which are one call of torch, it would take longer
to import (two seconds) than to compute.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .opened import Opened

STEPS, MOST_STEPS = 32, 128  # of an integral
EXACT = 0.01  # share of the difference of scores that an integral may miss
TOGETHER = 64  # inputs of an integral that are computed at once


def gradients(opened: Opened, targets: Tensor) -> tuple[Tensor, ...]:
    """The gradient of each target's score at the leaves."""
    leaves = opened.with_gradients()
    scores = opened(*leaves)
    return torch.autograd.grad(scores.gather(1, targets[:, None]).sum(), leaves)


def saliency(opened: Opened, targets: Tensor) -> Tensor:
    """|∂y/∂x|, the largest over the channels (Simonyan et al. 2014, arXiv:1312.6034, section 3.1)."""
    return opened.folded(gradients(opened, targets), "largest")


def gradient_input(opened: Opened, targets: Tensor) -> Tensor:
    """x · ∂y/∂x (Shrikumar et al. 2016, arXiv:1605.01713)."""
    told = gradients(opened, targets)
    return opened.folded(tuple(each * leaf for each, leaf in zip(told, opened.leaves, strict=True)))


def integrated_gradients(opened: Opened, targets: Tensor) -> Tensor:
    """(x − x₀) · the mean of ∂y/∂x on the way from the empty input x₀ (Sundararajan et al. 2017, arXiv:1703.01365).

    The sum over the places is the difference of the two scores. With four times the steps, until it is so within EXACT.
    """
    from captum.attr import IntegratedGradients

    method, steps = IntegratedGradients(opened), STEPS
    with torch.no_grad():
        difference = (opened(*opened.leaves) - opened(*opened.empty)).gather(1, targets[:, None])[:, 0].abs()
    while True:
        told, left = method.attribute(
            opened.leaves,
            opened.empty,
            target=targets,
            n_steps=steps,
            internal_batch_size=max(TOGETHER, len(targets)),
            return_convergence_delta=True,
        )
        if steps >= MOST_STEPS or bool((left.abs() <= EXACT * difference + 1e-6).all()):
            return opened.folded(told)
        steps *= 4


def guided_backprop(opened: Opened, targets: Tensor) -> Tensor:
    """|gradient|, of which relu lets only what is positive through, both ways (Springenberg et al. 2015, 1412.6806).

    relu6 hands back what is positive where it did not cut off at 6 either.
    """
    from captum.attr import GuidedBackprop

    return _hooked(GuidedBackprop, opened, targets)


def deconvnet(opened: Opened, targets: Tensor) -> Tensor:
    """|gradient|, with relu applied to what comes back (Zeiler and Fergus 2014, arXiv:1311.2901, section 2.1).

    So it is at relu6: the 6 is of the numbers on their way forth, and means nothing on the way back.
    """
    from captum.attr import Deconvolution

    return _hooked(Deconvolution, opened, targets)


class Clipped(nn.ReLU):
    """relu6 as captum knows a rectifier when it sees one: both rules are the same, but the mask has an upper end."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x)


def _hooked(method: Any, opened: Opened, targets: Tensor) -> Tensor:
    for holder in list(opened.words.modules()):
        for name, word in holder.named_children():
            if isinstance(word, nn.ReLU6):
                setattr(holder, name, Clipped())
    with quiet():
        return opened.folded(method(opened).attribute(opened.leaves, target=targets), "largest")


@contextmanager
def quiet() -> Iterator[None]:
    """captum warns of the hooks that it sets on a copy of ours, and takes away again."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="captum")
        warnings.filterwarnings("ignore", message="Setting backward hooks|Setting forward, backward hooks")
        yield
