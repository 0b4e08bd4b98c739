"""A sheet of pictures with a title, captions and a colour scale, as PNG or SVG: what every command here writes.

matplotlib takes a second to import, so only the functions do it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .. import charts, files
from ..problem import USAGE, Problem

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")
DPI = 100  # dots in an inch
LINE = 0.17  # inches that a line of a caption takes
LETTER = 0.068  # inches that a letter of it takes, rather too much
LEAST = 80  # pixels: the shorter side of a small panel grows to this
TALLEST = 300.0  # inches: a PNG of more rows is refused by those who show it


@dataclass(frozen=True)
class Scale:
    """What the colours mean: `label` with its unit, from `low` to `high`, in one of matplotlib's colour maps."""

    label: str
    low: float = -1.0
    high: float = 1.0
    colours: str = "coolwarm"


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet, with a line or two under it; without a picture, an empty place."""

    picture: Image.Image | None
    caption: str = ""


@dataclass(frozen=True)
class Sheet:
    """Pictures in rows of `columns`, all drawn at one size of pixel, under a title and perhaps a picture of its own."""

    title: str
    panels: Sequence[Panel]
    columns: int = 4
    scale: Scale | None = None
    note: str = ""  # small print below
    head: Panel | None = None  # in a row by itself, above the others


SIGNED = Scale("relevance, as a share of the strongest: against ← 0 → for the label")
UNSIGNED = Scale("relevance, as a share of the strongest", 0.0, 1.0, "plasma")


# --- arrays as pictures ----------------------------------------------------------------------------------------------


def coloured(values: NDArray[Any], scale: Scale) -> Image.Image:
    """(H, W) numbers in the colours of a scale; what is not a number is grey."""
    from matplotlib import colormaps

    values = np.asarray(values, np.float64)
    share = (values - scale.low) / (scale.high - scale.low or 1.0)
    colours = colormaps[scale.colours](np.nan_to_num(share.clip(0, 1)), bytes=True)[..., :3].copy()
    colours[~np.isfinite(values)] = 200
    return Image.fromarray(colours)


def painted(values: NDArray[Any], low: float | None = None, high: float | None = None) -> Image.Image:
    """(H, W) or (1, H, W) numbers as greys, (3, H, W) as red, green and blue, from `low` to `high` of them all."""
    values = np.nan_to_num(np.asarray(values, np.float64))
    values = values[None] if values.ndim == 2 else values
    low, high = float(values.min()) if low is None else low, float(values.max()) if high is None else high
    bytes_ = ((values - low) / (high - low or 1.0)).clip(0, 1) * 255
    return Image.fromarray(np.broadcast_to(bytes_, (3, *values.shape[1:])).transpose(1, 2, 0).round().astype(np.uint8))


def enlarged(picture: Image.Image, side: int = LEAST) -> Image.Image:
    """The picture with every pixel a square, so that its longer side has `side` pixels or more."""
    times = max(1, -(-side // max(picture.size)))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


# --- a sheet as a file -----------------------------------------------------------------------------------------------


def free(path: Path | None, force: bool, endings: Sequence[str] = ENDINGS) -> None:
    """Raises Problem for a file that is there already, one that lies nowhere, or one whose ending says another kind."""
    if path is None:
        return
    if path.suffix.lower() not in endings:
        raise Problem(f"{path} ends in none of {', '.join(endings)}: the ending says what is written", USAGE)
    if path.is_dir():
        raise Problem(f"{path} is a folder; name a file", USAGE)
    if not path.parent.is_dir():
        raise Problem(f"{path.parent} is not a folder that is there; make it, or name another file", USAGE)
    files.check_overwrite(path, force)


def write(sheet: Sheet, path: Path, force: bool = False) -> None:
    """The sheet as PNG or SVG, by the file's ending, in one step. Raises Problem where `free` does."""
    free(path, force)
    kind = path.suffix.lower().removeprefix(".")
    with charts.style() as figure_class:
        figure = drawn(sheet, figure_class)
        told: dict[str, Any] = {"Date": None} if kind == "svg" else {}  # the same sheet is the same file
        files.write(path, lambda beside: figure.savefig(beside, format=kind, dpi=DPI, metadata=told))


