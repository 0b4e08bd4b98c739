"""Which layers a picture of any size is dreamt or restyled by, and what they answer to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from ..explain import places
from ..explain.places import Place
from ..network import Network
from ..problem import USAGE, Problem
from .dream import See

ACTIVATIONS = ("relu", "relu6", "leaky", "elu", "gelu", "sigmoid", "tanh", "maxout")
FINE, CONTENT = 16, 8  # input pixels from one place of a layer to the next: dreamt by, and of what a picture holds


def see(words: nn.Module, asked: Sequence[Place], front: Callable[[Tensor], Tensor]) -> See:
    """What the layers answer to values, in one pass that ends with the last of them."""
    layers = [place.module(words) for place in asked]
    last = max(int(place.number.split(".")[0]) for place in asked)
    wanted = list(words.children())[: last + 1]

    def run(values: Tensor) -> list[Tensor]:
        found: dict[nn.Module, Tensor] = {}
        hooks = [
            layer.register_forward_hook(lambda module, given, out: found.update({module: out})) for layer in layers
        ]
        try:
            maps = front(values)
            for word in wanted:
                maps = word(maps)
        finally:
            for hook in hooks:
                hook.remove()
        return [found[layer] for layer in layers]

    return run


def named(network: Network, asked: Sequence[str]) -> list[Place]:
    """Layers by number or word. Raises Problem for one that is not there, or that gives no maps."""
    found = [places.layer(network, each) for each in asked]
    for place in found:
        if len(place.row.output) != 3:
            raise Problem(
                f"{place.name} gives a row of numbers, which have no places in a picture; "
                f"name a layer with maps, as {places.last_maps(network)[-1].name}",
                USAGE,
            )
    return found


def dreamt_by(network: Network) -> list[Place]:
    """The last layer whose maps are not coarser than a sixteenth of the picture: patterns, eyes, wheels."""
    places.convolutions(network)
    return [each for each in _top(network) if _step(network, each) <= FINE][-1:]


def content_of(network: Network) -> list[Place]:
    """The last activation whose maps are not coarser than an eighth (in VGG-16 that is relu4_3; the paper has 4_2)."""
    places.convolutions(network)
    return [each for each in _active(network) if _step(network, each) <= CONTENT][-1:]


def style_of(network: Network) -> list[Place]:
    """The first activation at each size of maps: in VGG-16 relu1_1, relu2_1, … relu5_1, as in the paper."""
    places.convolutions(network)
    found: dict[int, Place] = {}
    for each in _active(network):
        found.setdefault(each.row.output[1], each)
    return list(found.values())


def _top(network: Network) -> list[Place]:
    """The layers that give several maps and stand inside no other."""
    every = [each for each in places.places(network) if "." not in each.number]
    return [each for each in every if len(each.row.output) == 3 and each.units > 1]


def _active(network: Network) -> list[Place]:
    """Activations, or where the network has none that give maps, all layers that do."""
    top = _top(network)
    return [each for each in top if each.row.layer.name in ACTIVATIONS] or top


def _step(network: Network, place: Place) -> float:
    """How many input pixels lie between two neighbours of the layer's maps."""
    return network.input[1] / place.row.output[1]


def fitting(network: Network, last: Place, height: int, width: int) -> None:
    """Raises Problem for a picture that is too small for the layers up to `last`."""
    upto = network.layers[: int(last.number.split(".")[0]) + 1]
    try:
        Network((network.input[0], height, width), upto)
    except Problem as problem:
        high, wide = last.row.receptive_field
        raise Problem(
            f"a picture of {height}×{width} is too small for {last.name}, which sees {high}×{wide} pixels at once "
            f"({problem}); take a larger --size, a larger picture, or an earlier layer",
            USAGE,
        ) from None
