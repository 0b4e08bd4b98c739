"""Sounds that a network imagines: a spectrogram as values from 0 to 1, made audible by Griffin and Lim's algorithm."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..core import files
from ..core.data import Preprocessing
from ..core.imagine.canvas import Canvas
from .frontend import DEPTH, Frontend, frames_of, samples_in
from .listen import FULL
from .spectrogram import filters, points_for

ROUNDS = 64  # of Griffin–Lim: more change what is heard no longer
LOUD = 0.5  # of full scale: the loudest sample, where loudness means nothing to the network
ABOVE = 20.0  # dB of the loudest moment above the mean of the loudest band, where it does
# Waves would blur a spectrogram, whose edges are what is heard. Neighbours that differ wildly are of no sound at all:
# frames overlap, and Griffin and Lim can only come near. With little variation what is heard is what was imagined.
WAYS: tuple[dict[str, float], ...] = ({}, {"penalty": 0.5}, {"variation": 0.5})
PAUSE = 0.5  # seconds between two sounds


def canvas(preprocessing: Preprocessing, frontend: nn.Module) -> Canvas:
    """Values are levels: 1 is the loudest moment, 0 is DEPTH dB below it, which the frontend takes for silence.

    Something of every sound is at 1: the frontend counts from there, so a penalty may not make all of it quiet instead.
    """
    assert isinstance(frontend, Frontend)
    device = frontend.mel.device
    shape = (1, int(preprocessing["bands"]), frames_of(preprocessing))
    loudest = top(preprocessing)

    def see(values: Tensor) -> Tensor:
        return frontend.seen((values[:, 0] - 1) * DEPTH + loudest)

    def noise(count: int, rng: torch.Generator) -> Tensor:
        most = round(LOUD * FULL)
        return torch.randint(-most, most, (count, int(preprocessing["samples"])), generator=rng).to(torch.int16)

    ground, still = torch.zeros(1, 1, 1, device=device), (False, True)
    heard = partial(sounds, preprocessing=preprocessing)
    return Canvas(shape, see, heard, ground, around=still, peaked=True, ways=WAYS, filters=WAYS[0], noise=noise)


def top(preprocessing: Preprocessing) -> float:
    """The level in dB of the loudest moment; it matters where bands are normalised by the set and not by the clip."""
    return float(max(preprocessing["mean"])) + ABOVE if preprocessing.get("mean") else 0.0


@torch.no_grad()
def sounds(values: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(B, 1, bands, frames) levels from 0 to 1 -> (B, samples) int16, whose spectrogram is as near to them as can be.

    The bands are spread over frequencies by the pseudo-inverse of their triangles, nothing below zero, and phases that
    agree are looked for (Griffin and Lim 1984, section IV). A level of 0 is silence.
    """
    from torchaudio.functional import griffinlim

    rate, bands, levels = int(preprocessing["rate"]), int(preprocessing["bands"]), values[:, 0].cpu()
    frame, hop = samples_in(preprocessing["frame"], rate), samples_in(preprocessing["hop"], rate)
    points = points_for(bands, rate, frame)
    power = torch.where(levels > 0, 10 ** (((levels - 1) * DEPTH + top(preprocessing)) / 10), 0.0)
    spread = torch.linalg.pinv(filters(bands, rate, points)).float()  # (bands, points/2 + 1)
    spectrum = torch.einsum("bmt,mf->bft", power, spread).clamp_min(0)
    window, length = torch.hann_window(frame), (levels.shape[2] - 1) * hop
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the phases that it begins with: the same sound each time
        found: Tensor = griffinlim(spectrum, window, points, hop, frame, 2.0, ROUNDS, 0.99, length, True)
    # torchaudio's frames have their middles where ours begin.
    whole = torch.zeros(len(found), int(preprocessing["samples"]))
    start = min(frame // 2, whole.shape[1] - found.shape[1])
    whole[:, start : start + found.shape[1]] = found
    if not preprocessing.get("mean"):
        whole = LOUD * whole / whole.abs().amax(1, keepdim=True).clamp_min(1e-9)
    return (whole * FULL).round().clamp(-FULL, FULL - 1).to(torch.int16).to(values.device)


def write(inputs: list[Tensor], preprocessing: Preprocessing, path: Path) -> None:
    """Sounds, (samples,) int16 each, one after the other as a WAV file."""
    import soundfile

    rate = int(preprocessing["rate"])
    pause = torch.zeros(round(PAUSE * rate), dtype=torch.int16)
    parts: list[Any] = [part for each in inputs for part in (each.cpu(), pause)][:-1]
    whole = torch.cat(parts).numpy()
    files.write(path, lambda beside: soundfile.write(beside, whole, rate, "PCM_16", format="WAV"))
