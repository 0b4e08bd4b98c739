"""The blocks of the report that are about several labels for each example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import charts
from ..format import data_uri, percent
from .classify_report import SPLITS, confusions, digits_of

if TYPE_CHECKING:
    from .multilabel import Multilabel


def blocks(metrics: Mapping[str, Any], task: Multilabel) -> dict[str, Any]:
    """The values of multilabel.html."""
    table, labels = metrics["confusion"], task.labels
    return {
        "digits": digits_of(metrics["examples"]),
        "summary": summary(metrics, task),
        "confusion": data_uri(charts.confusion_png(table, labels)),
        "confusions": confusions(table, labels),
        "together": [
            {"labels": f"{labels[a]} and {labels[b]}", "true": true, "predicted": predicted}
            for a, b, true, predicted in metrics["together"]
        ],
        "classes": sorted(metrics["classes"], key=lambda row: (not row["examples"], row["f1"] or 0.0)),
    }


def summary(metrics: Mapping[str, Any], task: Multilabel) -> list[str]:
    """The headline in sentences: exact sets, labels for each example, thresholds, and what biases the figures."""
    split, counts = metrics["scored_on"], metrics["labels_per_example"]
    common = metrics["common_threshold"]
    sentences = [
        f"For {percent(metrics['subset_accuracy'])} of {metrics['examples']:,} {SPLITS.get(split, split)} examples "
        f"exactly the true labels are predicted. An example has {counts['true']:.2f} labels on average, "
        f"{counts['predicted']:.2f} are predicted.",
        f"One threshold for all labels, {percent(common['threshold'])}, would give a macro-F1 of "
        f"{percent(common['macro_f1'])} and a micro-F1 of {percent(common['micro_f1'])}.",
        trust(metrics),
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


def trust(metrics: Mapping[str, Any]) -> str:
    """How far the probabilities of labels are from their frequencies."""
    error = percent(metrics["calibration_error"], 2)
    text = f"The mean gap between the probability of a label and its frequency is {error}"
    if before := metrics.get("uncalibrated"):
        text += f"; before the temperatures it was {percent(before['calibration_error'], 2)}"
    return f"{text}."
