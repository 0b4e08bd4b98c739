"""Masks as pictures: index PNGs with a palette, and masks laid over the pictures that they are of."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

Indices = NDArray[np.uint8]  # (H, W)

IGNORE = 255  # the index of pixels without a label
OPACITY = 0.55
GAP = 4  # pixels between two pictures beside one another
PNG = "data:image/png;base64,"
# Of masks that say no colours: distinct in hue or lightness for eyes of all kinds, after Okabe and Ito 2008.
PALETTE = (
    *("#e69f00", "#0072b2", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442", "#7f3c8d", "#11a579", "#80ba5a"),
    *("#e73f74", "#3969ac", "#f2b701", "#6b4c9a", "#008695", "#cf1c90", "#a5aa99", "#8c564b", "#17becf", "#bcbd22"),
)

UNKNOWN = (60, 60, 60)  # the colour of pixels without a label


def colour_table(colours: Sequence[str]) -> NDArray[np.uint8]:
    """(256, 3) the colour of each class index, of "#rrggbb"; UNKNOWN beyond the last."""
    table = np.full((256, 3), UNKNOWN, np.uint8)
    for index, colour in enumerate(colours):
        table[index] = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return table


def index_png(indices: Indices, values: Sequence[int], colours: Sequence[str]) -> bytes:
    """A mask as a PNG with a palette. A pixel holds the value that masks write its class with; IGNORE stays 255."""
    from PIL import Image

    table = np.full(256, IGNORE, np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    for index, (value, colour) in enumerate(zip(values, colour_table(colours), strict=False)):
        table[index], palette[value] = value, colour
    picture = Image.fromarray(table[indices])
    picture.putpalette(palette.tobytes())
    return encoded(picture)


def index_of(png: bytes, values: Sequence[int]) -> Indices:
    """The class indices in a PNG that `index_png` wrote."""
    from PIL import Image

    with Image.open(BytesIO(png)) as picture:
        written = np.asarray(picture)
    table = np.full(256, IGNORE, np.uint8)
    table[list(values)] = np.arange(len(values))
    indices: Indices = table[written]
    return indices


def overlay(picture: Any, indices: Indices, colours: Sequence[str]) -> Image.Image:
    """A Pillow picture in grey with the colours of a mask over it, and dark lines between classes."""
    from PIL import Image

    mask = Image.fromarray(indices)
    if mask.size != picture.size:
        mask = mask.resize(picture.size, Image.Resampling.NEAREST)
    index = np.asarray(mask)
    grey = np.asarray(picture.convert("L"), np.float32)[..., None]
    blended = grey + (colour_table(colours)[index] - grey) * OPACITY
    edges = np.zeros(index.shape, bool)
    edges[1:] |= index[1:] != index[:-1]
    edges[:, 1:] |= index[:, 1:] != index[:, :-1]
    blended[edges] *= 0.4
    return Image.fromarray(blended.round().astype(np.uint8))


def beside(pictures: Sequence[Any]) -> Image.Image:
    """Pillow pictures of equal height beside one another, on white."""
    from PIL import Image

    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, pictures[0].height), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP
    return sheet


def encoded(picture: Any) -> bytes:
    """A Pillow picture as a PNG."""
    content = BytesIO()
    picture.save(content, "PNG", optimize=False)
    return content.getvalue()


def as_text(png: bytes) -> str:
    """A PNG as an address that a page shows and JSON holds."""
    return PNG + base64.b64encode(png).decode()


def from_text(text: str) -> bytes:
    """The PNG in the text that `as_text` gives."""
    return base64.b64decode(text.removeprefix(PNG))
