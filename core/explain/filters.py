"""The learned filters of a layer as pictures; of a layer over embeddings, the tokens that each filter matches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .. import modules
from ..layers.windows import Conv, Filters
from ..layers.words import Embed
from ..model import Model, check_weights
from ..network import walk
from ..presentation import Readable
from ..problem import USAGE, Problem
from .capability import FilterImages
from .places import Place, convolutions, layer, listed
from .sheet import Panel, Scale, Sheet, coloured, enlarged, painted

MAX_FILTERS = 64  # on a sheet
MIN_SIDE = 88  # pixels of the longer side of a filter
TOP_TOKENS = 5  # that are named for each position of a filter
FIRST_TOKEN = 2  # of the vocabulary; the ids before stand for padding and for unknown tokens


def place_of(model: Model, number: str | None) -> Place:
    """Returns a layer with filters, by default the first convolution. Raises Problem if it has no filters."""
    if number is None:
        return convolutions(model.network)[0]
    place = layer(model.network, number)
    if not isinstance(place.row.layer, Filters):
        names = listed(convolutions(model.network))
        raise Problem(f"{place.name} has no filters; the layers with filters are {names}", USAGE)
    return place


def weights(model: Model, place: Place) -> Tensor:
    """Returns (filters, C, h, w); of a layer with other weights at every position, those in the middle."""
    check_weights(model.words)
    module = place.module(model.words)
    weight: Tensor = module.weight.detach().cpu()  # type: ignore[operator]
    if isinstance(module, modules.Local):
        middle = weight[len(weight) // 2]  # (filters, C·h·w)
        weight = middle.unflatten(1, (-1, *module.size))
    return weight


def sheet(model: Model, place: Place) -> Sheet:
    """A picture of each filter: in colour if the input has colour, else on a scale around zero."""
    kernels = weights(model, place)
    first = place.number == convolutions(model.network)[0].number
    image_of = model.domain.require(FilterImages, "filters").first_filter
    preprocessing = model.card.preprocessing
    images = [image_of(kernel, preprocessing) if first else kernel.sum(0) for kernel in kernels[:MAX_FILTERS]]
    in_colour = images[0].ndim == 3 and len(images[0]) == 3
    limit = float(torch.stack(images).abs().max()) or 1.0
    scale = Scale("weight", -limit, limit)
    panels = []
    for index, image in enumerate(images):
        values = image.numpy()
        picture = painted(values, -limit, limit) if in_colour else coloured(values.reshape(values.shape[-2:]), scale)
        panels.append(Panel(enlarged(picture, MIN_SIDE), str(index)))
    more = f", the first {MAX_FILTERS}" if len(kernels) > MAX_FILTERS else ""
    note = _note(len(kernels[0]), in_colour, limit, first)
    title = f"The {len(kernels)} filters of {place.name}{more}"
    return Sheet(title, panels, 8, None if in_colour else scale, note)


def _note(channels: int, in_colour: bool, limit: float, first: bool) -> str:
    if in_colour:
        return f"Grey is 0; a colour is one that activates the filter. Weights from −{limit:.2g} to {limit:.2g}."
    if not first:
        return f"The sum over the {channels} input channels of each filter; neocog imagine shows what activates it."
    return ""


# --- filters over embeddings -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TokenFilter:
    """A filter over embeddings: for each of its positions the tokens with the largest products, and the products."""

    place: Place
    index: int
    tokens: list[list[tuple[str, float]]]


def over_embeddings(model: Model) -> list[Place]:
    """Returns the convolutions whose input is the output of an `embed`, or of all of them side by side."""
    if model.domain.capability(Readable) is None:
        return []
    dims = [row.layer.dim for _, row in walk(model.network.rows) if isinstance(row.layer, Embed)]
    widths = {*dims, sum(dims)} - {0}
    return [
        place
        for place in convolutions(model.network)
        if isinstance(place.row.layer, Conv)
        and place.row.input[0] in widths
        and place.row.receptive_field == _size_of(place.row.layer)
    ]


def _size_of(conv: Conv) -> tuple[int, int]:
    """The window of a convolution on an input of height 1."""
    return (1, conv.size) if isinstance(conv.size, int) else conv.size


def _table(model: Model, channels: int) -> Tensor:
    """The vectors that a convolution over so many channels sees: (tokens, channels)."""
    tables = [module.table.weight for module in model.words.modules() if isinstance(module, modules.Embed)]
    matching = [table for table in tables if table.shape[1] == channels]
    return matching[0] if matching else torch.cat(tables, 1)


def token_filters(model: Model, place: Place) -> list[TokenFilter]:
    """For every filter of a layer over embeddings, the tokens with the largest products at each of its positions.

    A filter's output is a sum over its positions, so the best phrase is the best token at each of them.
    """
    check_weights(model.words)
    weight = place.module(model.words).weight.detach()  # type: ignore[operator]
    vectors = _table(model, weight.shape[1]).detach()[FIRST_TOKEN:]
    filters = []
    for index, kernel in enumerate(weight[:, :, 0]):  # (dim, width)
        best = (vectors @ kernel).topk(min(TOP_TOKENS, len(vectors)), dim=0)
        tokens = [
            [
                (token_text(model, int(token) + FIRST_TOKEN), float(product))
                for token, product in zip(best.indices[:, position], best.values[:, position], strict=True)
            ]
            for position in range(kernel.shape[1])
        ]
        filters.append(TokenFilter(place, index, tokens))
    return filters


def token_text(model: Model, token: int) -> str:
    """Returns the text of a token id."""
    readable = model.domain.require(Readable, "filters")
    return readable.to_text(torch.tensor([[[token]]]), model.card.preprocessing)
