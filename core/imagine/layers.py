"""The layers that deep dream and style transfer use by default, and their activations for pictures of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ..explain import places
from ..explain.activations import activations
from ..explain.places import Place
from ..network import Network
from ..problem import USAGE, Problem
from .dream import Features

ACTIVATIONS = ("relu", "relu6", "leaky", "elu", "gelu", "sigmoid", "tanh", "maxout")
DREAM_STEP, CONTENT_STEP = 16, 8  # input pixels between neighbours of a map, at most


def features(network: nn.Module, layers: Sequence[Place], to_maps: Callable[[Tensor], Tensor]) -> Features:
    """Returns the function from values (B, C, H, W) to the activations of the layers."""
    return lambda values: activations(network, layers, to_maps(values))


def map_layers(network: Network, names: Sequence[str]) -> list[Place]:
    """Finds layers by number or name. Raises Problem for an unknown one, or one that does not give maps."""
    layers = [places.layer(network, name) for name in names]
    for place in layers:
        if len(place.row.output) != 3:
            raise Problem(
                f"{place.name} gives a row of numbers, which have no position in a picture; "
                f"name a layer with maps, such as {places.last_maps(network)[-1].name}",
                USAGE,
            )
    return layers


def dream_layers(network: Network) -> list[Place]:
    """The last layer with maps no coarser than a sixteenth of the picture: patterns, eyes, wheels."""
    places.convolutions(network)
    return [place for place in _top_level(network) if _step(network, place) <= DREAM_STEP][-1:]


def content_layers(network: Network) -> list[Place]:
    """The last activation no coarser than an eighth of the picture (in VGG-16 relu4_3; the paper uses 4_2)."""
    places.convolutions(network)
    return [place for place in _activations(network) if _step(network, place) <= CONTENT_STEP][-1:]


def style_layers(network: Network) -> list[Place]:
    """The first activation at each size of maps: in VGG-16 relu1_1, relu2_1, … relu5_1, as in the paper."""
    places.convolutions(network)
    first: dict[int, Place] = {}
    for place in _activations(network):
        first.setdefault(place.row.output[1], place)
    return list(first.values())


def _top_level(network: Network) -> list[Place]:
    """The layers with several maps that are not inside a combinator."""
    outermost = [place for place in places.places(network) if "." not in place.number]
    return [place for place in outermost if len(place.row.output) == 3 and place.units > 1]


def _activations(network: Network) -> list[Place]:
    """Activation layers or, if the network has none with maps, all layers with maps."""
    layers = _top_level(network)
    return [place for place in layers if place.row.layer.name in ACTIVATIONS] or layers


def _step(network: Network, place: Place) -> float:
    """The distance in input pixels between two neighbours of the layer's maps."""
    return network.input[1] / place.row.output[1]


def check_size(network: Network, last: Place, height: int, width: int) -> None:
    """Raises Problem if a picture is too small for the layers up to `last`."""
    layers = network.layers[: last.top_level + 1]
    try:
        Network((network.input[0], height, width), layers)
    except Problem as problem:
        rows, columns = last.row.receptive_field
        raise Problem(
            f"a picture of {height}×{width} is too small for {last.name}, whose receptive field is {rows}×{columns} "
            f"pixels ({problem}); take a larger --size, a larger picture, or an earlier layer",
            USAGE,
        ) from None
