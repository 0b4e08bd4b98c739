"""A run as one HTML page that needs nothing beside it: no script, no request, in light and dark, paper and phone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files as package_files
from io import BytesIO
from math import ceil, floor, isfinite, log, log10, sqrt
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup
from PIL import Image

from . import diagram, files, plot
from .network import Network, parse

PARTS = {"train": "training", "valid": "validation", "test": "test"}
CELLS = 40  # labels up to which the confusion matrix is drawn cell by cell; above, it is a picture
BLUE, RED = (58, 123, 196), (224, 106, 59)  # right and wrong; told apart by the colour-blind too


def write(path: Path, run: dict[str, Any]) -> None:
    """The page of a run.

    Of `run`, "network" is the network's text, "rows" its `facts()`, "scores" what `score.scores` gives, "scored_on" the
    part they come from, "history" a dict for each epoch; every other text is shown as it is, escaped.
    """
    html = _template().render(page(run))
    files.write_text(path, html.encode("utf-8", "replace").decode())  # a file's name may be no valid text


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"percent": percent, "count": count, "duration": duration, "sure": sure, "figure": figure}
    return environment.from_string(package_files(__package__).joinpath("report.html").read_text(encoding="utf-8"))


def page(run: dict[str, Any]) -> dict[str, Any]:
    """What the template shows: the run, and all that is computed from it."""
    network = Network(tuple(run["rows"]["input"]), parse(run["network"]))
    scores, labels = run["scores"], [str(label) for label in run["labels"]]
    return {
        "run": run,
        "scores": scores,
        "digits": 2 if scores["examples"] >= 5000 else 1,
        "part": PARTS.get(run["scored_on"], run["scored_on"]),
        "reading": reading(scores, run["scored_on"]),
        "charts": [chart(run["history"], "loss", "Log loss"), chart(run["history"], "accuracy", "Accuracy")],
        "matrix": matrix(scores["confusion"], labels),
        "groups": scores.get("groups", {}),
        "confusions": confusions(scores["confusion"], labels),
        "classes": worst_first(scores["classes"], scores["confusion"]),
        "mistakes": [{**mistake, **picture(mistake["picture"])} for mistake in run["mistakes"]],
        "looks": looks(run.get("looks")),
        "network": network,
        "drawing": Markup(diagram.svg(network, "")),
        "rows": list(diagram.numbered(network.rows)),
        "remarks_on_network": diagram.remarks(network),
        "title_of": diagram.title,
        "times": diagram.times,
        "even": log(len(labels)) if labels else 0.0,
    }


# --- words ---------------------------------------------------------------------------------------------------------


def reading(scores: dict[str, Any], part: str) -> list[str]:
    """The headline in sentences: what was counted, what chance would give, how far to trust the probabilities."""
    examples, digits = scores["examples"], 2 if scores["examples"] >= 5000 else 1
    right = round(scores["accuracy"] * examples)
    low, high = (percent(share, digits) for share in scores["interval"])
    told = [
        f"{right:,} of {examples:,} {PARTS.get(part, part)} examples are answered rightly; "
        f"on others like them, expect between {low} and {high}."
    ]
    commonest = max(scores["classes"], key=lambda each: each["examples"], default=None)
    if commonest:
        share = percent(commonest["examples"] / examples, 1)
        told.append(
            f"Always answering “{commonest['label']}”, the commonest label, would be right {share} of the time."
        )
    off = 100 * scores["calibration_error"]
    told.append(f"When it says how sure it is, it is off by {off:.1f} percentage points on average.")
    if part == "valid":
        told.append("There was no test part: validation also chose the best epoch, so these figures flatter a little.")
    if part == "train":
        told.append(
            "These are the examples it learned from: the figures say little about new ones. Give it a test part."
        )
    return told


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f}%"


def sure(probability: float) -> str:
    """A probability that never reads as certainty."""
    return "over 99.9%" if probability > 0.999 else f"{100 * probability:.1f}%"


def count(number: Any) -> str:
    return f"{number:,}" if isinstance(number, int) else str(number)


def figure(number: float | None) -> str:
    return "–" if number is None or not isfinite(number) else f"{number:.3g}"


def duration(seconds: float) -> str:
    """221 as 3 min 41 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


# --- curves --------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 48, 136, 12, 34  # margins around the curves


def chart(history: Sequence[dict[str, Any]], name: str, title: str) -> dict[str, Any]:
    """Two curves over the epochs as points in a drawing of WIDTH × HEIGHT."""
    found = {"train": plot.points(history, name), "valid": plot.points(history, f"valid_{name}")}
    every = [value for points in found.values() for _, value in points]
    if not every:
        return {"title": title, "lines": []}
    shares = name == "accuracy"
    low, high = min(every), min(1.0, max(every)) if shares else max(every)
    ys = ticks(0.0 if not shares and low < 0.4 * high else low, high, 5)
    epochs = sorted({epoch for points in found.values() for epoch, _ in points})
    xs = [x for x in ticks(epochs[0], epochs[-1], 6) if epochs[0] <= x <= epochs[-1] and x == int(x)]

    def place(epoch: float, value: float) -> tuple[float, float]:
        along = (epoch - epochs[0]) / max(1, epochs[-1] - epochs[0])
        up = (value - ys[0]) / (ys[-1] - ys[0])
        x = LEFT + along * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM), 1)

    def told(value: float) -> str:
        return percent(value, 1 if ys[1] - ys[0] >= 0.01 else 2) if shares else f"{value:.3g}"

    lines = [_curve(kind, points, place, told) for kind, points in found.items() if points]
    return {
        "title": title,
        "lines": _apart(lines),
        "xs": [(place(x, ys[0])[0], f"{x:.0f}") for x in xs],
        "ys": [
            (place(epochs[0], y)[1], percent(y, 0 if ys[1] - ys[0] >= 0.01 else 1) if shares else f"{y:.3g}")
            for y in ys
        ],
    }


