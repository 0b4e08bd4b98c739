"""The spectrogram as a picture: time across in seconds, frequency up in hertz, and relevance over it."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..core.domain import Facts
from .frontend import DEPTH, Frontend, samples_in
from .options import DEFAULTS
from .spectrogram import middles

SIZE, DPI = (4.8, 2.6), 100  # inches, and dots in one
MARKS = (125, 250, 500, 1000, 2000, 4000, 8000, 16000)  # Hz: octaves
STRONG = 0.995  # the share of points that may be no stronger than full colour: one outlier must not pale all others
OTHER: Facts = {"rate": 16000, **DEFAULTS}


def show(inputs: Tensor, relevance: Tensor | None = None, facts: Facts | None = None) -> Image.Image:
    """(samples,) int16 and (bands, frames) relevance laid over their spectrogram, as an RGB picture with its axes.

    Relevance that is nowhere negative goes from clear to bright yellow; else red speaks for the answer, blue against.
    """
    from matplotlib.figure import Figure  # 0.3 s that nobody else should wait for

    facts = {**OTHER, **(facts or {})}
    maps = Frontend({**facts, "normalise": "none", "deltas": False})(inputs.detach().cpu()[None])[0, 0].numpy()
    figure = Figure(SIZE, DPI, layout="constrained")
    axes = figure.subplots()
    extent = (0.0, inputs.shape[-1] / int(facts["rate"]), -0.5, len(maps) - 0.5)
    placed: dict[str, Any] = {"aspect": "auto", "origin": "lower", "extent": extent, "interpolation": "nearest"}
    drawn = axes.imshow(maps, cmap="magma" if relevance is None else "gray", vmin=maps.max() - DEPTH, **placed)
    if relevance is not None:
        laid(axes, relevance.detach().cpu().float().numpy(), placed)
    else:
        figure.colorbar(drawn, ax=axes, label="dB", pad=0.01)
    axes.set_xlabel("seconds")
    axes.set_ylabel("hertz")
    at, names = marks(int(facts["bands"]), int(facts["rate"]))
    axes.set_yticks(at, names)
    file = BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")


def place(inputs: Tensor, row: int, column: int, facts: Facts) -> str:
    """Where on the spectrogram a band (row) and a frame (column) lie: the middle of both."""
    hop, frame = (samples_in(facts[name], int(facts["rate"])) for name in ("hop", "frame"))
    seconds = (column * hop + frame / 2) / int(facts["rate"])
    return f"{seconds:.2f} s, {float(middles(int(facts['bands']), int(facts['rate']))[row]):,.0f} Hz"


def filter(weight: Tensor, facts: Facts) -> Tensor:
    """A filter of the first layer over the levels themselves, not their slopes, high frequencies above."""
    return weight[0].flip(0)


def patch(inputs: Tensor, maps: Tensor, rows: slice, columns: slice, facts: Facts) -> Image.Image:
    """A part of the spectrogram as the network sees it, each point four pixels wide, high frequencies above."""
    from matplotlib import colormaps  # 0.3 s that nobody else should wait for

    levels = maps[0].flip(0).numpy()
    rows = slice(len(levels) - rows.stop, len(levels) - rows.start)
    shade = (levels[rows, columns] - levels.min()) / (np.ptp(levels) or 1.0)
    pixels = colormaps["magma"](shade, bytes=True)[..., :3]
    return Image.fromarray(pixels.repeat(4, 0).repeat(4, 1))


def laid(axes: Any, relevance: NDArray[np.float32], placed: dict[str, Any]) -> None:
    """Relevance in colour; the stronger it is, the more it covers."""
    relevance = np.nan_to_num(relevance, posinf=0, neginf=0)
    top = float(np.quantile(np.abs(relevance), STRONG)) or float(np.abs(relevance).max()) or 1.0
    signed = bool((relevance < 0).any())
    strength = np.clip(relevance / top, -1, 1)
    axes.imshow(
        strength,
        cmap="coolwarm" if signed else "plasma",
        vmin=-1 if signed else 0,
        vmax=1,
        alpha=np.abs(strength) * 0.85,
        **placed,
    )


def marks(bands: int, rate: int) -> tuple[list[float], list[str]]:
    """Where on the axis of bands whole octaves lie, and what they are called."""
    centres = middles(bands, rate).numpy()
    inside = [mark for mark in MARKS if centres[0] <= mark <= centres[-1]]
    return [float(np.interp(mark, centres, np.arange(bands))) for mark in inside], [f"{mark:,}" for mark in inside]
