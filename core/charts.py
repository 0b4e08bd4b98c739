"""Charts of a training: curves and confusion matrices, for files and for the report.

matplotlib takes a second to import, so only the functions import it.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import files
from .format import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL import ImageFont

    from .find_lr import RangeTest
    from .score_curves import ScoreCurve
    from .tasks.task import Chart
    from .transfer_curve import Point

INK, GREY, FAINT, BLUE = "#1f2933", "#6b7785", "#e3e8ed", "#2f6db3"
FONTS = (  # fonts of each system with the scripts that DejaVu Sans lacks
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
    """DejaVu Sans, which comes with matplotlib, for Pillow, whose own font has no accents."""
    from matplotlib import get_data_path
    from PIL import ImageFont

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", points)


def save_curves(history: Sequence[dict[str, Any]], charts: Sequence[Chart], path: Path) -> None:
    """Draws the task's curves over the epochs side by side, as a PNG."""
    with style() as figure_class:
        figure: Figure = figure_class(figsize=(4.5 * max(1, len(charts)), 3.6), layout="constrained")
        for axes, chart in zip(np.atleast_1d(figure.subplots(1, max(1, len(charts)))), charts, strict=False):
            _curve(axes, history, chart)
        _save(figure, path)


def curve_png(history: Sequence[dict[str, Any]], chart: Chart) -> bytes:
    """One curve over the epochs, transparent, as the bytes of a PNG."""
    with style() as figure_class:
        figure: Figure = figure_class(figsize=(4.8, 2.8), layout="constrained")
        _curve(figure.subplots(), history, chart)
        return _png(figure)


def _curve(axes: Axes, history: Sequence[dict[str, Any]], chart: Chart) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    empty = True
    for key, label, colour in ((chart.name, "training", GREY), (f"valid_{chart.name}", "validation", BLUE)):
        if values := points(history, key):
            text = f"{values[-1][1]:.2%}" if chart.is_share else f"{values[-1][1]:.3g}"
            axes.plot(
                *zip(*values, strict=True),
                color=colour,
                label=f"{label} {text}",
                marker="o" if len(values) < 3 else "",
                linewidth=1.6,
            )
            empty = False
    axes.set_title(chart.title, loc="left")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    if chart.is_share:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    if empty:
        axes.text(0.5, 0.5, "no finite values yet", ha="center", va="center", color=GREY, transform=axes.transAxes)
    else:
        axes.legend(frameon=False)


def answered_png(curve: Sequence[Mapping[str, float]]) -> bytes:
    """The accuracy of the answered examples by their share, as the bytes of a transparent PNG."""
    from matplotlib.ticker import PercentFormatter

    with style() as figure_class:
        figure: Figure = figure_class(figsize=(4.8, 2.8), layout="constrained")
        axes = figure.subplots()
        shares, accuracies = [point["answered"] for point in curve], [point["accuracy"] for point in curve]
        axes.plot(shares, accuracies, color=BLUE, linewidth=1.6, marker="o" if len(shares) < 3 else "")
        axes.set_title("Accuracy of the answered examples", loc="left")
        axes.set_xlabel("share answered, the most confident first")
        axes.set_xlim(0, 1.02)
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1, decimals=None))
        return _png(figure)


def points(history: Sequence[dict[str, Any]], key: str) -> list[tuple[int, float]]:
    """Epochs and values of a metric, without values that are missing or not finite."""
    return [(epoch["epoch"], epoch[key]) for epoch in history if epoch.get(key) is not None and isfinite(epoch[key])]


def run_colours(count: int) -> list[str]:
    """A colour for each of several runs."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["tab10"](index % 10)) for index in range(count)]


def runs_png(histories: Mapping[str, Sequence[dict[str, Any]]], chart: Chart) -> bytes:
    """One metric over the epochs of several runs, as the bytes of a PNG: training dotted, validation solid."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with style() as figure_class:
        figure: Figure = figure_class(figsize=(8.4, 3.6), layout="constrained")
        axes = figure.subplots()
        for (name, history), colour in zip(histories.items(), run_colours(len(histories)), strict=True):
            for key, line in ((chart.name, ":"), (f"valid_{chart.name}", "-")):
                if values := points(history, key):
                    label = visible(name) if line == "-" else None
                    marker = "o" if len(values) < 3 else ""
                    axes.plot(*zip(*values, strict=True), line, color=colour, label=label, marker=marker, linewidth=1.6)
        axes.set_title(f"{chart.title}: validation, and training dotted", loc="left")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        if chart.is_share:
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
        return _png(figure)


