"""Attacks and corruptions as pictures: accuracy against their size, and what became of some examples."""

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
from .fooled import Fooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from torch import Tensor

Cases = Mapping[str, Sequence[Any]]  # of each corruption, what core/robust/card.py shows
Show = Callable[["Axes", "Tensor"], None]  # where, and an input or its maps

RED = "#b3362b"  # a wrong answer
COLOURS = (BLUE, "#d9822b", "#3b9670", "#7d62bd", "#b3362b", "#6b7785", "#b0568a")
SUBTITLE: Any = {"loc": "left", "fontsize": 9, "fontweight": "normal", "color": GREY}
WRONG = "what the network takes each for; wrong in red"
CELL, CURVE = 1.35, 3.1  # inches: the side of an example, the height of the curve
LEAST = 7.0  # inches: the width of a sheet with few examples
NAMED = 14  # letters of an answer


def sheet(
    path: Path, title: str, domain: Domain, preprocessing: Preprocessing, curve: Curve, examples: Sequence[Fooled]
) -> None:
    """The curve, and below it a row for each example with a column for each size: PNG or SVG, by the file's name."""
    show = _shown(domain, preprocessing)
    columns = len(curve.epsilons)
    with style() as figure_class:
        wide = max(LEAST, CELL * columns + 1.2)
        tall = _tall(domain, preprocessing, examples[0].original, wide / columns) if examples else 0
        high = CURVE + (tall + 0.3) * len(examples) + 0.3 * bool(examples)
        figure = figure_class(figsize=(wide, high), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        if not examples:
            _curve(figure.subplots(), curve)
        else:
            above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[CURVE, high - CURVE])[:, 0]
            _curve(above.subplots(), curve)
            grid = below.subplots(len(examples), columns, squeeze=False)
            for row, example in zip(grid, examples, strict=True):
                _example(row, example, show, curve.attack.space)
            _outside(grid)
            below.suptitle(WRONG, x=0.01, ha="left", fontsize=9, color=GREY)
            for axes, epsilon in zip(grid[0], curve.epsilons, strict=True):
                _heading(axes, f"ε = {epsilon:g}" if epsilon else "as it is")
        _write(figure, path)


def card(
    path: Path, title: str, domain: Domain, preprocessing: Preprocessing, told: Mapping[str, Any], cases: Cases
) -> None:
    """Accuracy against the strength of each corruption, and below it one input under all of them."""
    names = list(told["corruptions"])
    with style() as figure_class:
        wide = CELL * (len(STRENGTHS) + 1) + 1.2
        tall = _tall(domain, preprocessing, cases[names[0]][0][0], wide / (len(STRENGTHS) + 1)) if cases else 0
        high = CURVE + (tall + 0.3) * len(cases) + 0.3 * bool(cases)
        figure = figure_class(figsize=(wide, high), layout="constrained")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        above = figure
        if cases:
            above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[CURVE, high - CURVE])[:, 0]
            grid = below.subplots(len(names), len(STRENGTHS) + 1, squeeze=False)
            for row, name in zip(grid, names, strict=True):
                _case(row, name, cases[name], _shown(domain, preprocessing))
            _outside(grid)
            for axes, strength in zip(grid[0], (0, *STRENGTHS), strict=True):
                _heading(axes, str(strength) if strength else "as it is")
            below.suptitle(WRONG, x=0.01, ha="left", fontsize=9, color=GREY)
        _strengths(above.subplots(), told)
        _write(figure, path)


def _tall(domain: Domain, preprocessing: Preprocessing, inputs: Tensor, wide: float) -> float:
    """How high an input is shown where it has so much room, in inches."""
    width, height = domain.show(inputs, None, preprocessing).size
    return min(CELL, float(wide * height / width))


def _strengths(axes: Axes, told: Mapping[str, Any]) -> None:
    for (name, each), colour in zip(told["corruptions"].items(), cycle(COLOURS), strict=False):
        found = [told["accuracy"], *(row["accuracy"] for row in each["rows"])]
        axes.plot((0, *STRENGTHS), found, color=colour, marker="o", markersize=4, label=name)
    axes.set_title(f"accuracy under corruptions, {told['examples']:,} examples", **SUBTITLE)
    axes.set_xlabel("strength")
    _share(axes)
    axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))


