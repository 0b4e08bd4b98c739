"""The blocks of the report that are about masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import charts
from ..format import data_uri, percent

if TYPE_CHECKING:
    from .segment import Segment

MOST_CONFUSIONS = 8


def blocks(metrics: Mapping[str, Any], task: Segment) -> dict[str, Any]:
    """The values of segment.html."""
    colours = dict(zip(task.labels, task.colours, strict=True))
    classes = sorted(metrics["classes"], key=lambda row: (row["iou"] is not None, row["iou"] or 0))
    return {
        "classes": [{**row, "colour": colours[row["label"]], "share": share(row, metrics)} for row in classes],
        "legend": [{"label": label, "colour": colour} for label, colour in colours.items()],
        "summary": summary(metrics),
        "confusion": data_uri(charts.confusion_png(metrics["confusion"], task.labels)),
        "confusions": confusions(metrics, task.labels),
        "wide": True,
    }


def share(row: Mapping[str, Any], metrics: Mapping[str, Any]) -> float:
    """The share of a label among all pixels that are not ignored."""
    return row["pixels"] / metrics["pixels"] if metrics["pixels"] else 0.0


def confusions(metrics: Mapping[str, Any], labels: list[str]) -> list[dict[str, Any]]:
    """The labels that are most often taken for another, by pixels."""
    cells = [
        {"label": labels[i], "predicted": labels[j], "count": count, "share": count / max(1, sum(row))}
        for i, row in enumerate(metrics["confusion"])
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(cells, key=lambda cell: -cell["count"])[:MOST_CONFUSIONS]


def summary(metrics: Mapping[str, Any]) -> list[str]:
    """The headline in sentences: what is right, which label is worst, and what biases the figures."""
    known = [row for row in metrics["classes"] if row["iou"] is not None]
    sentences = []
    if known:
        worst, best = min(known, key=lambda row: row["iou"]), max(known, key=lambda row: row["iou"])
        sentences.append(
            f"{percent(metrics['pixel_accuracy'])} of the pixels have the right label; {best['label']} is found best "
            f"(IoU {percent(best['iou'])}), {worst['label']} worst (IoU {percent(worst['iou'])}, "
            f"{percent(share(worst, metrics), 2)} of the pixels)."
        )
    if missing := [row["label"] for row in metrics["classes"] if row["iou"] is None]:
        sentences.append(f"No picture has {', '.join(missing)}, and none is predicted; the mean is over the others.")
    if metrics["scored_on"] == "valid":
        sentences.append("There is no test split: validation also selected the epoch, so these figures are optimistic.")
    if metrics["scored_on"] == "train":
        sentences.append("These are the training examples: the figures say little about new ones. Add a test split.")
    return sentences
