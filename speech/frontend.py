"""The frontend of speech models: log-mel spectrograms, computed on the device."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.data import Preprocessing
from .spectrogram import axis, filters, n_fft_for

FULL_SCALE = 32768.0  # of an int16 sample
MIN_POWER = 1e-10  # inaudible: below the last of 16 bits by a factor of 100
DEPTH = 60.0  # dB below the loudest moment of a clip, from which on a level counts as silence
DELTA_FRAMES = 2  # before and after a frame, from which its delta is computed

NORMALISE = ("clip", "set", "none")


class Frontend(nn.Module):
    """Samples (B, N), int16 or float on its scale, -> log-mel maps (B, C, bands, frames), float32; C is 3 with deltas.

    Each frame is a Hann window that lies completely within the clip: frames = (N − frame)/hop + 1.
    """

    window: Tensor
    mel: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        bands, rate, scale = axis(preprocessing)
        self.frame, self.hop = samples_in(preprocessing["frame"], rate), samples_in(preprocessing["hop"], rate)
        self.normalise, self.deltas = str(preprocessing["normalise"]), bool(preprocessing["deltas"])
        self.n_fft = n_fft_for(bands, rate, self.frame, scale)
        window = torch.hann_window(self.frame, dtype=torch.float64) / FULL_SCALE
        self.register_buffer("window", window.float(), persistent=False)
        triangles = filters(bands, rate, self.n_fft, scale).float()
        # Each frequency has a row for its cosine and one for its sine, whose squares the filters add up.
        self.register_buffer("mel", triangles.repeat_interleave(2, 0), persistent=False)
        for name in ("mean", "std"):
            values = torch.tensor(preprocessing.get(name) or [0.0], dtype=torch.float32)
            self.register_buffer(name, values[:, None], persistent=False)  # (bands, 1)

    def forward(self, x: Tensor) -> Tensor:
        with in_float32(x):
            return self.to_maps(self.decibels(x))

    def to_maps(self, decibels: Tensor) -> Tensor:
        """Normalises levels in dB and adds deltas: (B, bands, frames) -> (B, C, bands, frames)."""
        maps = self.normalised(decibels)
        if not self.deltas:
            return maps[:, None]
        first = delta(maps)
        return torch.stack((maps, first, delta(first)), 1)

    def power(self, x: Tensor) -> Tensor:
        """Returns the power in each band of each frame: (B, N) -> (B, bands, frames)."""
        frames = x.float().unfold(1, self.frame, self.hop) * self.window  # (B, frames, frame)
        if torch.compiler.is_exporting():
            # In float32, onnxruntime's transform of a length that is no power of two is off by 1e-4 of the loudest
            # frequency, torch's by 1e-6.
            frames = frames.double()
        parts = torch.view_as_real(torch.fft.rfft(frames, self.n_fft))  # (B, frames, n_fft/2 + 1, 2)
        return (parts.square_().flatten(2).float() @ self.mel).transpose(1, 2)

    def decibels(self, x: Tensor) -> Tensor:
        """Returns it in dB, at most DEPTH below the loudest of its clip, so that all silence has the same level."""
        level = self.power(x).clamp_min(MIN_POWER).log10().mul(10)
        return level.maximum(level.amax((1, 2), keepdim=True) - DEPTH)

    def normalised(self, maps: Tensor) -> Tensor:
        if self.normalise == "clip":
            return normalise_clips(maps)
        if self.normalise == "set":
            return (maps - self.mean) / self.std
        return maps


def normalise_clips(maps: Tensor) -> Tensor:
    """Normalises each clip to mean 0 and standard deviation 1: (B, bands, frames) -> the same."""
    maps = maps - maps.mean((1, 2), keepdim=True)
    return maps / maps.square().mean((1, 2), keepdim=True).add(1e-2).sqrt()


def silence(maps: Tensor) -> Tensor:
    """Returns the maps of silence: each clip's quietest level, and deltas of 0. (B, C, bands, frames)."""
    silent = torch.zeros_like(maps)
    silent[:, :1] = maps[:, :1].amin((2, 3), keepdim=True)
    return silent


def delta(maps: Tensor) -> Tensor:
    """Returns the slope over time, by regression over DELTA_FRAMES to each side; the border is repeated (Furui 1986).

    (B, bands, frames) -> the same; as torchaudio's compute_deltas(win_length=5).
    """
    padded, width = F.pad(maps, (DELTA_FRAMES, DELTA_FRAMES), mode="replicate"), maps.shape[-1]
    later, earlier = padded[..., DELTA_FRAMES:], padded
    slopes = [n * (later[..., n:][..., :width] - earlier[..., DELTA_FRAMES - n :][..., :width]) for n in (1, 2)]
    return (slopes[0] + slopes[1]) / (2 * sum(n * n for n in (1, 2)))


def samples_in(milliseconds: float, rate: int) -> int:
    """Returns a duration in samples, at least 1."""
    return max(1, round(milliseconds * rate / 1000))


def in_float32(x: Tensor) -> AbstractContextManager[Any]:
    """Returns a context without autocast: the range of a power spectrum is too large for bfloat16."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def random_samples(preprocessing: Preprocessing, shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Returns white noise of different loudness, int16 (B, N)."""
    loudness = 10 ** (1 + 3 * torch.rand(shape[0], 1, generator=rng))  # of full scale 32768: −70 to −10 dB
    noise = torch.randn(tuple(shape), generator=rng) * loudness
    return noise.clamp(-FULL_SCALE, FULL_SCALE - 1).short()


def frontend(preprocessing: Preprocessing) -> Frontend:
    """Returns the frontend for rate (Hz), bands, frame and hop (ms), deltas, normalise, mean and std (dB)."""
    return Frontend(preprocessing)


def maps(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """Returns the shape of the frontend's maps."""
    return 3 if preprocessing["deltas"] else 1, int(preprocessing["bands"]), frames_of(preprocessing)


def frames_of(preprocessing: Preprocessing) -> int:
    """Returns the number of frames of an example."""
    rate = int(preprocessing["rate"])
    return (int(preprocessing["samples"]) - samples_in(preprocessing["frame"], rate)) // samples_in(
        preprocessing["hop"], rate
    ) + 1
