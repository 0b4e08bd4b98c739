"""Shows a position as a picture, with the colour to move as Black and relevance over its points."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from ..core.data import Preprocessing
from . import picture
from .coords import SIZE, vertex
from .diagram import Diagram
from .planes import unpacked

MAX_OPACITY = 0.8  # of the strongest relevance
SCALE = 0.5  # of the full picture: several boards are shown side by side


def show(row: Tensor, relevance: Tensor | None = None, preprocessing: Preprocessing | None = None) -> Any:
    """A packed position, with relevance (19, 19) over its points, as a Pillow image.

    Relevance without negative values goes from transparent to bright yellow; otherwise red is for the move and blue
    against it.
    """
    planes = unpacked(row.numpy())
    image = picture.png(Diagram((planes[0] + 2 * planes[1]).astype(np.uint8)))
    if relevance is not None:
        image = overlay(image, relevance.detach().cpu().float().numpy())
    return image.resize((round(image.width * SCALE), round(image.height * SCALE)), Image.Resampling.LANCZOS)


def overlay(board: Any, relevance: Any) -> Any:
    """Paints a translucent square on every point, through which stones stay visible."""
    from matplotlib import colormaps  # 0.3 s that a board without relevance does not need

    values = np.nan_to_num(relevance, posinf=0, neginf=0)
    values = values / max(1e-30, float(np.abs(values).max()))
    signed = bool((values < 0).any())
    colours = colormaps["coolwarm" if signed else "plasma"]((values + 1) / 2 if signed else values)
    layer = Image.new("RGBA", board.size)
    draw, half = ImageDraw.Draw(layer), picture.CELL / 2
    for place in range(SIZE * SIZE):
        strength = abs(float(values.flat[place]))
        if strength > 0.02:
            x, y = picture.centre(place, SIZE)
            red, green, blue = (round(255 * part) for part in colours[place // SIZE, place % SIZE][:3])
            opacity = round(255 * MAX_OPACITY * strength)
            draw.rectangle((x - half, y - half, x + half - 1, y + half - 1), (red, green, blue, opacity))
    return Image.alpha_composite(board.convert("RGBA"), layer).convert("RGB")


def filter(weight: Tensor, preprocessing: Preprocessing) -> Tensor:
    """A filter of the first layer: its weights for own stones minus those for the opponent's."""
    return weight[0] - weight[1] if len(weight) > 1 else weight[0]


def patch(inputs: Tensor, maps: Tensor, rows: slice, columns: slice, preprocessing: Preprocessing) -> Any:
    """The part of the board under some rows and columns of the maps."""
    board = show(inputs)
    left, top = (round((picture.MARGIN + (span.start - 0.5) * picture.CELL) * SCALE) for span in (columns, rows))
    right, bottom = (round((picture.MARGIN + (span.stop - 0.5) * picture.CELL) * SCALE) for span in (columns, rows))
    return board.crop((left, top, right, bottom))


def place(inputs: Tensor, row: int, column: int, preprocessing: Preprocessing) -> str:
    """The name of a point of the maps: Q16."""
    return vertex(row * SIZE + column, SIZE)
