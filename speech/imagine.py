"""Parameterisation of sounds for feature visualisation: spectrograms of values from 0 to 1, inverted by Griffin–Lim."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core import files
from ..core.data import Preprocessing
from ..core.imagine.parameterization import InputParameterization
from .frontend import DEPTH, FULL_SCALE, Frontend, frames_of, samples_in
from .spectrogram import axis, filters, n_fft_for

ITERATIONS = 64  # of Griffin–Lim; more make no audible difference
PEAK = 0.5  # of full scale: the largest sample if the network ignores loudness
HEADROOM = 20.0  # dB of the loudest point above the mean of the loudest band, if it does not
# No Fourier basis: it would blur the edges of a spectrogram. Since frames overlap, no sound has a spectrogram whose
# neighbours differ wildly; with a penalty on variation, Griffin–Lim comes close to the optimised spectrogram.
SETTINGS: tuple[dict[str, float], ...] = ({}, {"penalty": 0.5}, {"variation": 0.5})
PAUSE = 0.5  # seconds between sounds


def parameterize(preprocessing: Preprocessing, frontend: nn.Module) -> InputParameterization:
    """Values are levels: 1 is the maximum, 0 is DEPTH dB below it, which the frontend treats as silence.

    The maximum of every sound is 1: the frontend normalises by it, so a penalty must not make the whole sound quiet.
    """
    assert isinstance(frontend, Frontend)
    device = frontend.mel.device
    shape = (1, int(preprocessing["bands"]), frames_of(preprocessing))
    peak = peak_level(preprocessing)

    def to_maps(values: Tensor) -> Tensor:
        return frontend.to_maps((values[:, 0] - 1) * DEPTH + peak)

    def noise(count: int, rng: torch.Generator) -> Tensor:
        limit = round(PEAK * FULL_SCALE)
        return torch.randint(-limit, limit, (count, int(preprocessing["samples"])), generator=rng).to(torch.int16)

    return InputParameterization(
        shape,
        to_maps,
        partial(sounds, preprocessing=preprocessing),
        baseline=torch.zeros(1, 1, 1, device=device),
        shiftable=(False, True),  # in time, not in frequency
        peak_normalized=True,
        label_settings=SETTINGS,
        unit_settings=SETTINGS[0],
        noise=noise,
    )


def peak_level(preprocessing: Preprocessing) -> float:
    """Returns the level of the maximum in dB; it matters if bands are normalised by the data set, not by the clip."""
    return float(max(preprocessing["mean"])) + HEADROOM if preprocessing.get("mean") else 0.0


@torch.no_grad()
def sounds(values: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Inverts (B, 1, bands, frames) levels from 0 to 1, approximately: (B, samples) int16.

    The power of the bands is mapped to frequencies by the pseudo-inverse of the mel filters, clipped at zero; phases
    come from Griffin and Lim 1984 (section IV). A level of 0 is silence.
    """
    from torchaudio.functional import griffinlim

    (bands, rate, scale), levels = axis(preprocessing), values[:, 0].cpu()
    frame, hop = samples_in(preprocessing["frame"], rate), samples_in(preprocessing["hop"], rate)
    n_fft = n_fft_for(bands, rate, frame, scale)
    power = torch.where(levels > 0, 10 ** (((levels - 1) * DEPTH + peak_level(preprocessing)) / 10), 0.0)
    inverse = torch.linalg.pinv(filters(bands, rate, n_fft, scale)).float()  # (bands, n_fft/2 + 1)
    spectrum = torch.einsum("bmt,mf->bft", power, inverse).clamp_min(0)
    window, length = torch.hann_window(frame), (levels.shape[2] - 1) * hop
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for reproducible initial phases
        signal: Tensor = griffinlim(spectrum, window, n_fft, hop, frame, 2.0, ITERATIONS, 0.99, length, True)
    # torchaudio centres its frames where ours begin.
    samples = torch.zeros(len(signal), int(preprocessing["samples"]))
    start = min(frame // 2, samples.shape[1] - signal.shape[1])
    samples[:, start : start + signal.shape[1]] = signal
    if not preprocessing.get("mean"):
        samples = PEAK * samples / samples.abs().amax(1, keepdim=True).clamp_min(1e-9)
    return (samples * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1).to(torch.int16).to(values.device)


def write(inputs: Sequence[Tensor], preprocessing: Preprocessing, path: Path) -> None:
    """Writes sounds, (samples,) int16 each, one after the other as a WAV file."""
    import soundfile

    rate = int(preprocessing["rate"])
    pause = torch.zeros(round(PAUSE * rate), dtype=torch.int16)
    parts: list[Any] = [part for sound in inputs for part in (sound.cpu(), pause)][:-1]
    samples = torch.cat(parts).numpy()
    files.write(path, lambda temporary: soundfile.write(temporary, samples, rate, "PCM_16", format="WAV"))
