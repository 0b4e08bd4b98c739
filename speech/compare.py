"""Recordings compared by their samples, whatever their loudness, a little noise and where they begin."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..core.cleaning.capability import Pairs, Scores
from ..core.data import Examples, Preprocessing

BANDS = 128  # of a descriptor
COMPRESSION = 0.3  # the power that loudness is heard with; noise in silent bands counts little
SHIFT = 0.2  # seconds by which one of two recordings may begin later
BATCH = 128


def descriptors(examples: Examples, preprocessing: Preprocessing) -> Tensor:
    """(N, BANDS) compressed power spectra of whole recordings, less their mean: no matter when a sound begins."""
    rows = []
    for indices in torch.arange(len(examples)).split(BATCH):
        power = torch.fft.rfft(samples(examples, indices.tolist())).abs() ** 2
        bands = torch.nn.functional.adaptive_avg_pool1d(power, BANDS) ** COMPRESSION
        rows.append(bands)
    spectra = torch.cat(rows)
    spectra = spectra / spectra.norm(dim=1, keepdim=True).clamp_min(1e-12)
    centred: Tensor = spectra - spectra.mean(0)
    return centred


def agreement(examples: Examples, pairs: Pairs, preprocessing: Preprocessing) -> Scores:
    """(P,) the largest correlation of two recordings over shifts of up to SHIFT seconds, also of opposite polarity."""
    rate = int(preprocessing["rate"])
    scores = [np.empty(0)]
    for start in range(0, len(pairs), BATCH):
        block = pairs[start : start + BATCH]
        first, second = (samples(examples, [pair[side] for pair in block]) for side in (0, 1))
        length = first.shape[1]
        spectrum = torch.fft.rfft(first, 2 * length) * torch.fft.rfft(second, 2 * length).conj()
        products = torch.fft.irfft(spectrum, 2 * length)
        reach = min(length - 1, round(SHIFT * rate))
        near = torch.cat([products[:, : reach + 1], products[:, -reach:]], 1).abs().amax(1)
        scores.append((near / (first.norm(dim=1) * second.norm(dim=1)).clamp_min(1e-9)).double().numpy())
    return np.concatenate(scores)


def samples(examples: Examples, rows: list[int]) -> Tensor:
    """(B, samples) recordings without their mean, from −1 to 1."""
    values = examples[torch.tensor(rows)][0].float() / 32768
    return values - values.mean(1, keepdim=True)
