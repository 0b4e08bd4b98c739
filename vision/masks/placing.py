"""Pictures to predict masks for: as one window, or as tiles where a model works at the pictures' own scale."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...core.data import Preprocessing
from ...core.inputs import Input
from ...core.places import Layout, Pair, tile_offsets
from ...core.sources.content import fetched
from ...core.sources.read import named_problems, source_of
from ..picture import Form, Pixels, header, pixels, placements

OVERLAP = 0.25  # share of a tile


def read(value: Input, preprocessing: Preprocessing) -> tuple[Tensor, Layout]:
    """The windows of a picture, uint8 (W, C, H, W'), and where they lie on it.

    A model of pictures at their own scale ("keep") sees a larger picture in overlapping tiles; every other one sees it
    as in training.
    """
    height, width = map(int, preprocessing["size"])
    form = Form((height, width), preprocessing["colour"], preprocessing["fit"])
    with named_problems(value, "picture"):
        content = fetched(source_of(value, "picture"))
        size = header(content).size
        if form.fit == "keep" and (size[0] > height or size[1] > width):
            _, array = pixels(content, Form(size, form.colour, "keep"))
            return tiles(array, form.size)
        _, array = pixels(content, form)
    rows, columns = (slice(placement.start, placement.start + placement.extent) for placement in placements(size, form))
    inside = (slice(None), slice(None)) if form.fit == "crop" else (rows, columns)
    return torch.from_numpy(array.copy())[None], Layout(size, inside)


def picture(value: Input) -> Image.Image:
    """A picture at its own size, upright, in RGB."""
    with named_problems(value, "picture"):
        _, array = pixels(fetched(source_of(value, "picture")), None)
    return Image.fromarray(np.ascontiguousarray(np.broadcast_to(array, (3, *array.shape[1:])).transpose(1, 2, 0)))


def scaled(value: Input, preprocessing: Preprocessing, longest: int | None) -> Tensor:
    """A picture in a model's colours, uint8 (1, C, H, W), its longer side scaled to `longest` pixels; None keeps it."""
    with named_problems(value, "picture"):
        content = fetched(source_of(value, "picture"))
        height, width = header(content).size
        factor = (longest or max(height, width)) / max(height, width)
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        _, array = pixels(content, Form(size, preprocessing["colour"], "stretch"))
    return torch.from_numpy(array.copy())[None]


def tiles(array: Pixels, tile: Pair) -> tuple[Tensor, Layout]:
    """Overlapping tiles of pixels (C, H, W), padded at the bottom and on the right where the picture is smaller."""
    size = (array.shape[1], array.shape[2])
    missing = [max(0, side - length) for side, length in zip(tile, size, strict=True)]
    padded = np.pad(array, ((0, 0), (0, missing[0]), (0, missing[1])))
    tops, lefts = (tile_offsets(length, side, OVERLAP) for length, side in zip(size, tile, strict=True))
    offsets = [(top, left) for top in tops for left in lefts]
    windows = np.stack([padded[:, top : top + tile[0], left : left + tile[1]] for top, left in offsets])
    return torch.from_numpy(windows), Layout(size, offsets=offsets)
