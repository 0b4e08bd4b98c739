"""Pictures that a network imagines: values from 0 to 1 in place of pixels, so that there is a way uphill."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.data import Preprocessing
from ..core.imagine.canvas import Canvas
from .frontend import CHANNELS

PHOTO = 96  # pixels: pictures from this side on are imagined in one way, for the time that each takes
PHOTOS = {"jitter": 8, "fourier": True}
END = 0.25  # a mean this near to black or white is of pictures drawn on it

# The square root of the covariance of ImageNet's colours, its longest column 1: independent channels become colours as
# they come together in photographs (tensorflow/lucid, optvis/param/color.py).
NATURAL = ((0.563, 0.195, 0.043), (0.584, 0.0, -0.108), (0.584, -0.195, 0.065))


def canvas(preprocessing: Preprocessing, frontend: nn.Module) -> Canvas:
    """Values are pixels/255. The ground is black or white where the pictures of training lie on it, else their mean."""
    device = next(frontend.buffers()).device
    ground = torch.tensor([ground_of(mean) for mean in preprocessing["mean"]], device=device)[:, None, None]
    mix = torch.tensor(NATURAL, device=device) if preprocessing["colour"] == "rgb" else None
    shape = (CHANNELS[preprocessing["colour"]], int(preprocessing["size"][0]), int(preprocessing["size"][1]))

    def see(values: Tensor) -> Tensor:
        return frontend(values * 255)  # type: ignore[no-any-return]

    if min(shape[1:]) < PHOTO:
        return Canvas(shape, see, pixels, ground, mix)
    return Canvas(shape, see, pixels, ground, mix, ways=(PHOTOS,), filters=PHOTOS)


def ground_of(mean: float) -> float:
    return 0.0 if mean < END else 1.0 if mean > 1 - END else mean


def pixels(values: Tensor) -> Tensor:
    """(B, C, H, W) values from 0 to 1 -> uint8, as a file holds them."""
    return (values * 255).round().byte()
