"""A sheet of pictures with a title, captions and a colour scale, as PNG or SVG.

matplotlib takes a second to import, so the functions import it when they run.
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
DPI = 100
LINE_HEIGHT = 0.17  # inches, of a caption
LETTER_WIDTH = 0.068  # inches, of a caption, an upper bound
MIN_SIDE = 80  # pixels: the shorter side of a small panel grows to this
MAX_HEIGHT = 300.0  # inches: viewers refuse a PNG of more rows


@dataclass(frozen=True)
class Scale:
    """A colour scale: `label` with its unit, from `low` to `high`, in one of matplotlib's colour maps."""

    label: str
    low: float = -1.0
    high: float = 1.0
    colours: str = "coolwarm"


@dataclass(frozen=True)
class Panel:
    """One picture of a sheet with its caption; without a picture, an empty cell."""

    picture: Image.Image | None
    caption: str = ""


@dataclass(frozen=True)
class Sheet:
    """Pictures in rows of `columns`, all drawn pixel by pixel, under a title."""

    title: str
    panels: Sequence[Panel]
    columns: int = 4
    scale: Scale | None = None
    note: str = ""  # small print below
    head: Panel | None = None  # in a row of its own, above the others


SIGNED = Scale("relevance, as a share of the largest: against ← 0 → for the label")
UNSIGNED = Scale("relevance, as a share of the largest", 0.0, 1.0, "plasma")


# --- arrays as pictures ----------------------------------------------------------------------------------------------


def coloured(values: NDArray[Any], scale: Scale) -> Image.Image:
    """Colours (H, W) numbers by a scale; NaN is grey."""
    from matplotlib import colormaps

    values = np.asarray(values, np.float64)
    position = (values - scale.low) / (scale.high - scale.low or 1.0)
    colours = colormaps[scale.colours](np.nan_to_num(position.clip(0, 1)), bytes=True)[..., :3].copy()
    colours[~np.isfinite(values)] = 200
    return Image.fromarray(colours)


def painted(values: NDArray[Any], low: float | None = None, high: float | None = None) -> Image.Image:
    """(H, W) or (1, H, W) numbers as greys, (3, H, W) as red, green and blue; `low` and `high` default to the range."""
    values = np.nan_to_num(np.asarray(values, np.float64))
    values = values[None] if values.ndim == 2 else values
    low, high = float(values.min()) if low is None else low, float(values.max()) if high is None else high
    bytes_ = ((values - low) / (high - low or 1.0)).clip(0, 1) * 255
    return Image.fromarray(np.broadcast_to(bytes_, (3, *values.shape[1:])).transpose(1, 2, 0).round().astype(np.uint8))


def enlarged(picture: Image.Image, side: int = MIN_SIDE) -> Image.Image:
    """Repeats every pixel so that the longer side has `side` pixels or more."""
    factor = max(1, -(-side // max(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


# --- a sheet as a file -----------------------------------------------------------------------------------------------


def write(sheet: Sheet, path: Path, force: bool = False) -> None:
    """Writes the sheet as PNG or SVG, by the file's ending. Raises Problem as `files.check_output` does."""
    files.check_output(path, force, ENDINGS)
    kind = path.suffix.lower().removeprefix(".")
    with charts.style() as figure_class:
        figure = figure_of(sheet, figure_class)
        metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {}  # the same sheet gives the same file
        files.write(path, lambda temporary: figure.savefig(temporary, format=kind, dpi=DPI, metadata=metadata))


def figure_of(sheet: Sheet, figure_class: type[Figure]) -> Figure:
    """Returns the sheet as matplotlib's figure, in which a pixel of a panel is a pixel of the figure."""
    columns = max(1, min(sheet.columns, len(sheet.panels)))
    rows = [sheet.panels[start : start + columns] for start in range(0, len(sheet.panels), columns)]
    widths = [max(_inches(row[column])[0] for row in rows if column < len(row)) for column in range(columns)]
    heights = [max(_inches(panel)[1] for panel in row) for row in rows]
    head_width, head_height = _inches(sheet.head) if sheet.head else (0.0, 0.0)
    width = max(sum(widths) + 0.3, head_width + 0.3, 5.2)
    top = 0.42
    note_height = LINE_HEIGHT * (sheet.note.count("\n") + 1.3) if sheet.note else 0
    bottom = 0.1 + (0.62 if sheet.scale else 0) + note_height
    height = head_height + sum(heights) + top + bottom
    if height > MAX_HEIGHT:
        raise Problem(f"{len(sheet.panels):,} pictures are too many for a sheet; ask for fewer", USAGE)
    figure = figure_class(figsize=(width, height))
    figure.text(0.15 / width, 1 - 0.26 / height, sheet.title, fontsize=11, fontweight="bold", va="center")
    y = height - top
    if sheet.head:
        _place(figure, sheet.head, (width / 2, y), (width, height))
        y -= head_height
    for row, row_height in zip(rows, heights, strict=True):
        x = max(0.15, (width - sum(widths)) / 2)
        for panel, column_width in zip(row, widths, strict=False):
            _place(figure, panel, (x + column_width / 2, y), (width, height))
            x += column_width
        y -= row_height
    if sheet.scale:
        _colour_bar(figure, sheet.scale, (width, height), bottom)
    if sheet.note:
        figure.text(0.15 / width, 0.08 / height, sheet.note, fontsize=8, color=charts.GREY, va="bottom")
    return figure


def _inches(panel: Panel) -> tuple[float, float]:
    """The width and height of a panel with its caption and margins."""
    lines = panel.caption.split("\n") if panel.caption else []
    if panel.picture is None:
        return MIN_SIDE / DPI, 0.0
    caption = max((len(line) for line in lines), default=0) * LETTER_WIDTH
    return max(panel.picture.width / DPI, caption) + 0.12, panel.picture.height / DPI + 0.14 + LINE_HEIGHT * len(lines)


def _place(figure: Figure, panel: Panel, top: tuple[float, float], size: tuple[float, float]) -> None:
    """Draws the panel with the middle of its upper side at `top`, in inches from the lower left corner of the sheet."""
    if panel.picture is None:
        return
    (x, y), (sheet_width, sheet_height) = top, size
    width, height = panel.picture.width / DPI, panel.picture.height / DPI
    left, bottom = (x - width / 2) / sheet_width, (y - height) / sheet_height
    axes = figure.add_axes((left, bottom, width / sheet_width, height / sheet_height))
    axes.imshow(np.asarray(panel.picture.convert("RGB")), interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    style: Any = {"fontsize": 8, "ha": "center", "va": "top", "linespacing": 1.3}
    figure.text(x / sheet_width, (y - height - 0.06) / sheet_height, panel.caption, **style)


def _colour_bar(figure: Figure, scale: Scale, size: tuple[float, float], bottom: float) -> None:
    """Draws the scale along the foot of the sheet, with its label."""
    width, height = size
    length = min(4.0, width - 0.6)
    axes = figure.add_axes(((width - length) / 2 / width, (bottom - 0.2) / height, length / width, 0.1 / height))
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=scale.colours, aspect="auto", extent=(scale.low, scale.high, 0, 1))
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=2, labelsize=8)
    axes.set_xlabel(scale.label, fontsize=8)
