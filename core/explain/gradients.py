"""Attribution by the gradient of an output with respect to the input.

captum computes the methods that it has, except `saliency` and `gradient-input`: they are one call of torch, and
importing captum takes two seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .interpretable import InterpretableNetwork

STEPS, MAX_STEPS = 32, 128  # of an integral
TOLERANCE = 0.01  # share of the difference of outputs that an integral may miss
BATCH_SIZE = 64  # points of an integral that are computed together


def gradients(network: InterpretableNetwork, targets: Tensor) -> tuple[Tensor, ...]:
    """Returns the gradient of each example's target output with respect to each input."""
    inputs = network.inputs_with_gradients()
    outputs = network(*inputs)
    return torch.autograd.grad(outputs.gather(1, targets[:, None]).sum(), inputs)


def saliency(network: InterpretableNetwork, targets: Tensor) -> Tensor:
    """|∂y/∂x|, the largest over the channels (Simonyan et al. 2014, arXiv:1312.6034, section 3.1)."""
    return network.over_positions(gradients(network, targets), "largest")


def gradient_input(network: InterpretableNetwork, targets: Tensor) -> Tensor:
    """x · ∂y/∂x (Shrikumar et al. 2016, arXiv:1605.01713)."""
    slopes = gradients(network, targets)
    return network.over_positions(tuple(slope * x for slope, x in zip(slopes, network.inputs, strict=True)))


def integrated_gradients(network: InterpretableNetwork, targets: Tensor) -> Tensor:
    """(x − x₀) · the mean of ∂y/∂x between the baseline x₀ and x (Sundararajan et al. 2017, arXiv:1703.01365).

    The sum over the positions is the difference of the two outputs. If it misses that by more than TOLERANCE, four
    times the steps are taken.
    """
    from captum.attr import IntegratedGradients

    method, steps = IntegratedGradients(network), STEPS
    with torch.no_grad():
        difference = (network(*network.inputs) - network(*network.baselines)).gather(1, targets[:, None])[:, 0].abs()
    while True:
        parts, delta = method.attribute(
            network.inputs,
            network.baselines,
            target=targets,
            n_steps=steps,
            internal_batch_size=max(BATCH_SIZE, len(targets)),
            return_convergence_delta=True,
        )
        if steps >= MAX_STEPS or bool((delta.abs() <= TOLERANCE * difference + 1e-6).all()):
            return network.over_positions(parts)
        steps *= 4


def guided_backprop(network: InterpretableNetwork, targets: Tensor) -> Tensor:
    """|gradient|, of which relu passes only positive values, forward and back (Springenberg et al. 2015, 1412.6806).

    relu6 also passes nothing back where it cut off at 6.
    """
    from captum.attr import GuidedBackprop

    return _with_relu_rule(GuidedBackprop, network, targets)


def deconvnet(network: InterpretableNetwork, targets: Tensor) -> Tensor:
    """|gradient|, with relu applied to the gradient alone (Zeiler and Fergus 2014, arXiv:1311.2901, section 2.1).

    The same for relu6: the bound of 6 is on the forward values and has no meaning for the gradient.
    """
    from captum.attr import Deconvolution

    return _with_relu_rule(Deconvolution, network, targets)


class ClippedReLU(nn.ReLU):
    """relu6 as a subclass of the module that captum replaces the gradient of."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(x)


def _with_relu_rule(method: Any, network: InterpretableNetwork, targets: Tensor) -> Tensor:
    for parent in list(network.network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.ReLU6):
                setattr(parent, name, ClippedReLU())
    with captum_warnings_ignored():
        return network.over_positions(method(network).attribute(network.inputs, target=targets), "largest")


@contextmanager
def captum_warnings_ignored() -> Iterator[None]:
    """captum warns about the hooks that it sets, on our copy, and removes again."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="captum")
        warnings.filterwarnings("ignore", message="Setting backward hooks|Setting forward, backward hooks")
        yield
