"""The mel scale and mel filters."""

from __future__ import annotations

import torch
from torch import Tensor

MIN_FREQUENCY = 60.0  # Hz: below it there is mains hum and no voice


def mels(hertz: Tensor) -> Tensor:
    """Hz -> mel: 2595·log₁₀(1 + f/700) (O'Shaughnessy 1987), as in HTK and torchaudio."""
    return 2595 * torch.log10(1 + hertz / 700)


def hertz(mels: Tensor) -> Tensor:
    """Mel -> Hz."""
    return 700 * (10 ** (mels / 2595) - 1)


def corners(bands: int, rate: int) -> Tensor:
    """Returns the (bands + 2,) corner frequencies in Hz of the triangular filters, evenly spaced in mels; float64.

    Band k rises from corner k to its centre, corner k + 1, and falls to corner k + 2.
    """
    low, high = mels(torch.tensor([MIN_FREQUENCY, rate / 2], dtype=torch.float64))
    return hertz(torch.linspace(float(low), float(high), bands + 2, dtype=torch.float64))


def middles(bands: int, rate: int) -> Tensor:
    """Returns the centre frequency of each band in Hz, (bands,)."""
    return corners(bands, rate)[1:-1]


def filters(bands: int, rate: int, n_fft: int) -> Tensor:
    """Returns triangular filters over the frequencies of a Fourier transform: (n_fft/2 + 1, bands), float64."""
    frequencies = torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64)[:, None]
    left, middle, right = (corners(bands, rate)[k : k + bands] for k in range(3))
    return torch.minimum((frequencies - left) / (middle - left), (right - frequencies) / (right - middle)).clamp_min(0)


def n_fft_for(bands: int, rate: int, frame: int) -> int:
    """Returns the length of the Fourier transform: the frame's, doubled until no band is empty."""
    n_fft = frame + frame % 2
    while not bool((filters(bands, rate, n_fft).amax(0) > 0).all()):
        n_fft *= 2
    return n_fft
