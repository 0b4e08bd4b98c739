"""A place in a network: a layer by the number that `neocog describe` prints, and a unit of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from .. import modules
from ..diagram import numbered, times, title
from ..layers import Conv, Dropout, Local, Pool
from ..network import Network, Row, walk
from ..problem import USAGE, Problem, did_you_mean

MOST_NAMED = 40  # layers that a message lists


class Place(NamedTuple):
    """A layer of a network: "4.1.0" is word 0 of sequence 1 inside word 4."""

    number: str
    row: Row

    @property
    def name(self) -> str:
        return f"layer {self.number}, {title(self.row)}"

    @property
    def units(self) -> int:
        """How many maps the layer gives, or how many numbers."""
        return self.row.output[0]

    def module(self, words: nn.Module) -> nn.Module:
        """The module of this layer in the network that `Network.module()` built."""
        at = [int(part) for part in self.number.split(".")]
        found = words[at[0]]  # type: ignore[index]
        for branch, index in zip(at[1::2], at[2::2], strict=True):
            assert isinstance(found, modules.Combinator), found
            found = found.branches[branch][index]  # type: ignore[index]
        return found  # type: ignore[no-any-return]


def places(network: Network) -> list[Place]:
    """All layers in the order in which `describe` prints them."""
    return [Place(number, row) for number, _, row in numbered(network.rows)]


def layer(network: Network, asked: str) -> Place:
    """The layer with that number, as `3` or `4.1.0`, or the only one that is written so, as `dense(100)` or `dense`.

    Raises Problem where there is none, or more than one.
    """
    every, asked = places(network), asked.strip()
    for place in every:
        if place.number == asked:
            return place
    found = [place for place in every if asked in (str(place.row.layer), place.row.layer.name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Problem(f"{asked} is {len(found)} layers; name one by its number: {listed(found)}", USAGE)
    names = [name for place in every for name in (str(place.row.layer), place.row.layer.name)]
    raise Problem(f"the network has no layer {asked}{did_you_mean(asked, names)}; it has {listed(every)}", USAGE)


def listed(found: Sequence[Place]) -> str:
    """Layers with their numbers, for a sentence."""
    told = [f"{place.number} {title(place.row)}" for place in found[:MOST_NAMED]]
    more = len(found) - MOST_NAMED
    return ", ".join(told) + (f" and {more} more (neocog describe shows all)" if more > 0 else "")


def unit(place: Place, asked: int) -> int:
    """A unit of a layer, from 0. Raises Problem where it has not so many."""
    if not 0 <= asked < place.units:
        what = "maps" if len(place.row.output) == 3 else "numbers"
        raise Problem(
            f"{place.name} gives {times(place.row.output)}: its {what} are 0 to {place.units - 1}; got unit {asked}",
            USAGE,
        )
    return asked


def convolutions(network: Network) -> list[Place]:
    """The layers with windows that move over maps, in order. Raises Problem where there are none."""
    found = [place for place in places(network) if isinstance(place.row.layer, Conv | Local)]
    if not found:
        raise Problem(
            f"the model has no convolution, and this needs one: its network is {network}; "
            "train one with conv in it, as the recipe swift",
            USAGE,
        )
    return found


def last_maps(network: Network) -> list[Place]:
    """The layers that give several maps for the last time before all becomes one row: one for each branch.

    Not the pool behind them, which sees less well where things are.

    Raises Problem where the network has no convolution.
    """
    convolutions(network)
    return _last(network.rows, "")


def _last(rows: Sequence[Row], before: str) -> list[Place]:
    for index in reversed(range(len(rows))):
        row, number = rows[index], f"{before}{index}"
        if len(row.output) == 3 and row.output[0] > 1 and not isinstance(row.layer, Pool | Dropout):
            return [Place(number, row)]
        if found := [
            place
            for sequence, inside in enumerate(row.branches)
            if any(isinstance(each.layer, Conv | Local) for _, each in walk(inside))
            for place in _last(inside, f"{number}.{sequence}.")
        ]:
            return found
    return []
