"""The frontend of image models: scaling and normalisation of pixels, on the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..core.data import Preprocessing
from ..core.problem import DATA, Problem

CHANNELS = {"grey": 1, "rgb": 3}


class Frontend(nn.Module):
    """`(x/255 − mean)/std`: (B, C, H, W) pixels from 0 to 255, uint8 or float, -> the same shape, float32.

    `mean` and `std` are per channel, on a scale where white is 1. They are preprocessing, not weights: the model's card
    stores them, not its state dict.
    """

    factor: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        means, stds = torch.tensor(mean, dtype=torch.float64), torch.tensor(std, dtype=torch.float64)
        self.register_buffer("factor", _per_channel(1 / (255 * stds)), persistent=False)
        self.register_buffer("shift", _per_channel(-means / stds), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # Twice as fast on a CPU as torch.addcmul, which is not vectorised over broadcast channels: 0.4 ms instead of
        # 0.8 ms for 1,000 images of 3×32×32 on two cores.
        return (x.float() * self.factor).add_(self.shift)


def _per_channel(values: Tensor) -> Tensor:
    return values.float().view(1, -1, 1, 1)


def random_pixels(preprocessing: Preprocessing, shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Returns random pixels, uint8 (B, C, H, W)."""
    return torch.randint(0, 256, tuple(shape), generator=rng).byte()


def shape(preprocessing: Preprocessing) -> tuple[int, ...]:
    """Returns the shape (C, H, W) of a picture."""
    return (CHANNELS[preprocessing["colour"]], *map(int, preprocessing["size"]))


def frontend(preprocessing: Preprocessing) -> Frontend:
    """Returns the frontend for `preprocessing`: {"size": [H, W], "colour": "grey" | "rgb", "mean": […], "std": […]}."""
    channels = CHANNELS[preprocessing["colour"]]
    if not len(preprocessing["mean"]) == len(preprocessing["std"]) == channels:
        raise Problem(f"the mean and the std of {preprocessing['colour']} pictures are {channels} numbers each", DATA)
    return Frontend(preprocessing["mean"], preprocessing["std"])
