"""Figures of attacks and corruptions: accuracy against strength, and some examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from ..charts import BLUE, FAINT, GREY, INK, shorten, style
from ..data import Preprocessing
from ..domain import Domain
from .attack import Curve
from .capability import Attackable, PerturbationSpace
from .card import STRENGTHS
from .examples import AdversarialExample

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import Tensor

Cases = Mapping[str, Sequence[Any]]  # by corruption, what card.corrupted_example returns
Draw = Callable[["Axes", "Tensor"], None]  # draws an input, or its maps, on axes

RED = "#b3362b"  # a wrong prediction
COLOURS = (BLUE, "#d9822b", "#3b9670", "#7d62bd", "#b3362b", "#6b7785", "#b0568a")
SUBTITLE: Any = {"loc": "left", "fontsize": 9, "fontweight": "normal", "color": GREY}
LEGEND = "the predicted label and its probability; wrong predictions in red"
CELL, CURVE_HEIGHT = 1.35, 3.1  # inches: the side of an example, the height of the curve
MIN_WIDTH = 7.0  # inches of a figure with few examples
MAX_LETTERS = 14  # of a label


def attack_figure(
    path: Path,
    title: str,
    domain: Domain,
    preprocessing: Preprocessing,
    curve: Curve,
    examples: Sequence[AdversarialExample],
) -> None:
    """The curve, and below it a row for each example with a column for each size: PNG or SVG, by the file's name."""
    draw = _drawing(domain, preprocessing)
    columns = len(curve.epsilons)
    with style() as figure_class:
        width = max(MIN_WIDTH, CELL * columns + 1.2)
        row_height = _row_height(domain, preprocessing, examples[0].original, width / columns) if examples else 0
        height = CURVE_HEIGHT + (row_height + 0.3) * len(examples) + 0.3 * bool(examples)
        figure = figure_class(figsize=(width, height), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        if not examples:
            _curve(figure.subplots(), curve)
        else:
            above, below = _split(figure, height)
            _curve(above.subplots(), curve)
            grid = below.subplots(len(examples), columns, squeeze=False)
            for row, example in zip(grid, examples, strict=True):
                _example(row, example, draw, curve.attack.space)
            _outer_labels(grid)
            below.suptitle(LEGEND, x=0.01, ha="left", fontsize=9, color=GREY)
            for axes, epsilon in zip(grid[0], curve.epsilons, strict=True):
                _heading(axes, f"ε = {epsilon:g}" if epsilon else "original")
        _save(figure, path)


def card_figure(
    path: Path, title: str, domain: Domain, preprocessing: Preprocessing, card: Mapping[str, Any], cases: Cases
) -> None:
    """Accuracy against the strength of each corruption, and below it one input under all of them."""
    names = list(card["corruptions"])
    columns = len(STRENGTHS) + 1
    with style() as figure_class:
        width = CELL * columns + 1.2
        row_height = _row_height(domain, preprocessing, cases[names[0]][0][0], width / columns) if cases else 0
        height = CURVE_HEIGHT + (row_height + 0.3) * len(cases) + 0.3 * bool(cases)
        figure = figure_class(figsize=(width, height), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        above = figure
        if cases:
            above, below = _split(figure, height)
            grid = below.subplots(len(names), columns, squeeze=False)
            for row, name in zip(grid, names, strict=True):
                _case(row, name, cases[name], _drawing(domain, preprocessing))
            _outer_labels(grid)
            for axes, strength in zip(grid[0], (0, *STRENGTHS), strict=True):
                _heading(axes, str(strength) if strength else "original")
            below.suptitle(LEGEND, x=0.01, ha="left", fontsize=9, color=GREY)
        _strengths(above.subplots(), card)
        _save(figure, path)


def _split(figure: Any, height: float) -> Any:
    """The subfigures of the curve and of the examples."""
    return figure.subfigures(2, 1, squeeze=False, height_ratios=[CURVE_HEIGHT, height - CURVE_HEIGHT])[:, 0]


def _row_height(domain: Domain, preprocessing: Preprocessing, inputs: Tensor, column_width: float) -> float:
    """The height in inches of an input that is drawn as wide as a column."""
    width, height = domain.show(inputs, None, preprocessing).size
    return min(CELL, float(column_width * height / width))


def _strengths(axes: Axes, card: Mapping[str, Any]) -> None:
    for (name, corruption), colour in zip(card["corruptions"].items(), cycle(COLOURS), strict=False):
        accuracies = [card["accuracy"], *(row["accuracy"] for row in corruption["rows"])]
        axes.plot((0, *STRENGTHS), accuracies, color=colour, marker="o", markersize=4, label=name)
    axes.set_title(f"accuracy under corruptions, {card['examples']:,} examples", **SUBTITLE)
    axes.set_xlabel("strength")
    _accuracy_axis(axes)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _case(row: Sequence[Axes], name: str, cases: Sequence[Any], draw: Draw) -> None:
    """One input under one corruption; the prediction for the original counts as correct."""
    for axes, (inputs, label, probability) in zip(row, cases, strict=True):
        draw(axes, inputs)
        _prediction(axes, label, probability, correct=label == cases[0][1])
    _row_name(row[0], name)


def _row_name(axes: Axes, name: str) -> None:
    """Writes the name of a row beside its first axes, above the unit if they have one."""
    unit = axes.get_ylabel()
    axes.set_ylabel(f"{name}\n{unit}" if unit else name, color=INK, fontsize=8 if unit else None)


def _outer_labels(grid: Sequence[Sequence[Axes]]) -> None:
    """Keeps ticks and units only at the left and at the bottom of a grid."""
    for row in grid:
        for axes in row:
            axes.tick_params(labelsize=6, length=2)
            axes.set_xlabel(axes.get_xlabel(), fontsize=7)
            axes.label_outer()


def _heading(axes: Axes, text: str) -> None:
    axes.annotate(text, (0.5, 1.28), xycoords="axes fraction", ha="center", color=GREY)


def _prediction(axes: Axes, label: str, probability: float, correct: bool) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    (name,) = shorten([label], MAX_LETTERS)
    axes.set_title(f"{name}  {probability:.0%}", fontsize=8, fontweight="normal", color=INK if correct else RED)


def _save(figure: Any, path: Path) -> None:
    kind = path.suffix.lower().removeprefix(".")
    files.write(path, lambda temporary: figure.savefig(temporary, dpi=150, format=kind))


def _curve(axes: Axes, curve: Curve) -> None:
    rows = [curve.row(index) for index in range(len(curve.epsilons))]
    low, high = zip(*(row["interval"] for row in rows), strict=True)
    axes.fill_between(curve.epsilons, low, high, color=BLUE, alpha=0.18, linewidth=0, label="95% interval")
    method = curve.attack.method.upper() + (f", {curve.attack.steps} steps" if curve.attack.method == "pgd" else "")
    axes.plot(curve.epsilons, [row["accuracy"] for row in rows], color=BLUE, marker="o", markersize=4, label=method)
    axes.plot(
        curve.epsilons, [row["random"] for row in rows], color=GREY, marker="o", markersize=3, label="random signs"
    )
    axes.set_title(f"accuracy under attack, {len(curve.targets):,} examples", **SUBTITLE)
    axes.set_xlabel(f"ε, {curve.attack.space.unit}")
    _accuracy_axis(axes)


def _accuracy_axis(axes: Axes) -> None:
    """The vertical axis in per cent, and the legend."""
    from matplotlib.ticker import PercentFormatter

    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color=FAINT)
    axes.legend(frameon=False)


def _example(row: Sequence[Axes], example: AdversarialExample, draw: Draw, space: PerturbationSpace) -> None:
    columns = zip(row, example.perturbed, example.predicted, example.confidence, strict=True)
    for axes, perturbed, label, probability in columns:
        rounded = perturbed.round().clamp(space.least, space.most).to(example.original.dtype)
        draw(axes, rounded if space.on == "inputs" else perturbed)
        _prediction(axes, label, probability, correct=label == example.label)
    (name,) = shorten([example.label], MAX_LETTERS)
    _row_name(row[0], name)


def _drawing(domain: Domain, preprocessing: Preprocessing) -> Draw:
    """The function that draws an input, or its maps: with the domain's units, or as a picture."""
    attackable = domain.capability(Attackable)
    graph = attackable.graph if attackable else None

    def draw_picture(axes: Axes, values: Tensor) -> None:
        axes.imshow(np.asarray(domain.show(values, None, preprocessing)))
        axes.set_xticks([])
        axes.set_yticks([])

    def draw_graph(axes: Axes, values: Tensor) -> None:
        assert graph is not None
        graph(axes, values, preprocessing)

    return draw_picture if graph is None else draw_graph
