"""Parameterisation of images for feature visualisation: values from 0 to 1 in place of pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..core.data import Preprocessing
from ..core.imagine.parameterization import InputParameterization
from .frontend import CHANNELS

PHOTO = 96  # pixels: for images of at least this side, one setting is used instead of several, to save time
PHOTO_SETTINGS = {"jitter": 8, "fourier": True}
MARGIN = 0.25  # a mean this near to black or white is taken as a black or white background

# The square root of the covariance of ImageNet's colours, its longest column of norm 1: it correlates independent
# channels as in photographs (tensorflow/lucid, optvis/param/color.py).
COLOUR_MIX = ((0.563, 0.195, 0.043), (0.584, 0.0, -0.108), (0.584, -0.195, 0.065))


def parameterize(preprocessing: Preprocessing, frontend: nn.Module) -> InputParameterization:
    """Values are pixels/255. The background is black or white if the training images' is, else their mean colour."""
    device = next(frontend.buffers()).device
    baseline = torch.tensor([baseline_of(mean) for mean in preprocessing["mean"]], device=device)[:, None, None]
    mix = torch.tensor(COLOUR_MIX, device=device) if preprocessing["colour"] == "rgb" else None
    shape = (CHANNELS[preprocessing["colour"]], int(preprocessing["size"][0]), int(preprocessing["size"][1]))

    def to_maps(values: Tensor) -> Tensor:
        return frontend(values * 255)  # type: ignore[no-any-return]

    if min(shape[1:]) < PHOTO:
        return InputParameterization(shape, to_maps, pixels, baseline, mix)
    return InputParameterization(
        shape, to_maps, pixels, baseline, mix, label_settings=(PHOTO_SETTINGS,), unit_settings=PHOTO_SETTINGS
    )


def baseline_of(mean: float) -> float:
    """Returns the background value of a channel with this mean, both from 0 to 1."""
    return 0.0 if mean < MARGIN else 1.0 if mean > 1 - MARGIN else mean


def pixels(values: Tensor) -> Tensor:
    """(B, C, H, W) values from 0 to 1 -> uint8 pixels."""
    return (values * 255).round().byte()
