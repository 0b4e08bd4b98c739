"""A position for people: the board with the colour to move as black, and over its points what a network looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from ..core.data import Preprocessing
from . import picture
from .coords import vertex
from .diagram import Diagram
from .frontend import SIZE
from .planes import unpacked

COVER = 0.8  # how much of the board the strongest relevance hides
SHARE = 0.5  # of the whole picture's side: several boards stand beside each other


def show(row: Tensor, relevance: Tensor | None = None, preprocessing: Preprocessing | None = None) -> Any:
    """A packed position, and relevance (19, 19) laid over its points, as a picture (Pillow's).

    Relevance that is nowhere negative goes from clear to bright yellow; else red speaks for the move and blue against.
    """
    found = unpacked(row.numpy())
    drawn = picture.png(Diagram((found[0] + 2 * found[1]).astype(np.uint8)))
    if relevance is not None:
        drawn = laid(drawn, relevance.detach().cpu().float().numpy())
    side = round(drawn.width * SHARE)
    return drawn.resize((side, round(drawn.height * SHARE)), Image.Resampling.LANCZOS)


def laid(board: Any, relevance: Any) -> Any:
    """A square of colour on every point; stones shine through, and a ring of their own colour stays."""
    from matplotlib import colormaps  # 0.3 s that a board alone does not need

    values = np.nan_to_num(relevance, posinf=0, neginf=0)
    values = values / max(1e-30, float(np.abs(values).max()))
    signed = bool((values < 0).any())
    colours = colormaps["coolwarm" if signed else "plasma"]((values + 1) / 2 if signed else values)
    veil = Image.new("RGBA", board.size)
    pen, half = ImageDraw.Draw(veil), picture.CELL / 2
    for place in range(SIZE * SIZE):
        strength = abs(float(values.flat[place]))
        if strength > 0.02:
            x, y = picture.centre(place, SIZE)
            red, green, blue = (round(255 * part) for part in colours[place // SIZE, place % SIZE][:3])
            cover = round(255 * COVER * strength)
            pen.rectangle((x - half, y - half, x + half - 1, y + half - 1), (red, green, blue, cover))
    return Image.alpha_composite(board.convert("RGBA"), veil).convert("RGB")


def filter(weight: Tensor, preprocessing: Preprocessing) -> Tensor:
    """A pattern of the first layer: what it wants of own stones, less what it wants of the opponent's."""
    return weight[0] - weight[1] if len(weight) > 1 else weight[0]


def patch(inputs: Tensor, maps: Tensor, rows: slice, columns: slice, preprocessing: Preprocessing) -> Any:
    """A part of the board."""
    board = show(inputs)
    left, top = (round((picture.MARGIN + (each.start - 0.5) * picture.CELL) * SHARE) for each in (columns, rows))
    right, bottom = (round((picture.MARGIN + (each.stop - 0.5) * picture.CELL) * SHARE) for each in (columns, rows))
    return board.crop((left, top, right, bottom))


def place(inputs: Tensor, row: int, column: int, preprocessing: Preprocessing) -> str:
    """The point that lies there: Q16."""
    return vertex(row * SIZE + column, SIZE)
