"""Random augmentation of training recordings: "shift(0.1), noise(20), vtlp(0.1), timemask(0.2)", or "none".

A transform is a tensor expression over the batch, on the batch's device, without synchronisation. All random numbers
come from one generator: equal generator states give equal bits.

The order is fixed, however the transforms are written: shift, speed, background, noise and gain of the samples; then
stretch, vtlp, colour, timemask and freqmask of the spectrogram.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.augmentation import Transforms
from ..core.domain import Augment
from .spectrogram import middles

SNR_RANGE = 20.0  # dB between the lowest and the highest signal-to-noise ratio


class BatchRng(NamedTuple):
    """Random numbers for a batch, one for each clip, drawn on its device; and the data set's extras."""

    batch_size: int
    device: torch.device
    generator: torch.Generator
    extras: Mapping[str, Tensor]

    def uniform(self) -> Tensor:
        """(B,) float32, uniform from 0 to 1."""
        return torch.rand(self.batch_size, device=self.device, generator=self.generator)

    def symmetric(self, limit: float) -> Tensor:
        """(B,) float32, uniform from −limit to limit."""
        return (2 * self.uniform() - 1) * limit


Transform = Callable[..., Tensor]


def apply(x: Tensor, transforms: Sequence[Transform], rng: BatchRng) -> Tensor:
    """Applies all `transforms` one after the other."""
    for transform in transforms:
        x = transform(x, rng)
    return x


# --- time -----------------------------------------------------------------------------------------------------------


def shift(x: Tensor, rng: BatchRng, share: float = 0.1) -> Tensor:
    """Shifts by up to this share of the clip, filling with silence. Any (B, N) -> the same type."""
    limit = round(share * x.shape[1])
    padded = F.pad(x, (limit, limit))
    starts = (rng.uniform() * (2 * limit + 1)).long() + torch.arange(len(x), device=x.device) * padded.shape[1]
    return segments(padded.view(-1), starts, x.shape[1])


def segments(signal: Tensor, starts: Tensor, length: int) -> Tensor:
    """Returns the segments of a signal (L,) that begin at `starts` (B,): (B, length).

    Copying rows of a view is four times as fast as a gather, which computes the position of each sample.
    """
    return signal.unfold(0, length, 1).index_select(0, starts)


def speed(x: Tensor, rng: BatchRng, share: float = 0.1) -> Tensor:
    """Changes speed and pitch by up to this share, about the middle of the clip (Ko et al. 2015)."""
    return resample(x, 1 + rng.symmetric(share))


def resample(x: Tensor, rates: Tensor) -> Tensor:
    """Plays (B, N) clips at (B,) times their speed, about the middle of each: (B, N) float32.

    Interpolation is linear, which attenuates the highest frequencies slightly. Outside the clip there is silence.
    """
    count = x.shape[1]
    padded = F.pad(x, (1, 1)).float()
    centred = torch.arange(count, device=x.device, dtype=torch.float32) - (count - 1) / 2
    position = centred * rates[:, None] + (count + 1) / 2
    position = position.clamp_(0, count + 0.999)
    index = position.long().clamp_(max=count)  # float32 rounds count + 0.999 up from 131,072 samples on
    left, right = padded.gather(1, index), padded.gather(1, index + 1)
    return torch.lerp(left, right, position.sub_(index))


# --- loudness and noise ---------------------------------------------------------------------------------------------


def background(x: Tensor, rng: BatchRng, snr: float = 5.0) -> Tensor:
    """Adds a segment of the data set's background recordings, `snr` to `snr` + 20 dB below the power of the clip.

    A data set without such recordings is left unchanged.
    """
    sound = rng.extras.get("background")
    if sound is None:
        return x
    starts = (rng.uniform() * (len(sound) - x.shape[1] + 1)).long()
    return _add(x.float(), segments(sound, starts, x.shape[1]).float(), snr, rng)


def noise(x: Tensor, rng: BatchRng, snr: float = 20.0) -> Tensor:
    """Adds white noise, `snr` to `snr` + 20 dB below the power of the clip.

    All clips of a batch take random segments of one noise signal, since drawing normal numbers is expensive.
    """
    signal = torch.randn(2 * x.shape[1], device=x.device, generator=rng.generator)
    return _add(x.float(), segments(signal, (rng.uniform() * x.shape[1]).long(), x.shape[1]), snr, rng)


def gain(x: Tensor, rng: BatchRng, db: float = 6.0) -> Tensor:
    """Changes the loudness by up to `db` decibels either way."""
    return x.float() * (10 ** (rng.symmetric(db) / 20))[:, None]


def _add(x: Tensor, sound: Tensor, snr: float, rng: BatchRng) -> Tensor:
    """Adds `sound`, `snr` to `snr` + 20 dB below the power of the clip's samples that are not zero."""
    clip, added = x[:, ::3], sound[:, ::3]  # every third sample: accurate and cheap
    power = clip.square().sum(1) / (clip != 0).sum(1).clamp_min(1)
    ratio = 10 ** (-(snr + SNR_RANGE * rng.uniform()) / 20)
    factor = (power / added.square().mean(1).clamp_min(1e-6)).sqrt() * ratio
    return torch.addcmul(x, sound, factor[:, None])


# --- spectrograms ---------------------------------------------------------------------------------------------------


def stretch(maps: Tensor, rng: BatchRng, share: float = 0.1) -> Tensor:
    """Changes speed by up to this share at constant pitch, about the middle of the clip."""
    frames = torch.arange(maps.shape[3], device=maps.device, dtype=torch.float32)
    middle = (len(frames) - 1) / 2
    return (
        maps @ interpolation((frames - middle) * (1 + rng.symmetric(share))[:, None] + middle).transpose(1, 2)[:, None]
    )


