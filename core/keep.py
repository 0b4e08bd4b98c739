"""Cutting a trained network: its first layers are kept, the others give way to a new head.

Layers near the input are general, layers near the output belong to their task (Yosinski et al. 2014, arXiv:1411.1792):
many are kept for a close domain, few for a far one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from torch import nn

from .explain import places
from .layer import Layers
from .layers import dense, globalavg
from .layers.pointwise import Dropout
from .network import Network
from .problem import USAGE, Problem, shortened
from .settings import Settings


class Kept(NamedTuple):
    """A network cut behind its first `count` layers, with a new head."""

    layers: Layers
    kept: int


class Origin(NamedTuple):
    """What some neighbouring layers at the top of a network start from, and how they are trained."""

    layers: str  # "0 to 57"
    text: str  # "conv(32, 3) to dropout(0.2)"
    weights: str  # "efficientnet-lite0", "new"
    training: str  # "frozen", "learning rate × 0.1 to 1"


def kept_layers(network: Network, keep: str, classes: int) -> Kept:
    """A network's first layers and a new head: a global average of maps, and a dense layer for so many labels.

    `keep` is a number of layers, the number or the text of the last one ("layer 12" is `12` layers and one more), or
    `all`, which keeps everything before the head. Raises Problem for what is no place to cut.
    """
    head = max((index for index, row in enumerate(network.rows) if row.parameters), default=0)
    title = f"layer {head}, {shortened(str(network.layers[head]), 60)}"
    if keep == "all":
        if not head:
            raise Problem(f"--keep all keeps what stands before the head, and nothing does: it is {title}", USAGE)
        return Kept(network.layers, head)
    count = int(keep) if keep.isascii() and keep.isdigit() else _place_to_cut(network, keep) + 1
    if not count:
        raise Problem("--keep 0 keeps no layer; leave out --weights to train from random weights", USAGE)
    if count > head:
        raise Problem(
            f"--keep {keep} is beyond the layers before the head ({title}): keep 1 to {head}, or all; "
            "neocog describe numbers the layers from 0",
            USAGE,
        )
    pool = (globalavg,) if len(network.rows[count - 1].output) == 3 else ()
    layers = network.layers if count == head else (*network.layers[:count], *pool, dense(classes))
    return Kept(layers, count)


def _place_to_cut(network: Network, keep: str) -> int:
    """The index of the layer that a text names. Raises Problem for none, several, or one inside a combinator."""
    place = places.layer(network, keep.removeprefix("layer").strip())
    if place.number != str(place.top_level):
        outer = network.layers[place.top_level].name
        raise Problem(
            f"{place.name} is inside layer {place.top_level}, {outer}(…), which is kept or cut as a whole: "
            f"--keep {place.top_level + 1} keeps it, --keep {place.top_level} cuts it",
            USAGE,
        )
    return place.top_level


def without_dropout(layers: Layers, count: int) -> int:
    """The number of layers to freeze of `count`: dropout in front of the head stays active while the head learns."""
    while count and isinstance(layers[count - 1], Dropout):
        count -= 1
    return count


def origins(
    network: Network, module: nn.Module, copied: Sequence[nn.Module], name: str, settings: Settings
) -> list[Origin]:
    """What the layers of a network start from and how they are trained; neighbours that are alike in one row.

    `copied` are the modules with weights of the pretrained model `name`.
    """
    known = {id(part) for child in copied for part in child.modules()}
    kinds = list(_kinds(module, known, name, settings))
    rows = []
    for kind, group in groupby(range(len(kinds)), kinds.__getitem__):
        first, *_, last = [index for index in group for _ in range(2)]
        numbers = f"{first} to {last}" if first < last else f"{first}"
        texts = [shortened(str(network.layers[index]), 40) for index in (first, last)]
        rows.append(Origin(numbers, " to ".join(dict.fromkeys(texts)), *kind))
    return rows


def _kinds(module: nn.Module, known: set[int], name: str, settings: Settings) -> list[tuple[str, str]]:
    """Origin and training of each layer; one without weights has those of the layer before it."""
    kinds: list[tuple[str, str]] = []
    for index, child in enumerate(module.children()):
        weighted = [part for part in child.modules() if part._parameters]
        count = sum(id(part) in known for part in weighted)
        weights = name if count == len(weighted) else "new" if not count else f"{name}, in part"
        training = "frozen" if index < settings.frozen else "trained"
        if not weighted and kinds:
            weights = kinds[-1][0]
        kinds.append((weights, training))
    return kinds
