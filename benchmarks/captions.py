"""Captions of drawn scenes, whose true sentence is known: a toy, on which a captioner can be measured exactly.

    python benchmarks/captions.py OUT [--pictures 5000]
    neocog train vision OUT/scenes.csv --task caption --label-column sentence

writes OUT/scenes.csv (image, sentence, split) and its pictures of 48×48 pixels: one object or two, of 6 colours, 4
shapes and 2 sizes, one left of the other or above it. There are 4,656 sentences; a fifth of the pictures is for tests.
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 230),
    "yellow": (240, 210, 40),
    "white": (245, 245, 245),
    "pink": (240, 130, 190),
}
SHAPES = ("circle", "square", "triangle", "cross")
SIZES = {"small": 5, "large": 9}  # pixels from the middle to the border
SIDE = 48


def draw(image: ImageDraw.ImageDraw, shape: str, x: int, y: int, r: int, colour: Any) -> None:
    if shape == "circle":
        image.ellipse((x - r, y - r, x + r, y + r), colour)
    elif shape == "square":
        image.rectangle((x - r, y - r, x + r, y + r), colour)
    elif shape == "triangle":
        image.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], colour)
    else:
        image.line((x - r, y - r, x + r, y + r), colour, 3)
        image.line((x - r, y + r, x + r, y - r), colour, 3)


def scene(rng: random.Random) -> tuple[Image.Image, str]:
    """A picture and its sentence."""
    shade = rng.randrange(30, 130)
    image = Image.new("RGB", (SIDE, SIDE), (shade, shade, shade))
    drawing = ImageDraw.Draw(image)
    objects = [(rng.choice(list(SIZES)), rng.choice(list(COLOURS)), rng.choice(SHAPES)) for _ in range(2)]
    names = [f"a {' '.join(parts)}" for parts in objects]
    if rng.random() < 0.2:
        places = [(rng.randrange(10, SIDE - 10), rng.randrange(10, SIDE - 10))]
        sentence = names[0]
    else:
        across, along = rng.randrange(10, 18), rng.randrange(30, 38)
        shift = rng.randrange(14, 34)
        beside = rng.random() < 0.5
        places = [(across, shift), (along, shift + rng.randrange(-4, 5))]
        places = places if beside else [(y, x) for x, y in places]
        sentence = f"{names[0]} {'left of' if beside else 'above'} {names[1]}"
    for (size, colour, shape), (x, y) in zip(objects, places, strict=False):
        draw(drawing, shape, x, y, SIZES[size], COLOURS[colour])
    return image, sentence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=int, default=5000)
    arguments = parser.parse_args()
    (arguments.out / "pictures").mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    with open(arguments.out / "scenes.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["image", "sentence", "split"])
        for index in range(arguments.pictures):
            image, sentence = scene(rng)
            name = f"pictures/{index:05}.png"
            image.save(arguments.out / name)
            table.writerow([name, sentence, "test" if index % 5 == 4 else "valid" if index % 10 == 0 else "train"])


if __name__ == "__main__":
    main()
