"""A run as one HTML page: no script, no request, light and dark, for paper and phones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from markupsafe import Markup

from . import charts, diagram, files
from .format import data_uri, without_controls
from .network import Network, parse
from .tasks import Task
from .templates import template

SPLITS = {"train": "training", "valid": "validation", "test": "test"}
SMALL = 96  # pixels: narrower pictures are shown enlarged, without smoothing


def write(path: Path, run: dict[str, Any], task: Task) -> None:
    """Writes the page of a run.

    `run` holds "network" (its text), "rows" (its `to_dict()`), "metrics" (of the task), "scored_on" (their split),
    "history" (a dict an epoch), and texts, which are shown escaped.
    """
    html = template(task.template or "report.html").render(page(run, task))
    html = html.encode("utf-8", "replace").decode()  # a file name may be no valid text
    files.write_text(path, without_controls(html))


def page(run: dict[str, Any], task: Task) -> dict[str, Any]:
    """The values that the templates show."""
    network = Network(tuple(run["rows"]["input"]), parse(run["network"]))
    metrics = run["metrics"] | {"scored_on": run["scored_on"]}
    curves = [
        {"title": chart.title, "picture": data_uri(charts.curve_png(run["history"], chart))} for chart in task.charts
    ]
    return {
        "run": run,
        "metrics": metrics,
        "split": SPLITS.get(run["scored_on"], run["scored_on"]),
        "kept": run["kept"],
        "charts": curves,
        "target_name": task.target_name,
        "mistakes": [{**mistake, **picture(mistake["picture"])} for mistake in run["mistakes"]],
        "looks": looks(run.get("looks")),
        "network": network,
        "drawing": Markup(diagram.svg(network, "")),
        "rows": list(diagram.numbered(network.rows)),
        "remarks_on_network": diagram.remarks(network),
        "title_of": diagram.title,
        "times": diagram.times,
        "wide": False,  # whether the pictures of examples are wide
        **task.report(metrics),
    }


def looks(examples: dict[str, Any] | None) -> dict[str, Any]:
    """Filters and explained predictions with their pictures as addresses; empty without any."""
    examples = examples or {"filters": None, "answers": []}
    answers = [{**row, **picture(row["picture"])} for row in examples["answers"]]
    return {"filters": data_uri(examples["filters"]) if examples["filters"] else None, "answers": answers}


def picture(png: bytes | None) -> dict[str, Any]:
    """A picture as an address, and whether it is small."""
    if not png:
        return {"picture": None, "small": False}
    return {"picture": data_uri(png), "small": int.from_bytes(png[16:20], "big") < SMALL}  # the width of a PNG
