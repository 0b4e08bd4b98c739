"""What a study leaves: its table, its page, and the pictures of both."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import charts, files
from ..format import data_uri
from ..sources.formula import escape
from ..sources.source import natural
from ..templates import template
from .study import Trial, front_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LISTED = 10  # of the best trials, on the page


def write_csv(trials: Sequence[Trial], path: Path) -> None:
    """A row for each trial: number, state, metric, cost, its choices, and its texts."""
    names = sorted({name for trial in trials for name in trial.params})
    attributes = ("parameters", "macs", "epochs", "seconds", "cpu_seconds", "recipe", "network", "reason")
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["trial", "state", "metric", *names, *attributes])
    for trial in trials:
        cells = [trial.number, trial.state, "" if trial.value is None else f"{trial.value:.6g}"]
        cells += [trial.params.get(name, "") for name in names]
        cells += [trial.attributes.get(name) or "" for name in attributes]
        writer.writerow([escape(str(cell)) for cell in cells])
    files.write_text(path, file.getvalue())


def write_page(path: Path, page: Mapping[str, Any]) -> None:
    """The page of a study."""
    files.write_text(path, template("tune.html").render(page))


def pictures(trials: Sequence[Trial], importance: Mapping[str, float], cost: str | None) -> dict[str, str]:
    """The pictures of the page: the course of the study, what mattered, each choice and all together, the front."""
    complete = [trial for trial in trials if trial.value is not None]
    drawn = {"course": data_uri(charts.png(lambda figure: course(figure, trials)))} if complete else {}
    if importance:
        drawn["importance"] = data_uri(charts.png(lambda figure: bars(figure, importance)))
    if len(complete) > 2:
        names = list(importance)[:6] or sorted({name for trial in complete for name in trial.params})[:6]
        drawn["choices"] = data_uri(charts.png(lambda figure: choices(figure, complete, names)))
        if len(names) > 1:
            drawn["coordinates"] = data_uri(charts.png(lambda figure: coordinates(figure, complete, names)))
    if cost is not None and any(trial.cost is not None for trial in complete):
        drawn["front"] = data_uri(charts.png(lambda figure: front(figure, complete, cost)))
    return drawn


def course(figure_class: type[Figure], trials: Sequence[Trial]) -> Figure:
    """The metric of each trial in its order, and the best so far."""
    figure = figure_class(figsize=(8, 3), layout="constrained")
    axes = figure.subplots()
    complete = [trial for trial in trials if trial.value is not None]
    numbers, values = [trial.number for trial in complete], [trial.value or 0.0 for trial in complete]
    best = [max(values[: index + 1]) for index in range(len(values))]
    axes.plot(numbers, values, "o", color=charts.GREY, markersize=4, label="trial")
    axes.step(numbers, best, where="post", color=charts.BLUE, label="best so far")
    axes.set(xlabel="trial", ylabel="validation metric")
    axes.legend(frameon=False)
    return figure


def bars(figure_class: type[Figure], importance: Mapping[str, float]) -> Figure:
    """The share of the variance of the metric that each choice explains."""
    names = list(importance)[:12][::-1]
    figure = figure_class(figsize=(8, 0.6 + 0.32 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, [importance[name] for name in names], color=charts.BLUE, height=0.6)
    axes.set(xlabel="share of the variance of the metric", xlim=(0, 1))
    return figure


def choices(figure_class: type[Figure], trials: Sequence[Trial], names: Sequence[str]) -> Figure:
    """The metric against each choice."""
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = figure_class(figsize=(3.1 * columns, 2.6 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, name in zip(grid.flat, names, strict=False):
        pairs = [(trial.params[name], trial.value) for trial in trials if name in trial.params]
        if pairs and isinstance(pairs[0][0], str):
            pairs.sort(key=lambda pair: order_of(str(pair[0])))
        x = [value if isinstance(value, int | float) else str(value)[:18] for value, _ in pairs]
        axes.plot(x, [value for _, value in pairs], "o", color=charts.BLUE, markersize=4, alpha=0.7)
        numbers = [value for value in x if isinstance(value, int | float)]
        if numbers and min(numbers) > 0 and max(numbers) > 20 * min(numbers):
            charts.log_x(axes)
        axes.set_title(name, fontsize=9)
        axes.tick_params(axis="x", labelsize=7, rotation=30 if x and isinstance(x[0], str) else 0)
    for axes in list(grid.flat)[len(names) :]:
        axes.set_visible(False)
    grid[0][0].set_ylabel("validation metric")
    return figure


def coordinates(figure_class: type[Figure], trials: Sequence[Trial], names: Sequence[str]) -> Figure:
    """Parallel coordinates (Inselberg 1985): a line for each trial through its choices to its metric."""
    columns = [axis_of([trial.params.get(name) for trial in trials]) for name in names]
    columns.append(axis_of([trial.value for trial in trials]))
    order = sorted(range(len(trials)), key=lambda index: trials[index].value or 0.0)
    best = set(order[-max(1, len(order) // 10) :])
    figure = figure_class(figsize=(max(8, 1.5 * len(columns)), 3.6), layout="constrained")
    axes = figure.subplots()
    box = {"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1}
    for index in order:
        heights = [heights[index] for heights, _ in columns]
        colour, width, alpha = (charts.BLUE, 1.8, 0.9) if index in best else (charts.GREY, 0.8, 0.5)
        axes.plot(range(len(columns)), heights, color=colour, linewidth=width, alpha=alpha)
    for position, (_, ticks) in enumerate(columns):
        axes.axvline(position, color=charts.GREY, linewidth=0.6)
        for height, text in ticks:
            axes.annotate(
                text, (position, height), (3, 0), textcoords="offset points", fontsize=7, va="center", bbox=box
            )
    axes.set_xticks(range(len(columns)), [*names, "metric"], fontsize=8)
    axes.set(xlim=(-0.1, len(columns) - 0.4), ylim=(-0.06, 1.06), yticks=[])
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    return figure


def order_of(kind: str) -> tuple[float, tuple[Any, ...]]:
    """A key that sorts the values of a choice: numbers by their size, then texts with the numbers in them by theirs."""
    try:
        return float(kind), ()
    except ValueError:
        return math.inf, natural(kind)


def axis_of(values: Sequence[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """The heights of values on an axis from 0 to 1, NaN for one that is missing, and its ticks with their texts."""
    known = [value for value in values if value is not None]
    if any(isinstance(value, str) for value in known):
        kinds = sorted({str(value) for value in known}, key=order_of)
        places = {kind: index / max(1, len(kinds) - 1) for index, kind in enumerate(kinds)}
        heights = [math.nan if value is None else places[str(value)] for value in values]
        return heights, [(place, kind[:18]) for kind, place in places.items()]
    low, high = float(min(known)), float(max(known))
    scale = math.log if low > 0 and high > 20 * low else float
    width = scale(high) - scale(low) or 1.0
    heights = [math.nan if value is None else (scale(value) - scale(low)) / width for value in values]
    return heights, [(0.0, f"{low:.4g}"), *([(1.0, f"{high:.4g}")] if high > low else [])]


def front(figure_class: type[Figure], trials: Sequence[Trial], cost: str) -> Figure:
    """Metric and cost of all trials, and those that no other beats in both."""
    figure = figure_class(figsize=(8, 3.4), layout="constrained")
    axes = figure.subplots()
    for part, marker, colour in ((trials, "o", charts.GREY), (front_of(trials), "o-", charts.BLUE)):
        costs, values = [trial.cost or 0.0 for trial in part], [trial.value or 0.0 for trial in part]
        axes.plot(costs, values, marker, color=colour, markersize=4)
    charts.log_x(axes)
    axes.set(xlabel=cost, ylabel="validation metric")
    return figure
