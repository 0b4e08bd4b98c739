"""The methods by name: what each does, which networks it fits, and whether its map has a sign."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import modules
from ..layers import Dense, GlobalPool
from ..network import Network, walk
from ..problem import USAGE, Problem, did_you_mean
from . import deeplift as deeplifts
from . import gradients
from . import lrp as lrps
from .gradcam import gradcam
from .occlusion import occlusion
from .opened import Opened, Rows
from .places import Place, last_maps, places


@dataclass(frozen=True)
class Subject:
    """What is explained: a network in evaluation mode, and inputs as it sees them."""

    network: Network
    words: nn.Module
    maps: Tensor  # (B, C, H, W)
    empty: Tensor  # the same for an input with nothing in it
    layers: Sequence[Place] = ()  # whose maps gradcam takes; the last ones by default

    @property
    def opened(self) -> Opened:
        return Opened(self.words, self.maps, self.empty)


@dataclass(frozen=True)
class Method:
    """`compute(subject, targets)` gives relevance, (B, H, W), for the label that is each input's target.

    A signed map says what speaks for the label and what against it; another only how much it matters.
    """

    name: str
    about: str
    signed: bool
    compute: Callable[[Subject, Tensor], Tensor]
    misfit: Callable[[Network, nn.Module], str] = lambda network, words: ""  # why it does not fit, or ""


def _opened(function: Callable[[Opened, Tensor], Tensor]) -> Callable[[Subject, Tensor], Tensor]:
    return lambda subject, targets: function(subject.opened, targets).detach()


def _gradcam(subject: Subject, targets: Tensor) -> Tensor:
    layers = subject.layers or last_maps(subject.network)
    return gradcam(subject.opened, targets, layers)


def _occlusion(subject: Subject, targets: Tensor) -> Tensor:
    return occlusion(subject.words, subject.maps, subject.empty, targets, subject.network)


def _no_relu(network: Network, words: nn.Module) -> str:
    if any(isinstance(each, nn.ReLU | nn.ReLU6) for each in words.modules()):
        return ""
    return "it changes what relu and relu6 hand back, and the network has neither"


def _no_convolution(network: Network, words: nn.Module) -> str:
    if not any(isinstance(row.layer, Dense | GlobalPool) for _, row in walk(network.rows)):
        return "it weighs whole maps, and here every label is a place of one"
    try:
        return "" if last_maps(network) else "it adds up the maps of a convolution, and the network gives only one"
    except Problem:
        return "it adds up the maps of the last convolution, and the model has no convolution"


def _only(fits: tuple[type[nn.Module], ...]) -> Callable[[Network, nn.Module], str]:
    leaves = (modules.Embed, modules.Bag, Rows)

    def misfit(network: Network, words: nn.Module) -> str:
        for place in places(network):
            module = place.module(words)
            rule_for = module.merge if isinstance(module, modules.Combinator) else module
            if not isinstance(rule_for, (*leaves, *fits)):
                return f"it has no rule for {place.name}"
        return ""

    return misfit


METHODS = {
    method.name: method
    for method in (
        Method("saliency", "how much the score changes with each point", False, _opened(gradients.saliency)),
        Method("gradient-input", "that, times the point", True, _opened(gradients.gradient_input)),
        Method(
            "integrated-gradients",
            "that, along the way from an empty input",
            True,
            _opened(gradients.integrated_gradients),
        ),
        Method(
            "guided-backprop",
            "the gradient, of which relu lets only positive parts back",
            False,
            _opened(gradients.guided_backprop),
            _no_relu,
        ),
        Method("deconvnet", "the way back, with relu on it", False, _opened(gradients.deconvnet), _no_relu),
        Method("gradcam", "the last convolution's maps, by their weight", False, _gradcam, _no_convolution),
        Method("occlusion", "the fall of the score under a patch", True, _occlusion),
        Method(
            "deeplift",
            "what each point adds, compared with an empty input",
            True,
            _opened(deeplifts.deeplift),
            _only(deeplifts.FITS),
        ),
        Method("lrp", "the score, handed back layer by layer", True, _opened(lrps.lrp), _only(lrps.FITS)),
    )
}


def fitting(network: Network, words: nn.Module) -> list[Method]:
    """The methods that fit a network."""
    return [method for method in METHODS.values() if not method.misfit(network, words)]


def methods(asked: str, network: Network, words: nn.Module) -> list[Method]:
    """`saliency,occlusion`, or `all` that fit. Raises Problem for one that is unknown or does not fit the network."""
    if asked.strip() == "all":
        return fitting(network, words)
    found = []
    for name in dict.fromkeys(part.strip() for part in asked.split(",")):
        method = METHODS.get(name)
        if method is None:
            close = did_you_mean(name, METHODS)
            raise Problem(f"{name or 'nothing'} is not a method{close}; there are {', '.join(METHODS)}, or all", USAGE)
        if reason := method.misfit(network, words):
            others = ", ".join(each.name for each in fitting(network, words))
            raise Problem(f"{name} does not fit this network: {reason}; those that fit are {others}", USAGE)
        found.append(method)
    return found


def checked(words: nn.Module) -> None:
    """Raises Problem where weights are not finite: every map of such a network would be empty."""
    for name, weight in words.state_dict().items():
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            raise Problem(
                f"the network's weights are damaged: {name} holds numbers that are not finite; train it anew", 1
            )
