"""Random affine and perspective transforms: one 3×3 matrix for each image, sampled once.

A matrix maps a position in the new image to the position in the old one from which its colour is read. Positions are
(x, y, 1) in pixels from the image's centre, x to the right and y down, so that a rotation keeps angles on any size.
Matrices are multiplied, so an image is interpolated once however many transforms there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log1p, pi
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int]  # height and width, in pixels


class BatchRng(NamedTuple):
    """Random numbers for a batch, one for each image, drawn on its device."""

    batch_size: int
    device: torch.device
    generator: torch.Generator

    def coin_flips(self) -> Tensor:
        """(B,) bool, true with probability 1/2."""
        return torch.rand(self.batch_size, device=self.device, generator=self.generator) < 0.5

    def symmetric(self, limit: float) -> Tensor:
        """(B,) float32, uniform from −limit to limit."""
        return torch.rand(self.batch_size, device=self.device, generator=self.generator).mul_(2 * limit).sub_(limit)

    def integers(self, low: int, high: int) -> Tensor:
        """(B,) int64, uniform from low to high, inclusive."""
        return torch.randint(low, high + 1, (self.batch_size,), device=self.device, generator=self.generator)


Warp = Callable[[Size, BatchRng], Tensor]  # an image's size -> (B, 3, 3)


def matrix_of(warps: Sequence[Warp], size: Size, rng: BatchRng) -> Tensor:
    """(B, 3, 3) the product of all `warps`, for images of `size`."""
    matrix = warps[0](size, rng)
    for transform in warps[1:]:
        matrix = product(matrix, transform(size, rng))
    return matrix


def sample(images: Tensor, matrix: Tensor) -> Tensor:
    """Samples each image through its matrix (B, 3, 3), bilinear, reflected at the borders: (B, C, H, W) float32."""
    grid = sampling_grid(matrix, (images.shape[2], images.shape[3]))
    return F.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)


def sampling_grid(matrix: Tensor, size: Size) -> Tensor:
    """(B, 3, 3) matrices -> (B, H, W, 2), the x and y that torch's grid_sample reads each new pixel from."""
    height, width = size
    across = matrix[:, :, 0, None] * centred(width, matrix.device)  # (B, 3, W)
    down = matrix[:, :, 1, None] * centred(height, matrix.device) + matrix[:, :, 2, None]  # (B, 3, H)
    x, y, w = (across[:, :, None, :] + down[:, :, :, None]).unbind(1)  # (B, H, W) each: matrix · (x, y, 1)
    return torch.stack((x / w * (2 / width), y / w * (2 / height)), 3)


def centred(length: int, device: torch.device) -> Tensor:
    """The centres of `length` pixels, relative to the centre of them all: −1, 0, 1 for three."""
    return torch.arange(length, device=device, dtype=torch.float32) - (length - 1) / 2


def product(a: Tensor, b: Tensor) -> Tensor:
    """a · b for (B, 3, 3), element by element: a matrix product would lose precision to bf16 under autocast."""
    return (a[:, :, :, None] * b[:, None, :, :]).sum(2)


def _identity(rng: BatchRng) -> Tensor:
    return torch.eye(3, device=rng.device).repeat(rng.batch_size, 1, 1)


def rotate(size: Size, rng: BatchRng, degrees: float = 15.0) -> Tensor:
    """Rotates about the centre by up to `degrees` either way."""
    return rotation(rng.symmetric(degrees))


def rotation(degrees: Tensor) -> Tensor:
    """(B,) angles, counter-clockwise as the image is displayed -> (B, 3, 3)."""
    angle = degrees * (pi / 180)
    cos, sin, zeros, ones = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack((cos, -sin, zeros, sin, cos, zeros, zeros, zeros, ones), 1).view(-1, 3, 3)


def translate(size: Size, rng: BatchRng, share: float = 0.1) -> Tensor:
    """Moves by up to this share of the width and of the height."""
    matrix = _identity(rng)
    matrix[:, 0, 2] = rng.symmetric(share * size[1])
    matrix[:, 1, 2] = rng.symmetric(share * size[0])
    return matrix


def scale(size: Size, rng: BatchRng, share: float = 0.1) -> Tensor:
    """Scales by a factor from 1/(1 + share) to 1 + share."""
    factor = rng.symmetric(log1p(share)).exp()
    matrix = _identity(rng)
    matrix[:, 0, 0] = matrix[:, 1, 1] = factor
    return matrix


def skew(size: Size, rng: BatchRng, degrees: float = 10.0) -> Tensor:
    """Tilts vertical lines to the left or right by up to `degrees`."""
    matrix = _identity(rng)
    matrix[:, 0, 1] = (rng.symmetric(degrees) * (pi / 180)).tan()
    return matrix


def perspective(size: Size, rng: BatchRng, share: float = 0.1) -> Tensor:
    """Tilts in depth: the borders are up to this share nearer or farther, along each axis.

    It has to be the last of the warps: its divisor then stays above 1 − 2·share for all positions in the image.
    """
    matrix = _identity(rng)
    matrix[:, 2, 0] = rng.symmetric(2 * share / size[1])
    matrix[:, 2, 1] = rng.symmetric(2 * share / size[0])
    return matrix