def _case(row: Sequence[Axes], name: str, cases: Sequence[Any], show: Show) -> None:
    """One input under one corruption; what it is taken for as it is, is taken for right."""
    for axes, (inputs, answer, sure) in zip(row, cases, strict=True):
        show(axes, inputs)
        _titled(axes, answer, sure, right=answer == cases[0][1])
    _named(row[0], name)


def _named(axes: Axes, name: str) -> None:
    """The name of a row at its first axes, before the unit that they have."""
    unit = axes.get_ylabel()
    axes.set_ylabel(f"{name}\n{unit}" if unit else name, color=INK, fontsize=8 if unit else None)


def _outside(grid: Sequence[Sequence[Axes]]) -> None:
    """Ticks and units only at the left and at the foot: all axes of a grid are alike."""
    for row in grid:
        for axes in row:
            axes.tick_params(labelsize=6, length=2)
            axes.set_xlabel(axes.get_xlabel(), fontsize=7)
            axes.label_outer()


def _heading(axes: Axes, text: str) -> None:
    axes.annotate(text, (0.5, 1.28), xycoords="axes fraction", ha="center", color=GREY)


def _titled(axes: Axes, answer: str, sure: float, right: bool) -> None:
    for spine in axes.spines.values():
        spine.set_visible(False)
    (name,) = shorten([answer], NAMED)
    axes.set_title(f"{name}  {sure:.0%}", fontsize=8, fontweight="normal", color=INK if right else RED)


def _write(figure: Any, path: Path) -> None:
    kind = path.suffix.lower().removeprefix(".")
    files.write(path, lambda beside: figure.savefig(beside, dpi=150, format=kind))


def _curve(axes: Axes, curve: Curve) -> None:
    rows = [curve.row(at) for at in range(len(curve.epsilons))]
    low, high = zip(*(row["interval"] for row in rows), strict=True)
    axes.fill_between(curve.epsilons, low, high, color=BLUE, alpha=0.18, linewidth=0)
    method = curve.attack.method.upper() + (f", {curve.attack.steps} steps" if curve.attack.method == "pgd" else "")
    axes.plot(curve.epsilons, [row["accuracy"] for row in rows], color=BLUE, marker="o", markersize=4, label=method)
    axes.plot(
        curve.epsilons, [row["random"] for row in rows], color=GREY, marker="o", markersize=3, label="random signs"
    )
    axes.set_title(f"accuracy under attack, {len(curve.targets):,} examples", **SUBTITLE)
    axes.set_xlabel(f"ε, {curve.attack.space.unit}")
    _share(axes)


def _share(axes: Axes) -> None:
    """The vertical axis for shares, and the legend."""
    from matplotlib.ticker import PercentFormatter

    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color=FAINT)
    axes.legend(frameon=False)


def _example(row: Sequence[Axes], example: Fooled, show: Show, space: PerturbationSpace) -> None:
    for axes, moved, answer, sure in zip(row, example.moved, example.answers, example.confidence, strict=True):
        kept = moved.round().clamp(space.least, space.most).to(example.original.dtype)
        show(axes, kept if space.on == "inputs" else moved)
        _titled(axes, answer, sure, right=answer == example.label)
    (label,) = shorten([example.label], NAMED)
    _named(row[0], label)


def _shown(domain: Domain, preprocessing: Preprocessing) -> Show:
    """How an input, or what the network sees of it, is drawn: over its units, or as the picture that it is."""

    attackable = domain.capability(Attackable)
    drawing = attackable.graph if attackable else None

    def plain(axes: Axes, seen: Tensor) -> None:
        axes.imshow(np.asarray(domain.show(seen, None, preprocessing)))
        axes.set_xticks([])
        axes.set_yticks([])

    def graph(axes: Axes, seen: Tensor) -> None:
        assert drawing is not None
        drawing(axes, seen, preprocessing)

    return plain if drawing is None else graph
