"""Pictures of a data set with their masks over them, on one sheet with the colours of the labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...core.sources.content import Unreadable, WithTarget, fetched
from ...core.sources.manifest import Manifest
from ...core.tasks.masks import overlay
from .. import outlines
from ..picture import pixels
from .classes import MaskClasses, classes_in, display_colours
from .mask import Mask, decode_mask

LINE = 24  # pixels of a row of the legend


def mask_sheet(manifest: Manifest, ignored: Sequence[str] = ()) -> Image.Image:
    """Up to 24 pictures with their masks, evenly spaced, and a legend. Pixels without a label are dark grey.

    Pairs that cannot be read are left out: `check` lists them. Raises Problem for masks whose values are no classes.
    """
    classes = MaskClasses.of(manifest.targets)
    pairs: dict[int, tuple[Image.Image, Mask]] = {}
    for index, content in manifest.contents(set(outlines.spread(range(len(manifest.samples))))):
        try:
            if isinstance(content, WithTarget):
                encoded = fetched(content.target)
                assert isinstance(encoded, bytes)
                _, array = pixels(fetched(content.example), None)
                picture = Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))
                pairs[index] = picture, decode_mask(encoded, classes)
        except Unreadable:
            continue
    if classes is None:
        values = Counter(int(value) for _, mask in pairs.values() for value in np.unique(mask.raw))
        classes = classes_in(values, manifest.targets.label_names, ignored, manifest.spec.data)
    palette = next((mask.palette for _, mask in pairs.values() if mask.palette), {})
    colours = display_colours(classes, palette)
    drawn = []
    for index in sorted(pairs):
        picture, mask = pairs[index]
        if mask.raw.shape == (picture.height, picture.width) and not classes.unknown_values(counts(mask)):
            image = overlay(picture, classes.indices(mask.raw), colours)
            factor = outlines.CELL / max(image.size)
            drawn.append(image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor)))))
    return with_legend(outlines.tiled(drawn), classes.names, colours)


def counts(mask: Mask) -> dict[int, int]:
    values, numbers = np.unique(mask.raw, return_counts=True)
    return dict(zip(values.tolist(), numbers.tolist(), strict=True))


def with_legend(sheet: Image.Image, labels: Sequence[str], colours: Sequence[str]) -> Image.Image:
    """A sheet with the colours and the names of labels below it."""
    font = ImageFont.load_default(14)
    places, left, top = [], outlines.GAP, 0
    for label in labels:
        width = LINE + round(font.getlength(label)) + 2 * outlines.GAP
        if left > outlines.GAP and left + width > sheet.width:
            left, top = outlines.GAP, top + LINE
        places.append((left, top))
        left += width
    canvas = Image.new("RGB", (sheet.width, sheet.height + top + LINE + outlines.GAP), "#ffffff")
    canvas.paste(sheet, (0, 0))
    pen = ImageDraw.Draw(canvas)
    for label, colour, (x, y) in zip(labels, colours, places, strict=True):
        pen.rectangle((x, sheet.height + y + 4, x + 14, sheet.height + y + 18), fill=colour)
        pen.text((x + LINE - 4, sheet.height + y + 3), label, fill="#000000", font=font)
    return canvas