def drawn(sheet: Sheet, figure_class: type[Figure]) -> Figure:
    """The sheet as matplotlib's figure, every panel at its own number of pixels."""
    columns = max(1, min(sheet.columns, len(sheet.panels)))
    rows = [sheet.panels[at : at + columns] for at in range(0, len(sheet.panels), columns)]
    across = [max(_inches(row[at])[0] for row in rows if at < len(row)) for at in range(columns)]
    down = [max(_inches(panel)[1] for panel in row) for row in rows]
    head_wide, head_tall = _inches(sheet.head) if sheet.head else (0.0, 0.0)
    wide = max(sum(across) + 0.3, head_wide + 0.3, 5.2)
    top, bottom = (
        0.42,
        0.1 + (0.62 if sheet.scale else 0) + (LINE * (sheet.note.count("\n") + 1.3) if sheet.note else 0),
    )
    tall = head_tall + sum(down) + top + bottom
    if tall > TALLEST:
        raise Problem(f"{len(sheet.panels):,} pictures are too many for a sheet; ask for fewer", USAGE)
    figure = figure_class(figsize=(wide, tall))
    figure.text(0.15 / wide, 1 - 0.26 / tall, sheet.title, fontsize=11, fontweight="bold", va="center")
    y = tall - top
    if sheet.head:
        _place(figure, sheet.head, (wide / 2, y), (wide, tall))
        y -= head_tall
    for row, height in zip(rows, down, strict=True):
        x = max(0.15, (wide - sum(across)) / 2)
        for panel, width in zip(row, across, strict=False):
            _place(figure, panel, (x + width / 2, y), (wide, tall))
            x += width
        y -= height
    if sheet.scale:
        _bar(figure, sheet.scale, (wide, tall), bottom)
    if sheet.note:
        figure.text(0.15 / wide, 0.08 / tall, sheet.note, fontsize=8, color=charts.GREY, va="bottom")
    return figure


def _inches(panel: Panel) -> tuple[float, float]:
    """What a panel takes with its caption, and the room beside it."""
    lines = panel.caption.split("\n") if panel.caption else []
    if panel.picture is None:
        return LEAST / DPI, 0.0
    words = max((len(line) for line in lines), default=0) * LETTER
    return max(panel.picture.width / DPI, words) + 0.12, panel.picture.height / DPI + 0.14 + LINE * len(lines)


def _place(figure: Figure, panel: Panel, top: tuple[float, float], size: tuple[float, float]) -> None:
    """The panel with the middle of its upper side at `top`, in inches from the lower left corner of the sheet."""
    if panel.picture is None:
        return
    (x, y), (wide, tall) = top, size
    width, height = panel.picture.width / DPI, panel.picture.height / DPI
    axes = figure.add_axes(((x - width / 2) / wide, (y - height) / tall, width / wide, height / tall))
    axes.imshow(np.asarray(panel.picture.convert("RGB")), interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    figure.text(x / wide, (y - height - 0.06) / tall, panel.caption, fontsize=8, ha="center", va="top", linespacing=1.3)


def _bar(figure: Figure, scale: Scale, size: tuple[float, float], bottom: float) -> None:
    """The colours of the scale along the foot of the sheet, with their label."""
    wide, tall = size
    length = min(4.0, wide - 0.6)
    place = ((wide - length) / 2 / wide, (bottom - 0.2) / tall, length / wide, 0.1 / tall)
    axes = figure.add_axes(place)
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=scale.colours, aspect="auto", extent=(scale.low, scale.high, 0, 1))
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=2, labelsize=8)
    axes.set_xlabel(scale.label, fontsize=8)
