"""Layers of a network by the number that `neocog describe` prints, and their units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from .. import modules
from ..diagram import numbered, times, title
from ..layers.ancestors import BlurPool
from ..layers.pointwise import Dropout
from ..layers.windows import Filters, Pool
from ..network import Network, Row, walk
from ..problem import USAGE, Problem, did_you_mean

MAX_LISTED = 40  # layers that a message lists


class Place(NamedTuple):
    """A layer of a network; number "4.1.0" is layer 0 of branch 1 of layer 4."""

    number: str
    row: Row

    @property
    def name(self) -> str:
        return f"layer {self.number}, {title(self.row)}"

    @property
    def units(self) -> int:
        """The number of maps that the layer gives, or of numbers."""
        return self.row.output[0]

    @property
    def top_level(self) -> int:
        """The index of the layer, or of the outermost combinator that holds it."""
        return int(self.number.split(".")[0])

    def module(self, network: nn.Module) -> nn.Module:
        """Returns the module of this layer in the network that `Network.module()` built."""
        numbers = [int(part) for part in self.number.split(".")]
        layer = network[numbers[0]]  # type: ignore[index]
        for branch, index in zip(numbers[1::2], numbers[2::2], strict=True):
            assert isinstance(layer, modules.Combinator), layer
            layer = layer.sequences[branch][index]  # type: ignore[index]
        return layer  # type: ignore[no-any-return]


def places(network: Network) -> list[Place]:
    """Returns all layers in the order in which `describe` prints them."""
    return [Place(number, row) for number, _, row in numbered(network.rows)]


def layer(network: Network, text: str) -> Place:
    """Finds a layer by its number, as `3` or `4.1.0`, or by a text that only one has, as `dense(100)` or `dense`.

    Raises Problem if there is none, or more than one.
    """
    candidates, text = places(network), text.strip()
    for place in candidates:
        if place.number == text:
            return place
    matches = [place for place in candidates if text in (str(place.row.layer), place.row.layer.name)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise Problem(f"{text} is {len(matches)} layers; name one by its number: {listed(matches)}", USAGE)
    names = [name for place in candidates for name in (str(place.row.layer), place.row.layer.name)]
    raise Problem(f"the network has no layer {text}{did_you_mean(text, names)}; it has {listed(candidates)}", USAGE)


def listed(layers: Sequence[Place]) -> str:
    """Returns layers with their numbers, for a message."""
    names = [f"{place.number} {title(place.row)}" for place in layers[:MAX_LISTED]]
    more = len(layers) - MAX_LISTED
    return ", ".join(names) + (f" and {more} more (neocog describe shows all)" if more > 0 else "")


def unit(place: Place, index: int) -> int:
    """Returns the index of a unit of a layer, from 0. Raises Problem if the layer has fewer units."""
    if not 0 <= index < place.units:
        kind = "maps" if len(place.row.output) == 3 else "numbers"
        raise Problem(
            f"{place.name} gives {times(place.row.output)}: its {kind} are 0 to {place.units - 1}; got unit {index}",
            USAGE,
        )
    return index


def convolutions(network: Network) -> list[Place]:
    """Returns the layers with sliding windows and weights, in order. Raises Problem if there are none."""
    layers = [place for place in places(network) if isinstance(place.row.layer, Filters)]
    if not layers:
        raise Problem(
            f"the model has no convolution, and this needs one: its network is {network}; "
            "train one with conv in it, such as the recipe swift",
            USAGE,
        )
    return layers


def last_maps(network: Network) -> list[Place]:
    """Returns the last layers that give several maps, one for each branch, before pools and dropout.

    A pool locates less precisely than what is before it. Raises Problem if the network has no convolution.
    """
    convolutions(network)
    return _last(network.rows, "")


def _last(rows: Sequence[Row], prefix: str) -> list[Place]:
    for index in reversed(range(len(rows))):
        row, number = rows[index], f"{prefix}{index}"
        if len(row.output) == 3 and row.output[0] > 1 and not isinstance(row.layer, Pool | BlurPool | Dropout):
            return [Place(number, row)]
        if layers := [
            place
            for branch, inner in enumerate(row.branches)
            if any(isinstance(inner_row.layer, Filters) for _, inner_row in walk(inner))
            for place in _last(inner, f"{number}.{branch}.")
        ]:
            return layers
    return []
