"""From samples to what a network sees: the log-mel spectrogram, on the device, a part of the model."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.data import Preprocessing
from .spectrogram import filters, points_for

FULL = 32768.0  # full scale of an int16 sample
QUIET = 1e-10  # power below which there is nothing to hear: a hundredth of the last bit of 16
DEPTH = 60.0  # dB: what is this much quieter than the loudest moment of a clip counts as silence
REACH = 2  # frames before and after that a delta looks at

NORMALISE = ("clip", "set", "none")


class Frontend(nn.Module):
    """Samples (B, N), int16 or float on its scale, -> log-mel maps (B, C, bands, frames), float32; C is 3 with deltas.

    A frame is a Hann window that lies wholly in the clip: frames = (N − frame)/hop + 1.
    """

    window: Tensor
    mel: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, preprocessing: Preprocessing) -> None:
        super().__init__()
        rate, bands = int(preprocessing["rate"]), int(preprocessing["bands"])
        self.frame, self.hop = samples_in(preprocessing["frame"], rate), samples_in(preprocessing["hop"], rate)
        self.normalise, self.deltas = str(preprocessing["normalise"]), bool(preprocessing["deltas"])
        self.points = points_for(bands, rate, self.frame)
        window = torch.hann_window(self.frame, dtype=torch.float64) / FULL
        self.register_buffer("window", window.float(), persistent=False)
        triangles = filters(bands, rate, self.points).float()
        # A row for the cosines and a row for the sines of each frequency, whose squares are added up by the filters.
        self.register_buffer("mel", triangles.repeat_interleave(2, 0), persistent=False)
        for name in ("mean", "std"):
            values = torch.tensor(preprocessing.get(name) or [0.0], dtype=torch.float32)
            self.register_buffer(name, values[:, None], persistent=False)  # (bands, 1)

    def forward(self, x: Tensor) -> Tensor:
        with exactly(x):
            return self.seen(self.decibels(x))

    def seen(self, decibels: Tensor) -> Tensor:
        """What the network sees of levels in dB: (B, bands, frames) -> (B, C, bands, frames)."""
        maps = self.normalised(decibels)
        if not self.deltas:
            return maps[:, None]
        first = delta(maps)
        return torch.stack((maps, first, delta(first)), 1)

    def power(self, x: Tensor) -> Tensor:
        """The power in each band of each frame: (B, N) -> (B, bands, frames)."""
        frames = x.float().unfold(1, self.frame, self.hop)  # (B, frames, frame)
        parts = torch.view_as_real(torch.fft.rfft(frames * self.window, self.points))  # (B, frames, points/2 + 1, 2)
        return (parts.square_().flatten(2) @ self.mel).transpose(1, 2)

    def decibels(self, x: Tensor) -> Tensor:
        """The same in dB, at most DEPTH below the loudest of its clip, so that no silence is deeper than another."""
        level = self.power(x).clamp_min(QUIET).log10().mul(10)
        return level.maximum(level.amax((1, 2), keepdim=True) - DEPTH)

    def normalised(self, maps: Tensor) -> Tensor:
        if self.normalise == "clip":
            return over_clip(maps)
        if self.normalise == "set":
            return (maps - self.mean) / self.std
        return maps


def over_clip(maps: Tensor) -> Tensor:
    """Each clip to mean 0 and deviation 1, whatever its loudness: (B, bands, frames) -> the same."""
    maps = maps - maps.mean((1, 2), keepdim=True)
    return maps / maps.square().mean((1, 2), keepdim=True).add(1e-2).sqrt()


def silence(maps: Tensor) -> Tensor:
    """What a network hears where nothing is: each clip's quietest level, and deltas of 0. (B, C, bands, frames)."""
    quiet = torch.zeros_like(maps)
    quiet[:, :1] = maps[:, :1].amin((2, 3), keepdim=True)
    return quiet


def delta(maps: Tensor) -> Tensor:
    """The slope over time, by regression over REACH frames to each side, the border repeated (Furui 1986).

    (B, bands, frames) -> the same; as torchaudio's compute_deltas(win_length=5).
    """
    long = F.pad(maps, (REACH, REACH), mode="replicate")
    width = maps.shape[-1]
    slopes = [n * (long[..., REACH + n :][..., :width] - long[..., REACH - n :][..., :width]) for n in (1, 2)]
    return (slopes[0] + slopes[1]) / (2 * sum(n * n for n in (1, 2)))


def samples_in(milliseconds: float, rate: int) -> int:
    return max(1, round(milliseconds * rate / 1000))


def exactly(x: Tensor) -> AbstractContextManager[Any]:
    """float32 inside, also where a trainer multiplies in bfloat16: a power spectrum spans more digits than that has."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def frontend(preprocessing: Preprocessing) -> Frontend:
    """The frontend for `preprocessing`: rate (Hz), bands, frame and hop (ms), deltas, normalise, mean, std (dB)."""
    return Frontend(preprocessing)


def frames_of(preprocessing: Preprocessing) -> int:
    """How many frames the map of one example has."""
    rate = int(preprocessing["rate"])
    return (int(preprocessing["samples"]) - samples_in(preprocessing["frame"], rate)) // samples_in(
        preprocessing["hop"], rate
    ) + 1