def _curve(kind: str, points: list[tuple[int, float]], place: Any, told: Any) -> dict[str, Any]:
    drawn = [place(*point) for point in points]
    return {
        "kind": kind,
        "points": " ".join(f"{x},{y}" for x, y in drawn),
        "end": drawn[-1],
        "label": f"{PARTS[kind]} {told(points[-1][1])}",
        "y": drawn[-1][1],
    }


def _apart(lines: list[dict[str, Any]], room: float = 15) -> list[dict[str, Any]]:
    """The labels at the ends of two curves, moved until they do not touch."""
    if len(lines) == 2 and (gap := abs(lines[0]["y"] - lines[1]["y"])) < room:
        upper, lower = sorted(lines, key=lambda line: line["y"])
        middle = (upper["y"] + lower["y"]) / 2
        shift = max(gap, room) / 2
        middle = min(max(middle, TOP + shift), HEIGHT - BOTTOM - shift)
        upper["y"], lower["y"] = middle - shift, middle + shift
    return lines


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from at or below `low` to at or above `high`."""
    span = high - low or abs(high) or 1.0
    least = span / most
    power = 10.0 ** floor(log10(least))
    step = next(each * power for each in (1, 2, 5, 10) if each * power >= least * 0.999)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    return [round(i * step, 10) for i in range(first, max(last, first + 1) + 1)]


# --- labels --------------------------------------------------------------------------------------------------------


def matrix(table: Sequence[Sequence[int]], labels: Sequence[str]) -> dict[str, Any]:
    """The confusion matrix as a drawing: cells where they can be told apart, else one picture of them."""
    counts = np.asarray(table, dtype=np.int64).reshape(len(labels), len(labels))
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    names = plot.shown(labels, 18)
    cell = min(max(44.0, 180 / len(labels)), 640 / len(labels))
    every = plot.step(len(labels)) if len(labels) <= CELLS else ceil(16 / cell)
    margin = 30 + 7.2 * max((sum(1 + (c > "⺀") for c in name) for name in names), default=1)
    return {
        "cell": cell,
        "margin": round(margin, 1),
        "side": round(cell * len(labels), 1),
        "names": [(i, name) for i, name in enumerate(names) if i % every == 0],
        "upright": max(map(len, names), default=0) * 7 > cell,
        "numbers": cell >= 20,
        "size": round(min(12.0, 1.5 * cell / max(2, len(str(counts.max(initial=0))))), 1),
        "cells": _cells(counts, shares) if len(labels) <= CELLS else [],
        "picture": None if len(labels) <= CELLS else _pixels(shares),
    }


def _cells(counts: Any, shares: Any) -> list[dict[str, Any]]:
    return [
        {
            "row": int(r),
            "column": int(c),
            "count": int(counts[r, c]),
            "share": float(shares[r, c]),
            "ink": _ink(shares[r, c]),
        }
        for r, c in np.argwhere(counts)
    ]


def _ink(share: float) -> float:
    """How strongly a share is coloured: its root, so that one mistake in a hundred is seen."""
    return round(sqrt(share), 3)


def _pixels(shares: Any) -> str:
    side = len(shares)
    pixels = np.empty((side, side, 4), np.uint8)
    pixels[..., :3] = np.where(np.eye(side, dtype=bool)[..., None], BLUE, RED)
    pixels[..., 3] = np.sqrt(shares) * 255
    encoded = BytesIO()
    Image.fromarray(pixels, "RGBA").save(encoded, "PNG", optimize=True)
    return _data_uri(encoded.getvalue())


def confusions(table: Sequence[Sequence[int]], labels: Sequence[str], most: int = 10) -> list[dict[str, Any]]:
    """The mistakes made most often: what was there, what was answered, how often, and as a share of what was there."""
    counts = np.asarray(table, dtype=np.int64).reshape(len(labels), len(labels)).copy()
    there = counts.sum(1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    places = [divmod(int(i), len(labels)) for i in order if counts.flat[i]]
    return [
        {"label": labels[r], "answer": labels[c], "count": int(counts[r, c]), "share": float(counts[r, c] / there[r])}
        for r, c in places
    ]


def worst_first(classes: Sequence[dict[str, Any]], table: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """The labels from the lowest F1 up, each with the answer it is mistaken for most; those without examples last."""
    told = []
    for own, row in enumerate(table):
        wrong = [(count, -k) for k, count in enumerate(row) if k != own and count]
        times, place = max(wrong, default=(0, 0))
        told.append({**classes[own], "mistaken": classes[-place]["label"] if wrong else None, "mistakes": times})
    return sorted(told, key=lambda each: (not each["examples"], each["f1"] if each["f1"] is not None else 2.0))


# --- pictures ------------------------------------------------------------------------------------------------------


def looks(told: dict[str, Any] | None) -> dict[str, Any]:
    """The filters and what the network looked at, each picture as an address; empty where nobody has looked."""
    told = told or {"filters": None, "answers": []}
    answers = [{**each, **picture(each["picture"])} for each in told["answers"]]
    return {"filters": _data_uri(told["filters"]) if told["filters"] else None, "answers": answers}


def picture(png: bytes | None) -> dict[str, Any]:
    """A picture as an address that holds all of it; small ones are shown with their pixels."""
    if not png:
        return {"picture": None, "small": False}
    return {"picture": _data_uri(png), "small": int.from_bytes(png[16:20], "big") < 96}  # a PNG's width


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + b64encode(png).decode()
