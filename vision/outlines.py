"""Boxes drawn on pictures: true ones in white with a black line, predicted ones in the colour of their label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..core.inputs import Input
from ..core.presentation import Outline
from ..core.sources.content import Unreadable, fetched
from ..core.sources.manifest import Manifest, order_labels
from ..core.sources.read import named_problems, source_of
from ..core.sources.source import SampleInfo
from ..core.tasks import box_targets
from .picture import pixels
from .show import show

# Distinct in hue and lightness for most eyes, after Okabe and Ito (2008) and Tableau's ten.
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#d55e00", "#cc79a7", "#4e79a7", "#59a14f", "#b07aa1", "#ff9da7")
SIDE = 640  # pixels, the least length of the longer side of a drawing for the report
SHOWN, ACROSS = 24, 4  # pictures on a sheet, and in a row of it
CELL, GAP = 320, 8  # pixels: the longer side of a picture on a sheet, and the white between two
BLACK = "#000000"


def colour_of(label: str, labels: Sequence[str]) -> str:
    return COLOURS[labels.index(label) % len(COLOURS)]


def draw(inputs: Tensor, outlines: Sequence[Outline], labels: Sequence[str]) -> Image.Image:
    """A compact picture with outlines in its pixels; large enough that lines are thin."""
    image = show(inputs)
    factor = image.width / inputs.shape[-1]
    more = max(1.0, SIDE / max(image.size))
    image = image.resize((round(image.width * more), round(image.height * more)), Image.Resampling.BICUBIC)
    scaled = [(label, [edge * factor * more for edge in edges], kind) for label, edges, kind in outlines]
    return outlined(image, scaled, order=labels)


def draw_file(value: Input, boxes: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> Image.Image:
    """A picture of its own size with predicted boxes and their probabilities."""
    with named_problems(value, "picture"):
        _, array = pixels(fetched(source_of(value, "picture")), None)
    image = Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)).convert("RGB")
    titles = [(f"{box['label']} {box['probability']:.0%}", list(box["box"]), "predicted") for box in boxes]
    return outlined(image, titles, [box["label"] for box in boxes], labels)


def sheet(manifest: Manifest) -> Image.Image:
    """Up to SHOWN pictures of a data set with their boxes, evenly spaced among those that have some."""
    labels = order_labels({label for sample in manifest.samples for label in labels_of(sample)}, manifest.label_order)
    with_boxes = [index for index, sample in enumerate(manifest.samples) if labels_of(sample)]
    chosen = spread(with_boxes or range(len(manifest.samples)))
    pictures = []
    for index, content in manifest.contents(set(chosen)):
        try:
            _, array = pixels(fetched(content), None)
        except Unreadable:
            continue
        image = Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)).convert("RGB")
        factor = CELL / max(image.size)
        image = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))
        target = box_targets.read(manifest.samples[index].label)
        scaled = [(box.label, [edge * factor for edge in box.edges], "labelled") for box in target.boxes]
        pictures.append(outlined(image, scaled, [box.label for box in target.boxes], labels))
    return tiled(pictures)


def spread(indices: Sequence[int]) -> Sequence[int]:
    """Up to SHOWN of some indices, evenly spaced."""
    return indices[:: max(1, len(indices) // SHOWN)][:SHOWN]


def tiled(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures in rows, as high as the highest."""
    width, height = (max((picture.size[axis] for picture in pictures), default=1) + GAP for axis in (0, 1))
    across = min(max(1, len(pictures)), ACROSS)
    canvas = Image.new("RGB", (across * width + GAP, -(-len(pictures) // across) * height + GAP), "#ffffff")
    for position, picture in enumerate(pictures):
        row, column = divmod(position, across)
        canvas.paste(picture, (GAP + column * width, GAP + row * height))
    return canvas


def labels_of(sample: SampleInfo) -> list[str]:
    return [box.label for box in box_targets.read(sample.label).boxes]


def outlined(
    image: Image.Image,
    outlines: Sequence[Outline],
    labels: Sequence[str] | None = None,
    order: Sequence[str] | None = None,
) -> Image.Image:
    """Draws outlines in pixels of the image; `labels`, by default their titles, decide their colours by an order."""
    pen = ImageDraw.Draw(image)
    names = labels if labels is not None else [title for title, _, _ in outlines]
    order = order or sorted(set(names))
    width = max(1, round(max(image.size) / 320))
    font = ImageFont.load_default(max(9, round(max(image.size) / 45)))
    for (title, edges, kind), name in zip(outlines, names, strict=True):
        colour = "#ffffff" if kind == "true" else colour_of(name, order)
        if kind == "true":
            pen.rectangle(edges, outline=BLACK, width=width + 2)
        pen.rectangle(edges, outline=colour, width=width)
        if kind != "true":
            text(pen, title, edges, colour, font)
    return image


def text(pen: ImageDraw.ImageDraw, title: str, edges: Sequence[float], colour: str, font: Any) -> None:
    """The title over a box, or within its upper edge where there is no room."""
    left, top, right, bottom = pen.textbbox((edges[0] + 1, edges[1]), title, font=font, anchor="lb")
    if top < 0:
        left, top, right, bottom = pen.textbbox((edges[0] + 1, edges[1] + 1), title, font=font, anchor="lt")
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=colour)
    pen.text((left, top), title, fill=BLACK, font=font, anchor="lt")
