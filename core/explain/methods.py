"""The attribution methods by name: what each computes, which networks it suits, and whether its map has a sign."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from .. import modules
from ..layers.anchors import Regions
from ..layers.whole import Dense, GlobalPool
from ..network import Network, walk
from ..problem import USAGE, Problem, did_you_mean
from ..tasks import Task
from ..tasks.classify import Classify
from . import deeplift as deeplift_rules
from . import gradients
from . import lrp as lrp_rules
from .gradcam import default_layers, gradcam
from .interpretable import InterpretableEmbedding, InterpretableNetwork
from .occlusion import occlusion
from .places import Place, last_maps, places


@dataclass(frozen=True)
class Subject:
    """A batch to explain: the network's description and module in evaluation mode, and the maps it gets."""

    network: Network
    module: nn.Module
    maps: Tensor  # (B, C, H, W)
    baseline: Tensor  # the maps of an empty input
    layers: Sequence[Place] = ()  # for gradcam; by default the last ones
    task: Task = field(default_factory=lambda: Classify([]))  # which says what to differentiate

    @property
    def interpretable(self) -> InterpretableNetwork:
        """A copy of the network whose inputs have gradients."""
        return InterpretableNetwork(self.module, self.maps, self.baseline, self.task.scalars)

    def outputs(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, K): the scalars that explanations differentiate."""
        return self.task.scalars(self.module(maps))


@dataclass(frozen=True)
class Method:
    """`compute(subject, targets)` returns relevance, (B, H, W), for the output whose index is each input's target.

    A signed map separates evidence for the output from evidence against it; an unsigned one shows importance.
    """

    name: str
    about: str
    signed: bool
    compute: Callable[[Subject, Tensor], Tensor]
    # Why the method does not suit a network; "" if it does.
    incompatibility: Callable[[Network, nn.Module], str] = lambda network, module: ""
    # The layers whose maps are added up, which may be coarser than the input.
    layers: Callable[[Subject], Sequence[Place]] | None = None


def _by_gradient(
    function: Callable[[InterpretableNetwork, Tensor], Tensor],
) -> Callable[[Subject, Tensor], Tensor]:
    return lambda subject, targets: function(subject.interpretable, targets).detach()


def _gradcam(subject: Subject, targets: Tensor) -> Tensor:
    return gradcam(subject.interpretable, targets, _gradcam_layers(subject))


def _gradcam_layers(subject: Subject) -> Sequence[Place]:
    return subject.layers or default_layers(subject.network)


def _occlusion(subject: Subject, targets: Tensor) -> Tensor:
    return occlusion(subject.outputs, subject.maps, subject.baseline, targets, subject.network)


def _without_relu(network: Network, module: nn.Module) -> str:
    if any(isinstance(layer, nn.ReLU | nn.ReLU6) for layer in module.modules()):
        return ""
    return "it changes the gradient of relu and relu6, and the network has neither"


def _without_maps(network: Network, module: nn.Module) -> str:
    has_numbers = len(network.output) == 1
    if has_numbers and not any(isinstance(row.layer, Dense | GlobalPool | Regions) for _, row in walk(network.rows)):
        return "it weights whole maps, and here every label is a position of one"
    try:
        return "" if last_maps(network) else "it adds up the maps of a convolution, and the network has only one"
    except Problem:
        return "it adds up the maps of the last convolution, and the model has no convolution"


def _without_rule(supported: tuple[type[nn.Module], ...]) -> Callable[[Network, nn.Module], str]:
    tables = (modules.Embed, modules.Bag, InterpretableEmbedding)

    def incompatibility(network: Network, module: nn.Module) -> str:
        for place in places(network):
            layer = place.module(module)
            computing = layer.merge if isinstance(layer, modules.Combinator) else layer
            if not isinstance(computing, (*tables, *supported)):
                return f"it has no rule for {place.name}"
        return ""

    return incompatibility


METHODS = {
    method.name: method
    for method in (
        Method("saliency", "the absolute gradient of the output", False, _by_gradient(gradients.saliency)),
        Method("gradient-input", "the gradient times the input", True, _by_gradient(gradients.gradient_input)),
        Method(
            "integrated-gradients",
            "the gradient times the input, averaged from a baseline to the input",
            True,
            _by_gradient(gradients.integrated_gradients),
        ),
        Method(
            "guided-backprop",
            "the gradient, of which relu passes back positive values only",
            False,
            _by_gradient(gradients.guided_backprop),
            _without_relu,
        ),
        Method(
            "deconvnet",
            "the gradient, with relu applied to it",
            False,
            _by_gradient(gradients.deconvnet),
            _without_relu,
        ),
        Method(
            "gradcam",
            "the maps of a late layer, weighted by gradients",
            False,
            _gradcam,
            _without_maps,
            _gradcam_layers,
        ),
        Method("occlusion", "the decrease of the output under a patch", True, _occlusion),
        Method(
            "deeplift",
            "contributions to the difference from a baseline",
            True,
            _by_gradient(deeplift_rules.deeplift),
            _without_rule(deeplift_rules.SUPPORTED),
        ),
        Method(
            "lrp",
            "the output, redistributed layer by layer",
            True,
            _by_gradient(lrp_rules.lrp),
            _without_rule(lrp_rules.SUPPORTED),
        ),
    )
}


def compatible_methods(network: Network, module: nn.Module) -> list[Method]:
    """Returns the methods that suit a network."""
    return [method for method in METHODS.values() if not method.incompatibility(network, module)]


def parse_methods(text: str, network: Network, module: nn.Module) -> list[Method]:
    """Reads `saliency,occlusion`, or `all` that suit the network. Raises Problem for an unknown or unsuitable one."""
    if text.strip() == "all":
        return compatible_methods(network, module)
    methods = []
    for name in dict.fromkeys(part.strip() for part in text.split(",")):
        method = METHODS.get(name)
        if method is None:
            hint = did_you_mean(name, METHODS)
            raise Problem(f"{name or 'nothing'} is not a method{hint}; there are {', '.join(METHODS)}, or all", USAGE)
        if reason := method.incompatibility(network, module):
            names = ", ".join(compatible.name for compatible in compatible_methods(network, module))
            raise Problem(f"{name} does not fit this network: {reason}; those that fit are {names}", USAGE)
        methods.append(method)
    return methods
