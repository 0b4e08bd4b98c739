"""Bands of frequencies, evenly spaced in mels or in octaves, and their filters."""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.data import Preprocessing

MIN_FREQUENCY = 60.0  # Hz: below it there is mains hum and no voice
MIN_PITCH = 32.70319566  # Hz, C1: the lowest band in octaves
SCALES = ("mel", "log")


def mels(hertz: Tensor) -> Tensor:
    """Hz -> mel: 2595·log₁₀(1 + f/700) (O'Shaughnessy 1987), as in HTK and torchaudio."""
    return 2595 * torch.log10(1 + hertz / 700)


def hertz(mels: Tensor) -> Tensor:
    """Mel -> Hz."""
    return 700 * (10 ** (mels / 2595) - 1)


def axis(preprocessing: Preprocessing) -> tuple[int, int, str]:
    """The arguments of the functions below: the number of bands, the rate in Hz and the scale."""
    return int(preprocessing["bands"]), int(preprocessing["rate"]), str(preprocessing.get("scale", "mel"))


def corners(bands: int, rate: int, scale: str = "mel") -> Tensor:
    """Returns the (bands + 2,) corner frequencies in Hz of the triangular filters; float64.

    They are evenly spaced in mels, or with the scale "log" in octaves, from C1 on, so that an interval has the same
    height everywhere. Band k rises from corner k to its centre, corner k + 1, and falls to corner k + 2.
    """
    if scale == "log":
        low, high = torch.tensor([MIN_PITCH, rate / 2], dtype=torch.float64).log2()
        return torch.linspace(float(low), float(high), bands + 2, dtype=torch.float64).exp2()
    low, high = mels(torch.tensor([MIN_FREQUENCY, rate / 2], dtype=torch.float64))
    return hertz(torch.linspace(float(low), float(high), bands + 2, dtype=torch.float64))


def middles(bands: int, rate: int, scale: str = "mel") -> Tensor:
    """Returns the centre frequency of each band in Hz, (bands,)."""
    return corners(bands, rate, scale)[1:-1]


def filters(bands: int, rate: int, n_fft: int, scale: str = "mel") -> Tensor:
    """Returns triangular filters over the frequencies of a Fourier transform: (n_fft/2 + 1, bands), float64."""
    frequencies = torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64)[:, None]
    left, middle, right = (corners(bands, rate, scale)[k : k + bands] for k in range(3))
    return torch.minimum((frequencies - left) / (middle - left), (right - frequencies) / (right - middle)).clamp_min(0)


def n_fft_for(bands: int, rate: int, frame: int, scale: str = "mel") -> int:
    """Returns the length of the Fourier transform: the frame's, doubled until no band is empty."""
    n_fft = frame + frame % 2
    while not bool((filters(bands, rate, n_fft, scale).amax(0) > 0).all()):
        n_fft *= 2
    return n_fft
