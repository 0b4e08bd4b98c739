"""A recording of what mattered: every frequency of every moment as loud as its relevance is strong."""

from __future__ import annotations

from pathlib import Path

import soundfile
import torch
from torch import Tensor

from ..core import files
from ..core.data import Preprocessing
from .frontend import samples_in
from .spectrogram import middles

FULL = 32768.0  # full scale of an int16 sample
STRONG = 0.98  # the share of points that may be no stronger than full loudness
FLOOR = 0.02  # what is left of the rest: 34 dB below, so that one hears where in the recording one is


def listen(inputs: Tensor, relevance: Tensor, preprocessing: Preprocessing, path: Path) -> None:
    """Writes the samples (N,) filtered by what of the relevance (bands, frames) speaks for the label, as a WAV file."""
    heard = filtered(inputs, relevance, preprocessing)
    # The name of the file beside it has no ending that soundfile could read.
    files.write(
        path, lambda beside: soundfile.write(beside, heard.numpy(), int(preprocessing["rate"]), "PCM_16", format="WAV")
    )


def filtered(inputs: Tensor, relevance: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(N,) int16 samples and (bands, frames) relevance -> (N,) samples from −1 to 1.

    The mask of bands and frames is laid over a spectrum of Hann windows that overlap, a straight line between the
    middles of two bands and of two frames, and the samples are put together again from what it leaves.
    """
    rate = int(preprocessing["rate"])
    frame, hop = samples_in(preprocessing["frame"], rate), samples_in(preprocessing["hop"], rate)
    samples = inputs.detach().cpu().float() / FULL
    points, step = 2 ** (frame - 1).bit_length(), max(1, 2 ** (frame - 1).bit_length() // 4)
    window = torch.hann_window(points)
    spectrum = torch.stft(samples, points, step, window=window, return_complex=True)  # (points/2 + 1, moments)
    moments = torch.arange(spectrum.shape[1]) * step
    in_frames = (moments - frame / 2) / hop
    pitches = torch.linspace(0, rate / 2, spectrum.shape[0])
    in_bands = _places(pitches, middles(relevance.shape[0], rate).float())
    mask = _at(_at(loudness(relevance), in_bands).T, in_frames).T
    heard: Tensor = torch.istft(spectrum * mask, points, step, window=window, length=len(samples))
    return heard.clamp(-1, 1)


def loudness(relevance: Tensor) -> Tensor:
    """Relevance as a factor from FLOOR to 1; what speaks against the label is as quiet as what says nothing."""
    strength = relevance.detach().cpu().float().nan_to_num(0, 0, 0).clamp_min(0)
    top = torch.quantile(strength.flatten(), STRONG)
    top = top if top > 0 else strength.max()
    return (strength / top.clamp_min(1e-30)).clamp(FLOOR, 1)


def _places(values: Tensor, marks: Tensor) -> Tensor:
    """Where among rising marks each value lies, in marks: 2.5 is halfway between the third and the fourth."""
    after = torch.searchsorted(marks, values).clamp(1, len(marks) - 1)
    return after - 1 + (values - marks[after - 1]) / (marks[after] - marks[after - 1])


def _at(rows: Tensor, places: Tensor) -> Tensor:
    """(N, M) rows at places between them, (K,): (K, M); the border is repeated."""
    places = places.clamp(0, len(rows) - 1)
    before = places.floor().long().clamp_max(max(0, len(rows) - 2))
    share = (places - before)[:, None]
    return rows[before] * (1 - share) + rows[(before + 1).clamp_max(len(rows) - 1)] * share
