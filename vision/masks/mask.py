"""Decoding of one mask file to raw values: the numbers or the colours that its pixels hold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...core.sources.content import Unreadable
from ..picture import Form, open_image, orientation, reason, source_positions, upright
from .classes import OUTSIDE, MaskClasses, colour_of

Raw = NDArray[np.int16]  # (H, W)
LOSSY = ("JPEG", "MPO")


class Mask(NamedTuple):
    """A decoded mask: its raw values, and the colours of its palette by value, if it has one."""

    raw: Raw
    palette: dict[int, str]


def decode_mask(content: bytes, classes: MaskClasses | None) -> Mask:
    """The raw values of a mask: palette indices, grey values, or the numbers of colours in the class table.

    Raises Unreadable, worded to follow "its mask", for what holds no indices.
    """
    try:
        with open_image(content) as image:
            if image.format in LOSSY:
                raise Unreadable("is a JPEG, whose compression changes values; save masks as PNG")
            turned = orientation(image)
            image.load()
            return _values(upright(image, turned), classes)
    except Unreadable:
        raise
    except Exception as error:  # Pillow's decoders raise exceptions of many types
        raise Unreadable(reason(content, error)) from error


def _values(image: Image.Image, classes: MaskClasses | None) -> Mask:
    colours = classes is not None and classes.are_colours
    if image.mode == "P":
        palette = _palette(image)
        values = np.asarray(image, np.int16)
        if colours and classes is not None:
            rows = classes.colour_rows
            used = {int(value): palette.get(int(value), "") for value in np.unique(values)}
            known = {colour_of(key): row for key, row in rows.items()}
            if all(colour in known for colour in used.values()):
                table = np.zeros(256, np.int16)
                table[list(used)] = [known[colour] for colour in used.values()]
                return Mask(table[values], palette)
        return Mask(values, palette)
    if image.mode in ("1", "L", "LA") or image.mode.startswith("I"):
        numbers = np.asarray(image.convert("L") if image.mode in ("1", "LA") else image)
        if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) <= 255:
            raise Unreadable(f"holds the value {int(numbers.max())}; indices of classes are 0 to 255")
        return Mask(numbers.astype(np.int16), {})
    if image.mode in ("RGB", "RGBA"):
        pixels = np.asarray(image.convert("RGB"))
        if classes is not None and colours:
            return Mask(_rows_of(pixels, classes), {})
        if bool((pixels == pixels[..., :1]).all()):  # grey, saved as colours
            return Mask(pixels[..., 0].astype(np.int16), {})
        first = pixels[(pixels != pixels[..., :1]).any(-1)][0]
        raise Unreadable(
            f"is in colour (such as {colour_of(first.tolist())}), where the index of a class was expected; name the "
            "colours in a class table, as in 128 64 0 Sky, with --label-names FILE"
        )
    raise Unreadable(f"has pixels of the kind {image.mode}; expected indices, greys or colours")


def _rows_of(pixels: NDArray[np.uint8], classes: MaskClasses) -> Raw:
    """(H, W, 3) colours -> their raw values. Raises Unreadable for one that the class table does not have."""
    codes = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
    rows = {(r << 16) + (g << 8) + b: row for (r, g, b), row in classes.colour_rows.items()}
    values, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    unknown = [(int(value), int(count)) for value, count in zip(values, counts, strict=True) if int(value) not in rows]
    if unknown:
        value, count = max(unknown, key=lambda entry: entry[1])
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise Unreadable(
            f"holds the colour #{value:06x} ({count:,} pixels){more}, which the class table does not have; add it, or "
            "save masks without smoothing"
        )
    numbers = np.array([rows[int(value)] for value in values], np.int16)
    raw: Raw = numbers[inverse].reshape(codes.shape)
    return raw


def _palette(image: Image.Image) -> dict[int, str]:
    """The colours of a palette, by index."""
    numbers = image.getpalette("RGB") or []
    return {index // 3: colour_of(numbers[index : index + 3]) for index in range(0, len(numbers) - 2, 3)}


def to_form(raw: Raw, form: Form) -> Raw:
    """A mask in the form of its picture: (H, W) -> form.size, the nearest pixel, OUTSIDE where padding is."""
    rows, columns = source_positions((raw.shape[0], raw.shape[1]), form)
    placed: Raw = raw[rows.clip(0)][:, columns.clip(0)]
    placed[rows < 0] = OUTSIDE
    placed[:, columns < 0] = OUTSIDE
    return placed
