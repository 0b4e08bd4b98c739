"""Recordings changed at random while a network learns: "shift(0.1), noise(20), vtlp(0.1), timemask(0.2)", or "none".

A change is a tensor expression over the whole batch, on the device where the batch is; nothing waits for the device.
Every random number comes from one generator: the same state of it gives the same bits.

The order is fixed, however the words are typed. Of the samples: shift, speed, background, noise, gain. Of the
spectrogram: stretch, vtlp, colour, timemask, freqmask.
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

RANGE = 20.0  # dB: how much less noise than the most there may be


class Dice(NamedTuple):
    """The random numbers of a batch, one for each of its clips, and what can be drawn from."""

    clips: int
    device: torch.device
    rng: torch.Generator
    extras: Mapping[str, Tensor]

    def share(self) -> Tensor:
        """(B,) evenly from 0 to 1."""
        return torch.rand(self.clips, device=self.device, generator=self.rng)

    def within(self, most: float) -> Tensor:
        """(B,) evenly from −most to most."""
        return (2 * self.share() - 1) * most


# --- when -----------------------------------------------------------------------------------------------------------


def one_by_one(x: Tensor, words: Sequence[Callable[[Tensor, Dice], Tensor]], dice: Dice) -> Tensor:
    for word in words:
        x = word(x, dice)
    return x


def shift(x: Tensor, dice: Dice, share: float = 0.1) -> Tensor:
    """Earlier or later by up to this share of the clip; what comes in is silence. Any (B, N) -> the same type."""
    most = round(share * x.shape[1])
    wide = F.pad(x, (most, most))
    starts = (dice.share() * (2 * most + 1)).long() + torch.arange(dice.clips, device=x.device) * wide.shape[1]
    return pieces(wide.view(-1), starts, x.shape[1])


def pieces(long: Tensor, starts: Tensor, length: int) -> Tensor:
    """The stretches of one long row that begin at `starts`: (L,) -> (B, length). Whole rows are copied: four times as
    fast as a gather, which computes the place of each sample."""
    return long.unfold(0, length, 1).index_select(0, starts)


def speed(x: Tensor, dice: Dice, share: float = 0.1) -> Tensor:
    """Faster and higher, or slower and lower, by up to this share, about the middle of the clip (Ko et al. 2015)."""
    return played(x, 1 + dice.within(share))


def played(x: Tensor, rates: Tensor) -> Tensor:
    """(B, N) clips played at (B,) times their rate, about the middle of each; float32.

    Between two samples a straight line is drawn, which makes the highest frequencies a little quieter.
    """
    count = x.shape[1]
    silent = F.pad(x, (1, 1)).float()  # what lies outside the clip
    centred = torch.arange(count, device=x.device, dtype=torch.float32) - (count - 1) / 2
    places = centred * rates[:, None] + (count + 1) / 2
    places = places.clamp_(0, count + 0.999)
    before = places.long()
    low, high = silent.gather(1, before), silent.gather(1, before + 1)
    return torch.lerp(low, high, places.sub_(before))


# --- how loud, and what else there is to hear -----------------------------------------------------------------------


def background(x: Tensor, dice: Dice, snr: float = 5.0) -> Tensor:
    """A piece of the set's own background noise under each clip, `snr` to `snr` + 20 dB below its power.

    Without such recordings in the set nothing is added.
    """
    sound = dice.extras.get("background")
    if sound is None:
        return x
    starts = (dice.share() * (len(sound) - x.shape[1] + 1)).long()
    return _under(x.float(), pieces(sound, starts, x.shape[1]).float(), snr, dice)


def noise(x: Tensor, dice: Dice, snr: float = 20.0) -> Tensor:
    """White noise, `snr` to `snr` + 20 dB below the power of each clip.

    The clips of a batch take theirs from one row, each from another place: drawing it is what costs.
    """
    row = torch.randn(2 * x.shape[1], device=x.device, generator=dice.rng)
    return _under(x.float(), pieces(row, (dice.share() * x.shape[1]).long(), x.shape[1]), snr, dice)


def gain(x: Tensor, dice: Dice, db: float = 6.0) -> Tensor:
    """Louder or quieter by up to so many dB."""
    return x.float() * (10 ** (dice.within(db) / 20))[:, None]


def _under(x: Tensor, sound: Tensor, snr: float, dice: Dice) -> Tensor:
    """The sum of both, `sound` so much weaker; the power of a clip is that of its samples which are not silence."""
    some, other = x[:, ::3], sound[:, ::3]  # every third is near enough, and cheap
    signal = some.square().sum(1) / (some != 0).sum(1).clamp_min(1)
    factor = (signal / other.square().mean(1).clamp_min(1e-6)).sqrt() * 10 ** (-(snr + RANGE * dice.share()) / 20)
    return torch.addcmul(x, sound, factor[:, None])


# --- which band, which frame ----------------------------------------------------------------------------------------


def stretch(maps: Tensor, dice: Dice, share: float = 0.1) -> Tensor:
    """Faster or slower by up to this share at the same pitch, about the middle of the clip."""
    frames = torch.arange(maps.shape[3], device=maps.device, dtype=torch.float32)
    middle = (len(frames) - 1) / 2
    return maps @ between((frames - middle) * (1 + dice.within(share))[:, None] + middle).transpose(1, 2)[:, None]


def vtlp(maps: Tensor, dice: Dice, share: float = 0.1) -> Tensor:
    """A longer or shorter vocal tract: all frequencies lower or higher by up to this share (Jaitly and Hinton 2013).

    The paper bends the axis near its upper end to keep it; here the outermost band is repeated.
    """
    known = dice.extras.get("bands")
    bands = middles(maps.shape[2], 16000).to(maps) if known is None else known.to(maps)
    wanted = bands * (1 + dice.within(share))[:, None]  # (B, bands) in Hz
    above = torch.searchsorted(bands, wanted).clamp_(1, len(bands) - 1)
    low, high = bands[above - 1], bands[above]
    return between(above - 1 + (wanted - low) / (high - low))[:, None] @ maps


def between(places: Tensor) -> Tensor:
    """The matrix that reads a row at `places`, between neighbours: (B, L) -> (B, L, L), the ends repeated."""
    last = places.shape[1] - 1
    whole = torch.arange(last + 1, device=places.device)
    return (1 - (places.clamp(0, last)[:, :, None] - whole).abs()).clamp_min(0)


def colour(maps: Tensor, dice: Dice, strength: float = 0.5) -> Tensor:
    """Another microphone: a smooth random curve over the bands, of this deviation, is added to every frame."""
    bands, curves = maps.shape[2], 4
    places = torch.linspace(0, torch.pi, bands, device=maps.device)
    waves = torch.cos(torch.arange(1, curves + 1, device=maps.device)[:, None] * places)  # (4, bands)
    heights = torch.randn((dice.clips, curves), device=maps.device, generator=dice.rng)
    curve: Tensor = (heights @ waves)[:, None, :, None] * strength * (2 / curves) ** 0.5
    return maps + curve


def timemask(maps: Tensor, dice: Dice, share: float = 0.2) -> Tensor:
    """A stretch of up to this share of the frames covered with the clip's mean (SpecAugment: Park et al. 2019)."""
    return _covered(maps, 3, share, dice)


