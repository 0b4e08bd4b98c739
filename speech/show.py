"""The spectrogram as a picture: time across in seconds, frequency up in hertz, and relevance over it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..core.data import Preprocessing
from .frontend import DEPTH, Frontend, samples_in
from .options import DEFAULTS
from .spectrogram import middles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

SIZE, DPI = (4.8, 2.6), 100  # inches, and dots in one
MARKS = (125, 250, 500, 1000, 2000, 4000, 8000, 16000)  # Hz: octaves
APART = MARKS[2:]  # those that are apart on small axes too: on the mel scale the lowest lie close together
STRONG = 0.995  # the share of points that may be no stronger than full colour: one outlier must not pale all others
PLACED: dict[str, Any] = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
OTHER: Preprocessing = {"rate": 16000, **DEFAULTS}


def show(inputs: Tensor, relevance: Tensor | None = None, preprocessing: Preprocessing | None = None) -> Image.Image:
    """(samples,) int16 and (bands, frames) relevance laid over their spectrogram, as an RGB picture with its axes.

    Relevance that is nowhere negative goes from clear to bright yellow; else red speaks for the answer, blue against.
    """
    from matplotlib.figure import Figure  # 0.3 s that nobody else should wait for

    preprocessing = {**OTHER, **(preprocessing or {}), "samples": inputs.shape[-1]}
    maps = levels(inputs, preprocessing)
    figure = Figure(SIZE, DPI, layout="constrained")
    axes = figure.subplots()
    drawn = placed(axes, maps, "magma" if relevance is None else "gray", preprocessing)
    drawn.set_clim(float(maps.max()) - DEPTH, float(maps.max()))
    if relevance is not None:
        laid(axes, relevance.detach().cpu().float().numpy(), drawn.get_extent())
    else:
        figure.colorbar(drawn, ax=axes, label="dB", pad=0.01)
    file = BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file).convert("RGB")


def graph(axes: Axes, seen: Tensor, preprocessing: Preprocessing) -> None:
    """(samples,) int16, or maps (C, bands, frames) as a network sees them, over seconds and hertz; may be small."""
    placed(axes, levels(seen, preprocessing) if seen.ndim == 1 else seen[0].detach().cpu(), "magma", preprocessing)
    axes.set_yticks(*marks(int(preprocessing["bands"]), int(preprocessing["rate"]), APART))


def levels(inputs: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(samples,) int16 -> (bands, frames) in dB, at most DEPTH below the loudest."""
    return Frontend({**preprocessing, "normalise": "none", "deltas": False})(inputs.detach().cpu()[None])[0, 0]  # type: ignore[no-any-return]


def placed(axes: Axes, maps: Tensor, colours: str, preprocessing: Preprocessing) -> AxesImage:
    """(bands, frames) on axes in seconds and hertz."""
    extent = (0.0, int(preprocessing["samples"]) / int(preprocessing["rate"]), -0.5, len(maps) - 0.5)
    drawn = axes.imshow(maps.numpy(), cmap=colours, extent=extent, **PLACED)
    axes.set_xlabel("seconds")
    axes.set_ylabel("hertz")
    axes.set_yticks(*marks(int(preprocessing["bands"]), int(preprocessing["rate"])))
    return drawn


def place(inputs: Tensor, row: int, column: int, preprocessing: Preprocessing) -> str:
    """Where on the spectrogram a band (row) and a frame (column) lie: the middle of both."""
    hop, frame = (samples_in(preprocessing[name], int(preprocessing["rate"])) for name in ("hop", "frame"))
    seconds = (column * hop + frame / 2) / int(preprocessing["rate"])
    return f"{seconds:.2f} s, {float(middles(int(preprocessing['bands']), int(preprocessing['rate']))[row]):,.0f} Hz"


def filter(weight: Tensor, preprocessing: Preprocessing) -> Tensor:
    """A filter of the first layer over the levels themselves, not their slopes, high frequencies above."""
    return weight[0].flip(0)


def patch(inputs: Tensor, maps: Tensor, rows: slice, columns: slice, preprocessing: Preprocessing) -> Image.Image:
    """A part of the spectrogram as the network sees it, each point four pixels wide, high frequencies above."""
    from matplotlib import colormaps  # 0.3 s that nobody else should wait for

    levels = maps[0].flip(0).numpy()
    rows = slice(len(levels) - rows.stop, len(levels) - rows.start)
    shade = (levels[rows, columns] - levels.min()) / (np.ptp(levels) or 1.0)
    pixels = colormaps["magma"](shade, bytes=True)[..., :3]
    return Image.fromarray(pixels.repeat(4, 0).repeat(4, 1))


def laid(axes: Axes, relevance: NDArray[np.float32], extent: tuple[float, float, float, float]) -> None:
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
        extent=extent,
        **PLACED,
    )


def marks(bands: int, rate: int, pitches: Sequence[int] = MARKS) -> tuple[list[float], list[str]]:
    """Where on the axis of bands whole octaves lie, and what they are called."""
    centres = middles(bands, rate).numpy()
    inside = [mark for mark in pitches if centres[0] <= mark <= centres[-1]]
    return [float(np.interp(mark, centres, np.arange(bands))) for mark in inside], [f"{mark:,}" for mark in inside]
