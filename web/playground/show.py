"""A point as a picture: its place in the plane."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ...core.data import Preprocessing
from .features import UNIT
from .points import SIDE

SIZE, DOT = 96, 4  # pixels


def show(point: Tensor, relevance: Tensor | None = None, preprocessing: Preprocessing | None = None) -> Any:
    """A compact point (2,) in the plane with its axes, as a Pillow image."""
    image = Image.new("RGB", (SIZE, SIZE), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIZE - 1, SIZE - 1), outline="#c8ccd2")
    draw.line((SIZE / 2, 0, SIZE / 2, SIZE), fill="#e3e6ea")
    draw.line((0, SIZE / 2, SIZE, SIZE / 2), fill="#e3e6ea")
    x, y = ((point.double() * UNIT / SIDE).clamp(-1, 1) * torch.tensor([1.0, -1.0]) + 1).mul(SIZE / 2).tolist()
    draw.ellipse((x - DOT, y - DOT, x + DOT, y + DOT), fill="#1f2933")
    return image
