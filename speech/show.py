"""Rendering of spectrograms: time across in seconds, frequency up in hertz, with relevance laid over them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ..core.data import Preprocessing
from ..core.presentation import Track
from .frontend import DEPTH, Frontend, samples_in
from .options import DEFAULTS
from .spectrogram import axis, middles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

SIZE, DPI = (4.8, 2.6), 100  # inches, and dots per inch
TICKS = (125, 250, 500, 1000, 2000, 4000, 8000, 16000)  # Hz: octaves
SPARSE_TICKS = TICKS[2:]  # for small axes: on the mel scale the lowest lie close together
QUANTILE = 0.995  # of the relevance that gets the full colour: a single outlier must not pale all others
IMSHOW: dict[str, Any] = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
DEFAULT_PREPROCESSING: Preprocessing = {"rate": 16000, **DEFAULTS}


def show(inputs: Tensor, relevance: Tensor | None = None, preprocessing: Preprocessing | None = None) -> Image.Image:
    """Renders the spectrogram of (samples,) int16, with (bands, frames) relevance laid over it, as an RGB image.

    Relevance without negative values goes from transparent to bright yellow; otherwise red supports the prediction and
    blue opposes it.
    """
    from matplotlib.figure import Figure  # takes 0.3 s

    preprocessing = {**DEFAULT_PREPROCESSING, **(preprocessing or {}), "samples": inputs.shape[-1]}
    maps = levels(inputs, preprocessing)
    figure = Figure(SIZE, DPI, layout="constrained")
    axes = figure.subplots()
    image = draw(axes, maps, "magma" if relevance is None else "gray", preprocessing)
    image.set_clim(float(maps.max()) - DEPTH, float(maps.max()))
    if relevance is not None:
        overlay(axes, relevance.detach().cpu().float().numpy(), image.get_extent())
    else:
        figure.colorbar(image, ax=axes, label="dB", pad=0.01)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def tracks(inputs: Tensor, rows: Sequence[Track], preprocessing: Preprocessing) -> Image.Image:
    """Renders the spectrogram of (samples,) int16 with rows of coloured intervals under it, as an RGB image."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    figure = Figure((SIZE[0] * 1.4, SIZE[1] + 0.3 * len(rows) + 0.3), DPI, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1, 0.15 * len(rows)))
    maps = levels(inputs, {**preprocessing, "samples": inputs.shape[-1]})
    draw(above, maps, "gray", {**preprocessing, "samples": inputs.shape[-1]}).set_clim(
        float(maps.max()) - DEPTH, float(maps.max())
    )
    above.set_xlabel("")
    names: dict[str, str] = {}
    for index, row in enumerate(rows):
        for start, end, label, colour in row.intervals:
            below.barh(index, end - start, left=start, height=0.7, color=colour)
            names[label] = colour
    below.set_yticks(range(len(rows)), [row.title for row in rows])
    below.set_ylim(len(rows) - 0.5, -0.5)
    below.set_xlabel("seconds")
    below.set_xlim(0, inputs.shape[-1] / int(preprocessing["rate"]))
    below.spines[:].set_visible(False)
    below.tick_params(axis="y", length=0)
    if names:
        handles = [Patch(color=colour) for colour in names.values()]
        figure.legend(handles, list(names), loc="outside lower center", ncols=4, frameon=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def graph(axes: Axes, inputs: Tensor, preprocessing: Preprocessing) -> None:
    """Draws the spectrogram of (samples,) int16, or maps (C, bands, frames), on axes that may be small."""
    maps = levels(inputs, preprocessing) if inputs.ndim == 1 else inputs[0].detach().cpu()
    draw(axes, maps, "magma", preprocessing)
    axes.set_yticks(*ticks(preprocessing, SPARSE_TICKS))


def levels(inputs: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(samples,) int16 -> (bands, frames) in dB, at most DEPTH below the maximum."""
    return Frontend({**preprocessing, "normalise": "none", "deltas": False})(inputs.detach().cpu()[None])[0, 0]  # type: ignore[no-any-return]


def draw(axes: Axes, maps: Tensor, colormap: str, preprocessing: Preprocessing) -> AxesImage:
    """Draws (bands, frames) on axes in seconds and hertz."""
    extent = (0.0, int(preprocessing["samples"]) / int(preprocessing["rate"]), -0.5, len(maps) - 0.5)
    image = axes.imshow(maps.numpy(), cmap=colormap, extent=extent, **IMSHOW)
    axes.set_xlabel("seconds")
    axes.set_ylabel("hertz")
    axes.set_yticks(*ticks(preprocessing))
    return image


def describe_position(inputs: Tensor, row: int, column: int, preprocessing: Preprocessing) -> str:
    """Returns the time and frequency of the centre of a band (row) and a frame (column): "0.31 s, 1,200 Hz"."""
    hop, frame = (samples_in(preprocessing[name], int(preprocessing["rate"])) for name in ("hop", "frame"))
    seconds = (column * hop + frame / 2) / int(preprocessing["rate"])
    return f"{seconds:.2f} s, {float(middles(*axis(preprocessing))[row]):,.0f} Hz"


def filter(weight: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Returns the part of a first-layer filter that sees levels, not deltas, with high frequencies at the top."""
    return weight[0].flip(0)


def patch(inputs: Tensor, maps: Tensor, rows: slice, columns: slice, preprocessing: Preprocessing) -> Image.Image:
    """Renders a region of the maps (C, bands, frames) at four pixels a point, with high frequencies at the top."""
    from matplotlib import colormaps  # takes 0.3 s

    levels = maps[0].flip(0).numpy()
    rows = slice(len(levels) - rows.stop, len(levels) - rows.start)
    shade = (levels[rows, columns] - levels.min()) / (np.ptp(levels) or 1.0)
    pixels = colormaps["magma"](shade, bytes=True)[..., :3]
    return Image.fromarray(pixels.repeat(4, 0).repeat(4, 1))


def overlay(axes: Axes, relevance: NDArray[np.float32], extent: tuple[float, float, float, float]) -> None:
    """Draws (bands, frames) relevance in colour; opacity grows with its magnitude."""
    relevance = np.nan_to_num(relevance, posinf=0, neginf=0)
    top = float(np.quantile(np.abs(relevance), QUANTILE)) or float(np.abs(relevance).max()) or 1.0
    signed = bool((relevance < 0).any())
    strength = np.clip(relevance / top, -1, 1)
    axes.imshow(
        strength,
        cmap="coolwarm" if signed else "plasma",
        vmin=-1 if signed else 0,
        vmax=1,
        alpha=np.abs(strength) * 0.85,
        extent=extent,
        **IMSHOW,
    )


def ticks(preprocessing: Preprocessing, frequencies: Sequence[int] = TICKS) -> tuple[list[float], list[str]]:
    """Returns positions on the axis of bands, and labels, of those frequencies (Hz) that lie on it."""
    centres = middles(*axis(preprocessing)).numpy()
    visible = [hertz for hertz in frequencies if centres[0] <= hertz <= centres[-1]]
    return [float(np.interp(hertz, centres, np.arange(len(centres)))) for hertz in visible], [
        f"{hertz:,}" for hertz in visible
    ]
