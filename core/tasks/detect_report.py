"""The blocks of the report that are about boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import charts
from ..format import data_uri, percent
from .classify_report import SPLITS

if TYPE_CHECKING:
    from .detect import Detect


def blocks(metrics: Mapping[str, Any], task: Detect) -> dict[str, Any]:
    """The values of detect.html."""
    labels = [*task.labels, "background"]
    return {
        "wide": True,
        "summary": summary(metrics, task),
        "confusion": data_uri(charts.confusion_png(metrics["confusion"], labels)),
        "sizes": [
            {"name": area, "ap": metrics[f"ap_{area}"], "boxes": metrics[f"boxes_{area}"]}
            for area in ("small", "medium", "large")
        ],
        "classes": sorted(metrics["classes"], key=lambda row: (row["ap50"] is None, row["ap50"] or 0.0)),
    }


def summary(metrics: Mapping[str, Any], task: Detect) -> list[str]:
    """The headline in sentences: what is found at the thresholds, and what biases the figures."""
    split, classes = metrics["scored_on"], metrics["classes"]
    correct, predicted = (sum(row[name] for row in classes) for name in ("correct", "predicted"))
    boxes = metrics["boxes"]
    sentences = [
        f"In {metrics['examples']:,} {SPLITS.get(split, split)} examples are {boxes:,} boxes. At the thresholds of the "
        f"scores {predicted:,} are predicted, of which {percent(correct / predicted if predicted else None)} are "
        "right: the label is, and the overlap is at least 50%. So "
        f"{percent(correct / boxes if boxes else None)} of the true boxes are found.",
        *(f"{remark[0].upper()}{remark[1:]}." for remark in task.calibration_remarks),
    ]
    if split == "valid":
        sentences.append(
            "There is no test split: validation also selected the epoch and the thresholds, so these figures are "
            "optimistic."
        )
    if split == "train":
        sentences.append("These are the training examples: the figures say little about new ones. Add a test split.")
    return sentences