def vtlp(maps: Tensor, rng: BatchRng, share: float = 0.1) -> Tensor:
    """Vocal tract length perturbation: scales all frequencies by up to this share (Jaitly and Hinton 2013).

    The paper bends the frequency axis near its upper end to keep it; here the outermost band is repeated.
    """
    centres = rng.extras.get("bands")
    bands = middles(maps.shape[2], 16000).to(maps) if centres is None else centres.to(maps)
    scaled = bands * (1 + rng.symmetric(share))[:, None]  # (B, bands) in Hz
    above = torch.searchsorted(bands, scaled).clamp_(1, len(bands) - 1)
    low, high = bands[above - 1], bands[above]
    return interpolation(above - 1 + (scaled - low) / (high - low))[:, None] @ maps


def interpolation(position: Tensor) -> Tensor:
    """The matrices of linear interpolation at fractional positions, the ends repeated: (B, L) -> (B, L, L)."""
    last = position.shape[1] - 1
    index = torch.arange(last + 1, device=position.device)
    return (1 - (position.clamp(0, last)[:, :, None] - index).abs()).clamp_min(0)


def colour(maps: Tensor, rng: BatchRng, strength: float = 0.5) -> Tensor:
    """Simulates another microphone: adds a smooth random curve over the bands, of this std, to every frame."""
    bands, waves = maps.shape[2], 4
    phase = torch.linspace(0, torch.pi, bands, device=maps.device)
    basis = torch.cos(torch.arange(1, waves + 1, device=maps.device)[:, None] * phase)  # (4, bands)
    amplitudes = torch.randn((rng.batch_size, waves), device=maps.device, generator=rng.generator)
    curve: Tensor = (amplitudes @ basis)[:, None, :, None] * strength * (2 / waves) ** 0.5
    return maps + curve


def timemask(maps: Tensor, rng: BatchRng, share: float = 0.2) -> Tensor:
    """Masks up to this share of consecutive frames with the clip's mean (SpecAugment: Park et al. 2019)."""
    return _mask(maps, 3, share, rng)


def freqmask(maps: Tensor, rng: BatchRng, share: float = 0.2) -> Tensor:
    """Masks up to this share of neighbouring bands with the clip's mean (SpecAugment: Park et al. 2019)."""
    return _mask(maps, 2, share, rng)


def _mask(maps: Tensor, axis: int, share: float, rng: BatchRng) -> Tensor:
    length = maps.shape[axis]
    width = rng.uniform() * share * length
    start = rng.uniform() * (length - width)
    index = torch.arange(length, device=maps.device)
    mask = (index >= start[:, None]) & (index < (start + width)[:, None])  # (B, length)
    mask = mask[:, None, None, :] if axis == 3 else mask[:, None, :, None]
    return torch.where(mask, maps.mean((2, 3), keepdim=True), maps)


# --- text -----------------------------------------------------------------------------------------------------------

SAMPLES: Sequence[Transform] = (shift, speed, background, noise, gain)
MAPS: Sequence[Transform] = (stretch, vtlp, colour, timemask, freqmask)
FUNCTIONS = {function.__name__: function for function in (*SAMPLES, *MAPS)}
RANGES = {"background": (-20, 100), "noise": (-20, 100), "gain": (0, 60), "colour": (0, 10)}
TRANSFORMS = Transforms(FUNCTIONS, "shift(0.1), noise(20)", RANGES, (0, 0.9))  # most parameters are shares


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """Returns the transforms in `text`; `extras` may hold "background", one long int16 recording, and "bands" in Hz.

    Raises Problem for an unknown or repeated transform and for an unknown or invalid parameter.
    """
    bound = TRANSFORMS.parse(text)
    sample_transforms, map_transforms = (
        [bound[function.__name__] for function in functions if function.__name__ in bound]
        for functions in (SAMPLES, MAPS)
    )

    def transform_samples(x: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return apply(x, sample_transforms, BatchRng(len(x), x.device, generator, extras)), targets

    def transform_maps(x: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return apply(x, map_transforms, BatchRng(len(x), x.device, generator, extras)), targets

    def moved_samples(x: Tensor, generator: torch.Generator) -> tuple[Tensor, FrameMovement]:
        """The changed samples, and where in the clip they come from: what the same changes make of a ramp."""
        state = generator.get_state()
        changed = apply(x, sample_transforms, BatchRng(len(x), x.device, generator, extras))
        moving = [bound[name] for name in ("shift", "speed") if name in bound]
        if not moving:
            return changed, FrameMovement(None, x.shape[1])
        repeated = torch.Generator(generator.device).set_state(state)
        ramp = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=torch.float32).expand(len(x), -1)
        return changed, FrameMovement(apply(ramp, moving, BatchRng(len(x), x.device, repeated, extras)), x.shape[1])

    moves_frames_alone = "stretch" in bound
    return Augment(transform_samples, transform_maps, None if moves_frames_alone else moved_samples)


class FrameMovement(NamedTuple):
    """The movement of the samples of B clips: (B, N) from 1 on where each comes from, 0 from outside; None for none."""

    source: Tensor | None
    samples: int

    def masks(self, masks: Tensor, outside: int) -> Tensor:
        """Returns (B, 1, F) labels of frames by the nearest frame, `outside` where there was no sound."""
        if self.source is None:
            return masks
        frames = masks.shape[2]
        middles = ((torch.arange(frames, device=masks.device) + 0.5) * (self.samples / frames)).long()
        source = self.source[:, middles]  # (B, F)
        index = ((source - 1) * (frames / self.samples)).long().clamp(0, frames - 1)
        return masks[:, 0].gather(1, index).masked_fill(source <= 0, outside)[:, None]

    def boxes(self, boxes: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        raise NotImplementedError("recordings have no boxes")
