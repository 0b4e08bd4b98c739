"""The learned filters of a layer as pictures; of a layer over words, the words that each filter answers to most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import modules
from ..layers import Conv, Embed, Local
from ..model import Model
from ..network import walk
from ..presentation import Readable
from ..problem import USAGE, Problem
from .capability import FilterImages
from .methods import checked
from .places import Place, convolutions, layer, listed
from .sheet import Panel, Scale, Sheet, coloured, enlarged, painted

MOST = 64  # filters on a sheet
SIDE = 88  # pixels: the longer side of a filter has at least so many
WORDS = 5  # that are named for each place of a filter


def place_of(model: Model, number: str | None) -> Place:
    """The layer asked for, or the first convolution. Raises Problem where it has no filters."""
    if number is None:
        return convolutions(model.network)[0]
    found = layer(model.network, number)
    if not isinstance(found.row.layer, Conv | Local):
        which = listed(convolutions(model.network))
        raise Problem(f"{found.name} has no filters that move over maps; those that have are {which}", USAGE)
    return found


def weights(model: Model, place: Place) -> Tensor:
    """(filters, C, h, w); of a layer with weights of their own for every position, those in the middle."""
    checked(model.words)
    module = place.module(model.words)
    weight: Tensor = module.weight.detach().cpu()  # type: ignore[operator]
    if isinstance(module, modules.Local):
        middle = weight[len(weight) // 2]  # (filters, C·h·w)
        weight = middle.unflatten(1, (-1, *module.size))
    return weight


def sheet(model: Model, place: Place) -> Sheet:
    """Each filter as a picture: its weights in colour where the input has colour, else on a scale around zero."""
    every = weights(model, place)
    first = place.number == convolutions(model.network)[0].number
    images = model.domain.require(FilterImages, "filters")
    seen = [images.first_filter(each, model.card.preprocessing) if first else each.sum(0) for each in every[:MOST]]
    in_colour = seen[0].ndim == 3 and len(seen[0]) == 3
    top = float(torch.stack(seen).abs().max()) or 1.0
    scale = Scale("weight", -top, top)
    panels = []
    for number, each in enumerate(seen):
        values = each.numpy()
        picture = painted(values, -top, top) if in_colour else coloured(values.reshape(values.shape[-2:]), scale)
        panels.append(Panel(enlarged(picture, SIDE), str(number)))
    more = f", the first {MOST}" if len(every) > MOST else ""
    note = _note(len(every[0]), in_colour, top, first)
    title = f"The {len(every)} filters of {place.name}{more}"
    return Sheet(title, panels, 8, None if in_colour else scale, note)


def _note(channels: int, in_colour: bool, top: float, first: bool) -> str:
    if in_colour:
        return f"Grey is 0; a colour is what makes the filter answer. Weights from −{top:.2g} to {top:.2g}."
    if not first:
        return f"The sum over the {channels} maps that each looks at; neocog imagine shows what it answers to."
    return ""


# --- filters over words ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Phrases:
    """A filter over words: for each of its places the tokens that raise it most, with what they add."""

    place: Place
    number: int
    tokens: list[list[tuple[str, float]]]


def over_words(model: Model) -> list[Place]:
    """The convolutions that look at the rows of an `embed` themselves."""
    if model.domain.capability(Readable) is None:
        return []
    widths = {row.layer.dim for _, row in walk(model.network.rows) if isinstance(row.layer, Embed)}
    return [
        place
        for place in convolutions(model.network)
        if isinstance(place.row.layer, Conv)
        and place.row.input[0] in widths
        and place.row.receptive_field == sight_of(place.row.layer)
    ]


def sight_of(conv: Conv) -> tuple[int, int]:
    """What a convolution sees where nothing looks before it, on an input of height 1."""
    return (1, conv.size) if isinstance(conv.size, int) else conv.size


def phrases(model: Model, place: Place) -> list[Phrases]:
    """For every filter of a layer over words, the tokens of the vocabulary that raise it most at each of its places.

    A filter's answer is a sum over its places, so the best phrase is the best token at each of them.
    """
    checked(model.words)
    table = next(module for module in model.words.modules() if isinstance(module, modules.Embed)).table.weight
    weight = place.module(model.words).weight.detach()  # type: ignore[operator]
    known = table.detach()[2:]  # padding and what is unknown are no words
    told = []
    for number, each in enumerate(weight[:, :, 0]):  # (dim, width)
        best = (known @ each).topk(min(WORDS, len(known)), dim=0)
        tokens = [
            [
                (spelt(model, int(at) + 2), float(value))
                for at, value in zip(best.indices[:, p], best.values[:, p], strict=True)
            ]
            for p in range(each.shape[1])
        ]
        told.append(Phrases(place, number, tokens))
    return told


def spelt(model: Model, token: int) -> str:
    return model.domain.require(Readable, "filters").to_text(torch.tensor([[[token]]]), model.card.preprocessing)
