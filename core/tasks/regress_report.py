"""The blocks of the report that are about regression, and its chart of true against predicted numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import charts
from ..format import data_uri, figure, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .regress import Regress

SPLITS = {"train": "training", "valid": "validation", "test": "test"}
COLUMNS = 3  # charts beside one another


def blocks(metrics: Mapping[str, Any], task: Regress) -> dict[str, Any]:
    """The values of regress.html."""
    values = metrics["values"]
    return {
        "first": values[0],
        "values": values,
        "summary": summary(metrics, task),
        "scatter": data_uri(charts.png(lambda figure_class: scatter(figure_class, metrics))),
    }


def summary(metrics: Mapping[str, Any], task: Regress) -> list[str]:
    """The headline in sentences: what the errors mean, the coverage of the intervals, and what biases the figures."""
    split, sentences = metrics["scored_on"], []
    for value in metrics["values"]:
        if value["r2"] is None:
            continue
        if value["r2"] <= 0:
            sentences.append(f"{value['name']}: the predictions are no better than the mean of the training examples.")
            continue
        sentences.append(
            f"{value['name']}: the predictions explain {percent(value['r2'], 0)} of the variance and are off by "
            f"{figure(value['mae'])} on average; always predicting the mean of the training examples would be off by "
            f"{figure(value['mae_of_mean'])}."
        )
    if not task.half_widths:
        sentences.append("Predictions have no intervals, as there were too few validation examples.")
    if split == "valid":
        sentences.append("There is no test split: validation also selected the epoch, so these figures are optimistic.")
    if split == "train":
        sentences.append("These are the training examples: the figures say little about new ones. Add a test split.")
    return sentences


def save_scatter(metrics: Mapping[str, Any], path: Path) -> None:
    """Draws true against predicted numbers, as a PNG."""
    charts.save(lambda figure_class: scatter(figure_class, metrics), path)


def scatter(figure_class: type[Figure], metrics: Mapping[str, Any]) -> Figure:
    """A chart for each number: its true values across, the predicted ones up, and the line on which they are equal."""
    count = len(metrics["values"])
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure = figure_class(figsize=(4.2 * columns, 4.0 * rows), layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes, value, points in zip(grid, metrics["values"], metrics["points"], strict=False):
        _draw(axes, value["name"], points)
    for axes in grid[count:]:
        axes.set_visible(False)
    return figure


def _draw(axes: Axes, name: str, points: Sequence[Sequence[float]]) -> None:
    true, predicted = np.array(points, np.float64).reshape(-1, 2).T
    both = np.concatenate([true, predicted]) if len(true) else np.array([0.0, 1.0])
    low, high = float(both.min()), float(both.max())
    margin = 0.04 * (high - low) or 0.5
    axes.plot([low, high], [low, high], color=charts.GREY, linewidth=1)
    axes.scatter(true, predicted, s=14, color=charts.BLUE, alpha=0.45, linewidths=0)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    axes.set_aspect("equal")
    axes.set_title(charts.shorten([name])[0], loc="left")
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