def save_range_test(test: RangeTest, lr: float, path: Path) -> None:
    """Draws the loss over the learning rate, with the steepest point and the rate `lr` of the plan."""
    with style() as figure_class:
        figure: Figure = figure_class(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        axes.plot(test.rates, test.losses, color=BLUE, linewidth=1.6)
        index = test.rates.index(test.steepest)
        axes.plot(test.rates[index], test.losses[index], "o", color=BLUE, label=f"steepest: {test.steepest:.2g}")
        axes.axvline(lr, color=GREY, linewidth=1.2, linestyle="--", label=f"of the recipe: {lr:.2g}")
        log_x(axes)
        axes.set_title("Learning rate range test", loc="left")
        axes.set_xlabel("maximum learning rate")
        axes.set_ylabel("training loss, smoothed")
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        axes.legend(frameon=False)
        _save(figure, path)


def save_score_curves(curves: Sequence[ScoreCurve], path: Path) -> None:
    """Draws ROC and precision-recall curves side by side, of at most MOST labels, the lowest precision first."""
    from matplotlib import colormaps
    from matplotlib.ticker import PercentFormatter

    from .score_curves import MOST

    with style() as figure_class:
        figure: Figure = figure_class(figsize=(9.6, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for number, curve in enumerate(curves[:MOST]):
            colour, name = colormaps["tab10"](number), visible(curve.label)
            auc = f"{name}  AUC {curve.roc_auc:.3f}"
            left.plot(curve.false_positive_rates, curve.recalls, color=colour, linewidth=1.5, label=auc)
            precision = f"{name}  AP {curve.average_precision:.3f}"
            right.step(
                curve.recalls_of_precisions,
                curve.precisions,
                where="post",
                color=colour,
                linewidth=1.5,
                label=precision,
            )
        left.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="by chance")
        left.set_title("ROC", loc="left")
        left.set_xlabel("false positive rate")
        left.set_ylabel("recall")
        right.set_title("Precision and recall", loc="left")
        right.set_xlabel("recall")
        right.set_ylabel("precision")
        for axes in (left, right):
            axes.set_xlim(-0.02, 1.02)
            axes.set_ylim(-0.02, 1.02)
            axes.grid(color=FAINT, linewidth=0.8)
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
            axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
            axes.legend(frameon=False, loc="lower right" if axes is left else "lower left", fontsize=8)
        if len(curves) > MOST:
            figure.suptitle(
                f"the {MOST} labels of the lowest average precision, of {len(curves)}", fontsize=9, color=GREY
            )
        _save(figure, path)


def save(draw: Callable[[type[Figure]], Figure], path: Path) -> None:
    """Writes the figure that `draw` makes of the class, as a PNG or what the path's ending names."""
    with style() as figure_class:
        _save(draw(figure_class), path)


def log_x(axes: Axes) -> None:
    """A logarithmic x axis for what is drawn, with plain numbers at powers of ten, and at 2 and 5 between a few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def png(draw: Callable[[type[Figure]], Figure]) -> bytes:
    """The figure that `draw` makes of the class, transparent, as the bytes of a PNG."""
    with style() as figure_class:
        return _png(draw(figure_class))


def save_transfer_curve(points: Sequence[Point], title: str, path: Path) -> None:
    """Draws the accuracy over the number of kept layers with its interval, a line for each number of examples."""
    from matplotlib import colormaps
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    with style() as figure_class:
        figure: Figure = figure_class(figsize=(6.4, 3.8), layout="constrained")
        axes = figure.subplots()
        series = list(dict.fromkeys(point.examples for point in points))
        for number, examples in enumerate(series):
            chosen = [point for point in points if point.examples == examples]
            kept, shares = [point.kept for point in chosen], [point.accuracy for point in chosen]
            colour = BLUE if len(series) == 1 else colormaps["viridis"](0.85 * number / (len(series) - 1))
            name = "all training examples" if examples is None else f"{examples} examples of each label"
            axes.plot(kept, shares, color=colour, linewidth=1.6, marker="o", markersize=4, label=name)
            low, high = zip(*(point.interval for point in chosen), strict=True)
            axes.fill_between(kept, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set_title(visible(title), loc="left")
        axes.set_xlabel("kept layers, frozen, in front of a new head")
        axes.set_ylabel("accuracy on the test split")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.grid(axis="y", color=FAINT, linewidth=0.8)
        axes.legend(frameon=False)
        _save(figure, path)


def save_confusion(table: Sequence[Sequence[int]], labels: Sequence[str], path: Path) -> None:
    """Draws a confusion matrix as a PNG: a row for each true label, a column for each predicted one."""
    save(lambda figure_class: _confusion(figure_class, table, labels), path)


def _save(figure: Figure, path: Path) -> None:
    kind = path.suffix.lower().removeprefix(".")
    files.write(path, lambda temporary: figure.savefig(temporary, dpi=150, format=kind))


def confusion_png(table: Sequence[Sequence[int]], labels: Sequence[str]) -> bytes:
    """A confusion matrix, transparent, as the bytes of a PNG."""
    return png(lambda figure_class: _confusion(figure_class, table, labels))


def _confusion(figure_class: type[Figure], table: Sequence[Sequence[int]], labels: Sequence[str]) -> Figure:
    """Colours are shares of the row, numbers are counts."""
    counts = np.asarray(table, dtype=np.int64).reshape(len(labels), len(labels))
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    longest = max((len(label) for label in shorten(labels)), default=1)
    side = min(11.0, max(3.2, 0.42 * len(labels))) + 0.085 * longest
    figure = figure_class(figsize=(side + 1.2, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(shares, cmap=_blues(), vmin=0, vmax=1, interpolation="nearest")
    _names(axes, labels)
    if len(labels) <= MOST_COUNTS:
        _numbers(axes, counts, shares)
    bar = figure.colorbar(image, ax=axes, fraction=0.04, pad=0.02, format="%.1f")
    bar.outline.set_visible(False)
    bar.set_label("share of the true label")
    return figure


def _png(figure: Figure) -> bytes:
    content = BytesIO()
    figure.savefig(content, format="png", dpi=160, transparent=True)
    return content.getvalue()


def _blues() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    # The first steps are steep: one error in a hundred should be visible.
    steps = [(0, "#ffffff"), (0.02, "#dceaf8"), (0.2, "#a5cbef"), (0.6, "#4a8fd0"), (1, "#174a83")]
    return LinearSegmentedColormap.from_list("share", steps)


def _names(axes: Axes, labels: Sequence[str]) -> None:
    stride = name_stride(len(labels))
    positions = list(range(0, len(labels), stride))
    names = shorten(labels)[::stride]
    axes.set_xticks(positions, names, rotation=0 if max(map(len, names), default=0) < 3 else 90)
    axes.set_yticks(positions, names)
    axes.tick_params(length=0 if stride == 1 else 2)
    axes.set_xlabel("predicted label" if stride == 1 else f"predicted label (1 in {stride} is named)")
    axes.set_ylabel("true label")
    for spine in axes.spines.values():
        spine.set_visible(True)


def name_stride(labels: int) -> int:
    """The stride between named labels at which the names stay readable."""
    return -(-labels // MOST_NAMES)


def shorten(labels: Sequence[str], most: int = 22) -> list[str]:
    """Labels on one line each, cut to what fits beside an axis."""
    lines = [" ".join(visible(str(label)).split()) for label in labels]
    return [label if len(label) <= most else label[: most - 1] + "…" for label in lines]


def _numbers(axes: Axes, counts: Any, shares: Any) -> None:
    digits = len(str(counts.max(initial=0)))
    size = min(9.0, 26 / max(digits, 2))
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "#ffffff" if shares[row, column] > 0.5 else INK
            axes.text(column, row, f"{count}", ha="center", va="center", fontsize=size, color=colour)


def _shown_figure() -> type[Figure]:
    """A figure that shows control characters in its texts, such as names of files; an SVG must not have them."""
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    class ShownFigure(Figure):
        def savefig(self, *arguments: Any, **keywords: Any) -> None:
            for text in self.findobj(Text):
                assert isinstance(text, Text)
                text.set_text(visible(text.get_text()))
            super().savefig(*arguments, **keywords)

    return ShownFigure


@contextmanager
def style() -> Iterator[type[Figure]]:
    """The style of all figures, without pyplot, which keeps every figure and needs a display.

    Labels are users' texts: a dollar sign starts no formula, and a script that no installed font holds is drawn as
    boxes, without a warning for each letter.
    """
    from matplotlib import font_manager, rc_context

    installed = set(font_manager.get_font_names())
    look: Any = {
        "font.family": [name for name in FONTS if name in installed] or ["sans-serif"],
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
            yield _shown_figure()
        finally:
            logger.setLevel(level)
