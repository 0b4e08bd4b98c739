"""Pictures turned, moved, leaned and tilted: every change of shape as one 3×3 matrix a picture, sampled once.

A matrix takes a place in the new picture to the place in the old one where its colour is found. Places are (x, y, 1)
in pixels from the picture's centre, x to the right and y down, so that a rotation keeps angles on any size. Matrices
multiply: however many words there are, a picture is interpolated once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log1p, pi
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Side = tuple[int, int]  # height and width, in pixels


class Dice(NamedTuple):
    """Random numbers for a batch, one for each picture, drawn on its device."""

    pictures: int
    device: torch.device
    rng: torch.Generator

    def coins(self) -> Tensor:
        """(B,) true or false, each with 1/2."""
        return torch.rand(self.pictures, device=self.device, generator=self.rng) < 0.5

    def within(self, most: float) -> Tensor:
        """(B,) float32, evenly from −most to most."""
        return torch.rand(self.pictures, device=self.device, generator=self.rng).mul_(2 * most).sub_(most)

    def whole(self, least: int, most: int) -> Tensor:
        """(B,) int64, evenly from least to most, both of them included."""
        return torch.randint(least, most + 1, (self.pictures,), device=self.device, generator=self.rng)


Warp = Callable[[Side, Dice], Tensor]  # a picture's size -> (B, 3, 3)


def warp(x: Tensor, words: Sequence[Warp], dice: Dice) -> Tensor:
    """All `words` in one sampling: (B, C, H, W) -> the same shape, float32."""
    side = (x.shape[2], x.shape[3])
    matrix = words[0](side, dice)
    for word in words[1:]:
        matrix = product(matrix, word(side, dice))
    return sample(x, matrix)


def sample(pictures: Tensor, matrix: Tensor) -> Tensor:
    """Each picture seen through its matrix (B, 3, 3), bilinear, mirrored at the borders: (B, C, H, W) float32."""
    height, width = pictures.shape[2:]
    across = matrix[:, :, 0, None] * centred(width, matrix.device)  # (B, 3, W)
    down = matrix[:, :, 1, None] * centred(height, matrix.device) + matrix[:, :, 2, None]  # (B, 3, H)
    x, y, w = (across[:, :, None, :] + down[:, :, :, None]).unbind(1)  # each (B, H, W): matrix · (x, y, 1)
    grid = torch.stack((x / w * (2 / width), y / w * (2 / height)), 3)
    return F.grid_sample(pictures.float(), grid, padding_mode="reflection", align_corners=False)


def centred(length: int, device: torch.device) -> Tensor:
    """The middles of `length` pixels, counted from the middle of them all: −1, 0, 1 for three."""
    return torch.arange(length, device=device, dtype=torch.float32) - (length - 1) / 2


def product(a: Tensor, b: Tensor) -> Tensor:
    """a · b for (B, 3, 3), element by element: a matrix product would lose places to bf16 under autocast."""
    return (a[:, :, :, None] * b[:, None, :, :]).sum(2)


def _identity(dice: Dice) -> Tensor:
    return torch.eye(3, device=dice.device).repeat(dice.pictures, 1, 1)


def rotate(side: Side, dice: Dice, degrees: float = 15.0) -> Tensor:
    """Turned about the middle by up to `degrees` either way."""
    return rotation(dice.within(degrees))


def rotation(degrees: Tensor) -> Tensor:
    """(B,) angles, counter-clockwise as the picture is seen -> (B, 3, 3)."""
    angle = degrees * (pi / 180)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack((cos, -sin, zero, sin, cos, zero, zero, zero, one), 1).view(-1, 3, 3)


def translate(side: Side, dice: Dice, share: float = 0.1) -> Tensor:
    """Moved by up to this share of the width and of the height."""
    matrix = _identity(dice)
    matrix[:, 0, 2] = dice.within(share * side[1])
    matrix[:, 1, 2] = dice.within(share * side[0])
    return matrix


def scale(side: Side, dice: Dice, share: float = 0.1) -> Tensor:
    """Larger by up to this share, or smaller by as much: a factor from 1/(1 + share) to 1 + share."""
    factor = dice.within(log1p(share)).exp()
    matrix = _identity(dice)
    matrix[:, 0, 0] = matrix[:, 1, 1] = factor
    return matrix


def skew(side: Side, dice: Dice, degrees: float = 10.0) -> Tensor:
    """Uprights lean to the left or right by up to `degrees`."""
    matrix = _identity(dice)
    matrix[:, 0, 1] = (dice.within(degrees) * (pi / 180)).tan()
    return matrix


def perspective(side: Side, dice: Dice, share: float = 0.1) -> Tensor:
    """Tilted: at the borders the picture is up to this share nearer or farther, along each axis.

    Last of the words, so that its divisor is over places inside the picture, where it stays above 1 − 2·share.
    """
    matrix = _identity(dice)
    matrix[:, 2, 0] = dice.within(2 * share / side[1])
    matrix[:, 2, 1] = dice.within(2 * share / side[0])
    return matrix
