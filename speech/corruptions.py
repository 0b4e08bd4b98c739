"""Common corruptions of recordings: noise, other voices, loudness, time and speed, in five strengths each.

Every clip is corrupted by the same amount; noise and directions are random. Results are rounded and clipped to the
range of int16, as in a 16-bit file.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.data import Preprocessing
from ..core.robust.capability import Corruption, PerturbationSpace
from .augment import resample, segments
from .frontend import FULL_SCALE

SPACES = (
    PerturbationSpace("spectrogram", "maps", "deviations of the spectrogram", (0.02, 0.05, 0.1, 0.2, 0.5)),
    PerturbationSpace(
        "samples",
        "inputs",
        "shares of full scale",
        (0.0002, 0.0005, 0.001, 0.002, 0.005),
        FULL_SCALE,
        -FULL_SCALE,
        FULL_SCALE - 1,
    ),
)


def corruptions(preprocessing: Preprocessing, extras: Mapping[str, Tensor]) -> Mapping[str, Corruption]:
    """Returns the corruptions by name, with `background` if the data set has background recordings."""
    sound = extras.get("background")
    if sound is None or len(sound) <= int(preprocessing["samples"]):
        return CORRUPTIONS
    return {**CORRUPTIONS, "background": Corruption(partial(background, sound), SNR, "dB above it")}


def noise(x: Tensor, snr: float, rng: torch.Generator) -> Tensor:
    """Adds white noise, `snr` dB below the power of each clip."""
    return add_noise(x.float(), torch.randn(x.shape, device=x.device, generator=rng), snr)


def voices(x: Tensor, snr: float, rng: torch.Generator) -> Tensor:
    """Adds another clip of the batch, `snr` dB below the power of each clip."""
    distance = int(torch.randint(1, max(2, len(x)), (), device=x.device, generator=rng)) if len(x) > 1 else 0
    return add_noise(x.float(), x.roll(distance, 0).float(), snr)


def background(sound: Tensor, x: Tensor, snr: float, rng: torch.Generator) -> Tensor:
    """Adds a random segment of a background recording, `snr` dB below the power of each clip."""
    starts = torch.rand(len(x), device=x.device, generator=rng) * (len(sound) - x.shape[1] + 1)
    return add_noise(x.float(), segments(sound.to(x.device), starts.long(), x.shape[1]).float(), snr)


def gain(x: Tensor, db: float, rng: torch.Generator) -> Tensor:
    """Makes each clip `db` dB louder, with clipping, or quieter, with quantisation noise."""
    return to_int16_range(x.float() * 10 ** (random_signs(x, rng) * db / 20)[:, None])


def shift(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Shifts by this share of the clip, earlier or later, filling with silence."""
    distance = round(share * x.shape[1])
    padded = F.pad(x, (distance, distance))
    starts = (random_signs(x, rng) > 0).long() * (2 * distance) + torch.arange(len(x), device=x.device) * padded.shape[
        1
    ]
    return segments(padded.view(-1), starts, x.shape[1])


def speed(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Raises or lowers speed and pitch by this share, about the middle of the clip."""
    return to_int16_range(resample(x, 1 + share * random_signs(x, rng)))


def add_noise(x: Tensor, sound: Tensor, snr: float) -> Tensor:
    """Adds `sound`, `snr` dB below the power of the clip's samples that are not zero."""
    power = x.square().sum(1) / (x != 0).sum(1).clamp_min(1)
    factor = (power / sound.square().mean(1).clamp_min(1e-6)).sqrt() * 10 ** (-snr / 20)
    return to_int16_range(torch.addcmul(x, sound, factor[:, None]))


def to_int16_range(x: Tensor) -> Tensor:
    """Rounds and clips to the range of int16, keeping float32."""
    return x.round().clamp(-FULL_SCALE, FULL_SCALE - 1)


def random_signs(x: Tensor, rng: torch.Generator) -> Tensor:
    """(B,) float32, −1 or 1 with probability 1/2."""
    return torch.randint(0, 2, (len(x),), device=x.device, generator=rng).float().mul_(2).sub_(1)


SNR = (20, 10, 5, 0, -5)
CORRUPTIONS = {
    "noise": Corruption(noise, SNR, "dB above it"),
    "voices": Corruption(voices, SNR, "dB above them"),
    "gain": Corruption(gain, (6, 12, 20, 30, 40), "dB"),
    "shift": Corruption(shift, (0.05, 0.1, 0.15, 0.2, 0.3), "of the clip"),
    "speed": Corruption(speed, (0.05, 0.1, 0.15, 0.2, 0.3), "of the rate"),
}