def freqmask(maps: Tensor, dice: Dice, share: float = 0.2) -> Tensor:
    """Neighbouring bands, up to this share of them, covered with the clip's mean (SpecAugment: Park et al. 2019)."""
    return _covered(maps, 2, share, dice)


def _covered(maps: Tensor, axis: int, share: float, dice: Dice) -> Tensor:
    length = maps.shape[axis]
    width = dice.share() * share * length
    start = dice.share() * (length - width)
    places = torch.arange(length, device=maps.device)
    inside = (places >= start[:, None]) & (places < (start + width)[:, None])  # (B, length)
    inside = inside[:, None, None, :] if axis == 3 else inside[:, None, :, None]
    return torch.where(inside, maps.mean((2, 3), keepdim=True), maps)


# --- text -----------------------------------------------------------------------------------------------------------

Word = Callable[..., Tensor]
SAMPLES: Sequence[Word] = (shift, speed, background, noise, gain)
MAPS: Sequence[Word] = (stretch, vtlp, colour, timemask, freqmask)
WORDS = {word.__name__: word for word in (*SAMPLES, *MAPS)}
RANGES = {"background": (-20, 100), "noise": (-20, 100), "gain": (0, 60), "colour": (0, 10)}
TRANSFORMS = Transforms(WORDS, "shift(0.1), noise(20)", RANGES, (0, 0.9))  # most numbers are shares


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    """The words in `text` for training; `extras` are "background", one long int16 recording, and "bands" in Hz.

    Raises Problem for an unknown word, an unknown or impossible number, and a word written twice.
    """
    words = TRANSFORMS.parse(text)
    samples, maps = _chosen(SAMPLES, words), _chosen(MAPS, words)

    def change_samples(x: Tensor, targets: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return one_by_one(x, samples, Dice(len(x), x.device, rng, extras)), targets

    def change_maps(x: Tensor, targets: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        return one_by_one(x, maps, Dice(len(x), x.device, rng, extras)), targets

    return Augment(change_samples, change_maps)


def _chosen(every: Sequence[Word], words: Mapping[str, Word]) -> list[Word]:
    return [words[each.__name__] for each in every if each.__name__ in words]
