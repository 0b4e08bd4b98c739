"""How pictures go wrong: noise, blur, shift, rotation, brightness, contrast, in five strengths each.

After Hendrycks and Dietterich 2019, with strengths as shares of the picture's side and of full scale, so that they mean
the same on 28 pixels and on 224. The strength is what it says for every picture; chance decides noise and directions.
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
    return CORRUPTIONS


def noise(pictures: Tensor, std: float, rng: torch.Generator) -> Tensor:
    """Normal noise of this deviation, a share of full scale, on every pixel and channel."""
    drawn = torch.randn(pictures.shape, device=pictures.device, generator=rng)
    return drawn.mul_(std * FULL).add_(pictures).clamp_(0, FULL)


def blur(pictures: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """A Gaussian of this deviation, a share of the longer side, the border mirrored."""
    sigma = share * max(pictures.shape[2:])
    reach = min(max(1, round(3 * sigma)), min(pictures.shape[2:]) - 1)
    across = torch.arange(-reach, reach + 1, device=pictures.device) / sigma
    weights = torch.softmax(-across.square() / 2, 0)
    x = pictures.float().flatten(0, 1)[:, None]  # (B·C, 1, H, W)
    x = F.conv2d(F.pad(x, (reach,) * 4, mode="reflect"), weights.view(1, 1, 1, -1))
    return F.conv2d(x, weights.view(1, 1, -1, 1)).view(pictures.shape)


def shift(pictures: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Moved by this share of the side, each picture in a direction of its own; the border mirrored."""
    angle = torch.rand(len(pictures), device=pictures.device, generator=rng) * (2 * torch.pi)
    matrix = torch.eye(3, device=pictures.device).repeat(len(pictures), 1, 1)
    matrix[:, 0, 2] = angle.cos() * (share * pictures.shape[3])
    matrix[:, 1, 2] = angle.sin() * (share * pictures.shape[2])
    return sample(pictures, matrix)


def rotate(pictures: Tensor, degrees: float, rng: torch.Generator) -> Tensor:
    """Turned by so much to the left or the right about the middle, the border mirrored."""
    return sample(pictures, rotation(degrees * _signs(pictures, rng)))


def brightness(pictures: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Brighter or darker by this share of full scale; what is beyond white or black is cut off."""
    return (pictures + (share * FULL) * _signs(pictures, rng)[:, None, None, None]).clamp_(0, FULL)


def contrast(pictures: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """This share of the contrast lost: every pixel so much nearer to the picture's mean."""
    x = pictures.float()
    return torch.lerp(x, x.mean((1, 2, 3), keepdim=True), share)


def _signs(pictures: Tensor, rng: torch.Generator) -> Tensor:
    """(B,) −1 or 1."""
    return torch.randint(0, 2, (len(pictures),), device=pictures.device, generator=rng).float().mul_(2).sub_(1)


CORRUPTIONS = {
    "noise": Corruption(noise, (0.05, 0.1, 0.2, 0.3, 0.4), PIXELS),
    "blur": Corruption(blur, (0.01, 0.02, 0.035, 0.05, 0.08), "of the side"),
    "shift": Corruption(shift, (0.03, 0.06, 0.1, 0.15, 0.2), "of the side"),
    "rotation": Corruption(rotate, (5, 10, 20, 30, 45), "degrees"),
    "brightness": Corruption(brightness, (0.1, 0.2, 0.3, 0.4, 0.5), PIXELS),
    "contrast": Corruption(contrast, (0.2, 0.4, 0.6, 0.75, 0.9), "of it lost"),
}
