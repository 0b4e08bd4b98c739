"""Hertz and mels, and the filters between them."""

from __future__ import annotations

import torch
from torch import Tensor

LOWEST = 60.0  # Hz: below it there is the hum of the mains and no voice


def mels(hertz: Tensor) -> Tensor:
    """The pitch that people hear: 2595·log₁₀(1 + f/700) (O'Shaughnessy 1987), as in HTK and torchaudio."""
    return 2595 * torch.log10(1 + hertz / 700)


def hertz(mels: Tensor) -> Tensor:
    return 700 * (10 ** (mels / 2595) - 1)


def corners(bands: int, rate: int) -> Tensor:
    """The (bands + 2,) frequencies in Hz that the triangles stand on, evenly spaced in mels; float64.

    Band k rises from corner k to its middle, corner k + 1, and falls to corner k + 2.
    """
    low, high = mels(torch.tensor([LOWEST, rate / 2], dtype=torch.float64))
    return hertz(torch.linspace(float(low), float(high), bands + 2, dtype=torch.float64))


def middles(bands: int, rate: int) -> Tensor:
    """The frequency in Hz that each band is loudest for, (bands,)."""
    return corners(bands, rate)[1:-1]


def filters(bands: int, rate: int, points: int) -> Tensor:
    """The triangles over the points of a Fourier transform of that length: (points/2 + 1, bands), float64."""
    places = torch.linspace(0, rate / 2, points // 2 + 1, dtype=torch.float64)[:, None]
    left, middle, right = (corners(bands, rate)[k : k + bands] for k in range(3))
    return torch.minimum((places - left) / (middle - left), (right - places) / (right - middle)).clamp_min(0)


def points_for(bands: int, rate: int, frame: int) -> int:
    """The length of the transform: the frame's, or so many times twice that no band is without a point in it."""
    points = frame + frame % 2
    while not bool((filters(bands, rate, points).amax(0) > 0).all()):
        points *= 2
    return points
