"""Drawn scenes for tests of boxes: scikit-learn's handwritten digits on a noisy ground, with COCO's annotations."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 96  # pixels of a scene
INK = 60  # grey value from which a pixel belongs to a digit


def draw(folder: Path, count: int, seed: int = 0, side: int = SIDE, most: int = 5, labels: int = 10) -> Path:
    """Draws scenes of up to `most` digits of the first `labels` kinds, 16 to 32 pixels large; some scenes are empty."""
    from sklearn.datasets import load_digits

    digits, rng = load_digits(), np.random.default_rng(seed)
    pool = np.flatnonzero(digits.target < labels)
    folder.mkdir(parents=True)
    images: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for number in range(count):
        canvas = rng.integers(0, 40, (side, side)).astype(np.float32)
        taken: list[tuple[int, int, int, int]] = []
        for _ in range(int(rng.integers(0, most + 1))):
            index = int(rng.choice(pool))
            ink = digit(digits.images[index], int(rng.integers(16, 33)))
            height, width = ink.shape
            top, left = int(rng.integers(0, side - height)), int(rng.integers(0, side - width))
            box = (left, top, left + width, top + height)
            if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in taken):
                continue
            taken.append(box)
            part = canvas[top : top + height, left : left + width]
            np.maximum(part, ink, out=part)
            entry = {"id": len(entries) + 1, "image_id": number, "category_id": int(digits.target[index])}
            entries.append(entry | {"bbox": [left, top, width, height], "iscrowd": 0})
        Image.fromarray(canvas.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": side, "height": side})
    categories = [{"id": label, "name": str(label)} for label in range(labels)]
    values = {"images": images, "annotations": entries, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(values))
    return folder


def digit(image: Any, side: int) -> Any:
    """A digit of 8×8 enlarged, cut to its ink."""
    large = Image.fromarray((image * 15.9).astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    pixels = np.asarray(large, np.float32)
    rows, columns = np.nonzero(pixels > INK)
    return pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
