"""Sonification of relevance: a recording filtered so that relevant times and frequencies stay loud."""

from __future__ import annotations

from pathlib import Path

import soundfile
import torch
from torch import Tensor

from ..core import files
from ..core.data import Preprocessing
from .frontend import FULL_SCALE, samples_in
from .spectrogram import axis, middles

QUANTILE = 0.98  # of the relevance that is kept at full loudness
FLOOR = 0.02  # gain of irrelevant points, −34 dB: the recording stays faintly audible


def listen(inputs: Tensor, relevance: Tensor, preprocessing: Preprocessing, path: Path) -> None:
    """Writes samples (N,) filtered by the positive relevance (bands, frames) as a WAV file."""
    output = filter_by_relevance(inputs, relevance, preprocessing)
    rate = int(preprocessing["rate"])
    # `format` is needed since the temporary file has no suffix that soundfile knows.
    files.write(path, lambda temporary: soundfile.write(temporary, output.numpy(), rate, "PCM_16", format="WAV"))


def filter_by_relevance(inputs: Tensor, relevance: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(N,) int16 samples and (bands, frames) relevance -> (N,) samples from −1 to 1.

    Relevance is interpolated linearly between the centres of bands and frames, and multiplies a short-time Fourier
    transform with Hann windows, which is then inverted.
    """
    rate = int(preprocessing["rate"])
    frame, hop = samples_in(preprocessing["frame"], rate), samples_in(preprocessing["hop"], rate)
    samples = inputs.detach().cpu().float() / FULL_SCALE
    n_fft, step = 2 ** (frame - 1).bit_length(), max(1, 2 ** (frame - 1).bit_length() // 4)
    window = torch.hann_window(n_fft)
    spectrum = torch.stft(samples, n_fft, step, window=window, return_complex=True)  # (n_fft/2 + 1, times)
    times = torch.arange(spectrum.shape[1]) * step  # in samples
    frame_position = (times - frame / 2) / hop
    frequencies = torch.linspace(0, rate / 2, spectrum.shape[0])
    band_position = fractional_index(frequencies, middles(*axis(preprocessing)).float())
    mask = interpolate(interpolate(gain(relevance), band_position).T, frame_position).T
    output: Tensor = torch.istft(spectrum * mask, n_fft, step, window=window, length=len(samples))
    return output.clamp(-1, 1)


def gain(relevance: Tensor) -> Tensor:
    """Scales relevance to factors from FLOOR to 1; negative relevance counts as zero."""
    strength = relevance.detach().cpu().float().nan_to_num(0, 0, 0).clamp_min(0)
    top = torch.quantile(strength.flatten(), QUANTILE)
    top = top if top > 0 else strength.max()
    return (strength / top.clamp_min(1e-30)).clamp(FLOOR, 1)


def fractional_index(values: Tensor, centres: Tensor) -> Tensor:
    """Returns the positions of values among ascending centres: 2.5 is halfway between centres[2] and centres[3]."""
    above = torch.searchsorted(centres, values).clamp(1, len(centres) - 1)
    return above - 1 + (values - centres[above - 1]) / (centres[above] - centres[above - 1])


def interpolate(rows: Tensor, position: Tensor) -> Tensor:
    """Interpolates (N, M) rows linearly at fractional positions (K,), repeating the border: (K, M)."""
    position = position.clamp(0, len(rows) - 1)
    below = position.floor().long().clamp_max(max(0, len(rows) - 2))
    weight = (position - below)[:, None]
    return rows[below] * (1 - weight) + rows[(below + 1).clamp_max(len(rows) - 1)] * weight
