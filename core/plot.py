"""Curves and the confusion matrix as PNG files. matplotlib takes a second to import, so only the functions do it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import ImageFont

INK, GREY, FAINT, BLUE = "#1f2933", "#6b7785", "#e3e8ed", "#2f6db3"
FONTS = (  # of each system, those that hold the scripts which DejaVu Sans lacks
    *(
        "DejaVu Sans",
        "Noto Sans CJK JP",
        "Noto Sans CJK SC",
        "Noto Sans JP",
        "Hiragino Sans",
        "PingFang SC",
        "Yu Gothic",
    ),
    *("Microsoft YaHei", "Malgun Gothic", "Apple SD Gothic Neo", "WenQuanYi Zen Hei", "IPAexGothic", "Noto Sans"),
    *("Noto Sans Devanagari", "Noto Sans Thai", "Nirmala UI", "Leelawadee UI", "Arial Unicode MS", "Noto Emoji"),
)
MOST_NAMES = 60  # names along one side of a confusion matrix
MOST_COUNTS = 25  # labels up to which a cell has room for its count


def font(points: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans for Pillow, whose own font has no accents; it comes with matplotlib."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", points)


def curves(history: Sequence[dict[str, Any]], path: Path) -> None:
    """Loss and accuracy over the epochs, on the training batches and on validation."""
    with style() as figure_class:
        figure: Figure = figure_class(figsize=(9, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _curve(left, history, "loss", "log loss", share=False)
        _curve(right, history, "accuracy", "accuracy", share=True)
        figure.savefig(path, dpi=150)


def _curve(axes: Axes, history: Sequence[dict[str, Any]], name: str, title: str, share: bool) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    drawn = False
    for key, label, colour in ((name, "training batches", GREY), (f"valid_{name}", "validation", BLUE)):
        found = points(history, key)
        if found:
            axes.plot(
                *zip(*found, strict=True),
                color=colour,
                label=label,
                marker="o" if len(found) < 3 else "",
                linewidth=1.6,
            )
            drawn = True
    axes.set_title(title, loc="left")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if share:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    if drawn:
        axes.legend(frameon=False)
    else:
        axes.text(0.5, 0.5, "no figures yet", ha="center", va="center", color=GREY, transform=axes.transAxes)


def points(history: Sequence[dict[str, Any]], key: str) -> list[tuple[int, float]]:
    """Where the figure is there and finite: a loss that ran away would flatten all others."""
    return [(each["epoch"], each[key]) for each in history if each.get(key) is not None and isfinite(each[key])]


def confusion(table: Sequence[Sequence[int]], labels: Sequence[str], path: Path) -> None:
    """A row for each true label, a column for each answer; colours are shares of the row, numbers are counts."""
    counts = np.asarray(table, dtype=np.int64).reshape(len(labels), len(labels))
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    with style() as figure_class:
        longest = max((len(label) for label in shown(labels)), default=1)
        side = min(11.0, max(3.2, 0.42 * len(labels))) + 0.085 * longest
        figure: Figure = figure_class(figsize=(side + 1.2, side), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(shares, cmap=_blues(), vmin=0, vmax=1, interpolation="nearest")
        _names(axes, labels)
        if len(labels) <= MOST_COUNTS:
            _numbers(axes, counts, shares)
        bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, format="%.1f")
        bar.outline.set_visible(False)
        bar.set_label("share of the true label")
        figure.savefig(path, dpi=150)


def _blues() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    # The first steps are steep: one mistake in a hundred should be seen.
    steps = [(0, "#ffffff"), (0.02, "#dceaf8"), (0.2, "#a5cbef"), (0.6, "#4a8fd0"), (1, "#174a83")]
    return LinearSegmentedColormap.from_list("share", steps)


def _names(axes: Axes, labels: Sequence[str]) -> None:
    every = step(len(labels))
    places = list(range(0, len(labels), every))
    names = shown(labels)[::every]
    axes.set_xticks(places, names, rotation=0 if max(map(len, names), default=0) < 3 else 90)
    axes.set_yticks(places, names)
    axes.tick_params(length=0 if every == 1 else 2)
    axes.set_xlabel("answer" if every == 1 else f"answer (1 label in {every} is named)")
    axes.set_ylabel("true label")
    for spine in axes.spines.values():
        spine.set_visible(True)


def step(labels: int) -> int:
    """Every how manieth label is named so that the names stay readable."""
    return -(-labels // MOST_NAMES)


def shown(labels: Sequence[str], most: int = 22) -> list[str]:
    """Labels short enough for an axis, on one line each."""
    flat = [" ".join(str(label).split()) for label in labels]
    return [label if len(label) <= most else label[: most - 1] + "…" for label in flat]


def _numbers(axes: Axes, counts: Any, shares: Any) -> None:
    digits = len(str(counts.max(initial=0)))
    size = min(9.0, 26 / max(digits, 2))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "#ffffff" if shares[row, column] > 0.5 else INK
            axes.text(column, row, f"{count}", ha="center", va="center", fontsize=size, color=colour)


@contextmanager
def style() -> Iterator[type[Figure]]:
    """One look for all figures, without pyplot, which keeps every figure and wants a screen.

    Labels are other people's texts: a dollar sign is no formula, and a script that no font here holds is drawn as
    boxes without a warning for each letter.
    """
    from matplotlib import font_manager, rc_context
    from matplotlib.figure import Figure

    there = set(font_manager.get_font_names())
    look: Any = {
        "font.family": [name for name in FONTS if name in there] or ["sans-serif"],
        "font.size": 9,
        "text.parse_math": False,
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.labelcolor": GREY,
        "axes.edgecolor": FAINT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": GREY,
        "ytick.color": GREY,
        "text.color": INK,
        "legend.labelcolor": INK,
    }
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    with rc_context(look), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph")
        logger.setLevel(logging.ERROR)
        try:
            yield Figure
        finally:
            logger.setLevel(level)
