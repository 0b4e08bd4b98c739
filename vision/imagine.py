"""Pictures that a network imagines: values from 0 to 1 in place of pixels, so that there is a way uphill."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.domain import Facts
from ..core.imagine.canvas import Canvas
from .frontend import CHANNELS

END = 0.25  # a mean this near to black or white is of pictures drawn on it

# The square root of the covariance of ImageNet's colours, its longest column 1: independent channels become colours as
# they come together in photographs (tensorflow/lucid, optvis/param/color.py).
NATURAL = ((0.563, 0.195, 0.043), (0.584, 0.0, -0.108), (0.584, -0.195, 0.065))


def canvas(facts: Facts, frontend: nn.Module) -> Canvas:
    """Values are pixels/255. The ground is black or white where the pictures of training lie on it, else their mean."""
    device = next(frontend.buffers()).device
    ground = torch.tensor([ground_of(mean) for mean in facts["mean"]], device=device)[:, None, None]
    mix = torch.tensor(NATURAL, device=device) if facts["colour"] == "rgb" else None
    shape = (CHANNELS[facts["colour"]], int(facts["size"][0]), int(facts["size"][1]))
    return Canvas(shape, lambda values: frontend(values * 255), pixels, ground, mix)


def ground_of(mean: float) -> float:
    return 0.0 if mean < END else 1.0 if mean > 1 - END else mean


def pixels(values: Tensor) -> Tensor:
    """(B, C, H, W) values from 0 to 1 -> uint8, as a file holds them."""
    return (values * 255).round().byte()
