"""How recordings go wrong: noise, other voices, loudness, time and speed, in five strengths each.

The strength is what it says for every clip; chance decides the noise and the directions. Results are whole samples in
the range of int16, as a file would hold them, so that what is too loud is clipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.data import Preprocessing
from ..core.robust.capability import Corruption, PerturbationSpace
from .augment import pieces, played
from .frontend import FULL

SPACES = (
    PerturbationSpace("spectrogram", "maps", "deviations of the spectrogram", (0.02, 0.05, 0.1, 0.2, 0.5)),
    PerturbationSpace(
        "samples", "inputs", "shares of full scale", (0.0002, 0.0005, 0.001, 0.002, 0.005), FULL, -FULL, FULL - 1
    ),
)


def corruptions(preprocessing: Preprocessing, extras: Mapping[str, Tensor]) -> Mapping[str, Corruption]:
    """All there are; `background` where the set has recordings of it."""
    sound = extras.get("background")
    if sound is None or len(sound) <= int(preprocessing["samples"]):
        return CORRUPTIONS
    return {**CORRUPTIONS, "background": Corruption(partial(background, sound), SNR, "dB above it")}


def noise(x: Tensor, snr: float, rng: torch.Generator) -> Tensor:
    """White noise under each clip, so many dB below its power."""
    return under(x.float(), torch.randn(x.shape, device=x.device, generator=rng), snr)


def voices(x: Tensor, snr: float, rng: torch.Generator) -> Tensor:
    """Another clip of the batch under each, so many dB below its power: somebody else talks."""
    far = int(torch.randint(1, max(2, len(x)), (), device=x.device, generator=rng)) if len(x) > 1 else 0
    return under(x.float(), x.roll(far, 0).float(), snr)


def background(sound: Tensor, x: Tensor, snr: float, rng: torch.Generator) -> Tensor:
    """A piece of the set's own background noise under each clip, so many dB below its power."""
    starts = torch.rand(len(x), device=x.device, generator=rng) * (len(sound) - x.shape[1] + 1)
    return under(x.float(), pieces(sound.to(x.device), starts.long(), x.shape[1]).float(), snr)


def gain(x: Tensor, db: float, rng: torch.Generator) -> Tensor:
    """Louder or quieter by so many dB: clipped, or down among the last bits."""
    return whole(x.float() * 10 ** (_signs(x, rng) * db / 20)[:, None])


def shift(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Earlier or later by this share of the clip; what comes in is silence, what goes out is lost."""
    far = round(share * x.shape[1])
    wide = F.pad(x, (far, far))
    starts = (_signs(x, rng) > 0).long() * (2 * far) + torch.arange(len(x), device=x.device) * wide.shape[1]
    return pieces(wide.view(-1), starts, x.shape[1])


def speed(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Faster and higher, or slower and lower, by this share, about the middle of the clip."""
    return whole(played(x, 1 + share * _signs(x, rng)))


def under(x: Tensor, sound: Tensor, snr: float) -> Tensor:
    """Both together, `sound` so many dB weaker; the power of a clip is that of its samples which are not silence."""
    signal = x.square().sum(1) / (x != 0).sum(1).clamp_min(1)
    factor = (signal / sound.square().mean(1).clamp_min(1e-6)).sqrt() * 10 ** (-snr / 20)
    return whole(torch.addcmul(x, sound, factor[:, None]))


def whole(x: Tensor) -> Tensor:
    """As a file of 16 bits holds it."""
    return x.round().clamp(-FULL, FULL - 1)


def _signs(x: Tensor, rng: torch.Generator) -> Tensor:
    """(B,) −1 or 1."""
    return torch.randint(0, 2, (len(x),), device=x.device, generator=rng).float().mul_(2).sub_(1)


SNR = (20, 10, 5, 0, -5)
CORRUPTIONS = {
    "noise": Corruption(noise, SNR, "dB above it"),
    "voices": Corruption(voices, SNR, "dB above them"),
    "gain": Corruption(gain, (6, 12, 20, 30, 40), "dB"),
    "shift": Corruption(shift, (0.05, 0.1, 0.15, 0.2, 0.3), "of the clip"),
    "speed": Corruption(speed, (0.05, 0.1, 0.15, 0.2, 0.3), "of the rate"),
}
