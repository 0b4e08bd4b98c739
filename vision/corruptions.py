"""Common corruptions of images: noise, blur, shift, rotation, brightness and contrast, in five strengths each.

After Hendrycks and Dietterich 2019, with strengths relative to the image's side and to full scale, so that they mean
the same on 28 pixels and on 224. Every image is corrupted by the same amount; noise and directions are random.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.data import Preprocessing
from ..core.robust.capability import Corruption, PerturbationSpace
from .augment import FULL
from .warp import rotation, sample

SPACES = (
    PerturbationSpace("pixels", "inputs", "shares of a pixel's range", (0.01, 0.02, 0.05, 0.1, 0.25), FULL, 0, FULL),
)
PIXELS = "of the range"


def corruptions(preprocessing: Preprocessing, extras: Mapping[str, Tensor]) -> Mapping[str, Corruption]:
    """Returns the corruptions by name; they depend neither on `preprocessing` nor on `extras`."""
    return CORRUPTIONS


def noise(images: Tensor, std: float, rng: torch.Generator) -> Tensor:
    """Adds Gaussian noise to every pixel and channel; `std` is a share of full scale."""
    values = torch.randn(images.shape, device=images.device, generator=rng)
    return values.mul_(std * FULL).add_(images).clamp_(0, FULL)


def blur(images: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Gaussian blur with reflection padding; its standard deviation is a share of the longer side."""
    sigma = share * max(images.shape[2:])
    radius = min(max(1, round(3 * sigma)), min(images.shape[2:]) - 1)
    offsets = torch.arange(-radius, radius + 1, device=images.device) / sigma
    weights = torch.softmax(-offsets.square() / 2, 0)
    x = images.float().flatten(0, 1)[:, None]  # (B·C, 1, H, W)
    x = F.conv2d(F.pad(x, (radius,) * 4, mode="reflect"), weights.view(1, 1, 1, -1))
    return F.conv2d(x, weights.view(1, 1, -1, 1)).view(images.shape)


def shift(images: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Shifts each image by this share of the side in a random direction, with reflection padding."""
    angle = torch.rand(len(images), device=images.device, generator=rng) * (2 * torch.pi)
    matrix = torch.eye(3, device=images.device).repeat(len(images), 1, 1)
    matrix[:, 0, 2] = angle.cos() * (share * images.shape[3])
    matrix[:, 1, 2] = angle.sin() * (share * images.shape[2])
    return sample(images, matrix)


def rotate(images: Tensor, degrees: float, rng: torch.Generator) -> Tensor:
    """Rotates left or right about the centre, with reflection padding."""
    return sample(images, rotation(degrees * random_signs(images, rng)))


def brightness(images: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Brightens or darkens by this share of full scale, clipped to 0..255."""
    return (images + (share * FULL) * random_signs(images, rng)[:, None, None, None]).clamp_(0, FULL)


def contrast(images: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Moves every pixel towards the image's mean by this share of the distance."""
    x = images.float()
    return torch.lerp(x, x.mean((1, 2, 3), keepdim=True), share)


def random_signs(images: Tensor, rng: torch.Generator) -> Tensor:
    """(B,) float32, −1 or 1 with probability 1/2."""
    return torch.randint(0, 2, (len(images),), device=images.device, generator=rng).float().mul_(2).sub_(1)


CORRUPTIONS = {
    "noise": Corruption(noise, (0.05, 0.1, 0.2, 0.3, 0.4), PIXELS),
    "blur": Corruption(blur, (0.01, 0.02, 0.035, 0.05, 0.08), "of the side"),
    "shift": Corruption(shift, (0.03, 0.06, 0.1, 0.15, 0.2), "of the side"),
    "rotation": Corruption(rotate, (5, 10, 20, 30, 45), "degrees"),
    "brightness": Corruption(brightness, (0.1, 0.2, 0.3, 0.4, 0.5), PIXELS),
    "contrast": Corruption(contrast, (0.2, 0.4, 0.6, 0.75, 0.9), "of it lost"),
}
