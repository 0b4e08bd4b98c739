"""The blocks of the report that are about classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

import numpy as np

from .. import charts
from ..format import data_uri, percent

SPLITS = {"train": "training", "valid": "validation", "test": "test"}


def blocks(metrics: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """The values of classify.html."""
    table = metrics["confusion"]
    return {
        "digits": digits_of(metrics["examples"]),
        "summary": summary(metrics),
        "uniform_loss": log(len(labels)),
        "confusion": data_uri(charts.confusion_png(table, labels)),
        "confusions": confusions(table, labels),
        "classes": worst_first(metrics["classes"], table),
        "groups": metrics.get("groups", {}),
        "trust": trust(metrics),
        "answered": data_uri(charts.answered_png(metrics["answered_curve"])),
    }


def digits_of(examples: int) -> int:
    """The decimals of a percentage that so many examples support."""
    return 2 if examples >= 5000 else 1


def summary(metrics: Mapping[str, Any]) -> list[str]:
    """The headline in sentences: the counts, the baseline, the calibration, and what biases the figures."""
    examples, split = metrics["examples"], metrics["scored_on"]
    digits = digits_of(examples)
    correct = round(metrics["accuracy"] * examples)
    low, high = (percent(share, digits) for share in metrics["accuracy_interval"])
    sentences = [
        f"{correct:,} of {examples:,} {SPLITS.get(split, split)} examples are classified correctly; "
        f"on new examples like these, expect between {low} and {high}."
    ]
    if majority := max(metrics["classes"], key=lambda row: row["examples"], default=None):
        share = percent(majority["examples"] / examples, 1)
        sentences.append(
            f"Always predicting “{majority['label']}”, the most frequent label, would be correct for {share}."
        )
    error = 100 * metrics["calibration_error"]
    interval = metrics.get("calibration_interval")
    extent = f" (95% interval {100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
    sentences.append(f"The predicted probabilities are off by {error:.1f} percentage points on average{extent}.")
    if split == "valid":
        sentences.append("There is no test split: validation also selected the epoch, so these figures are optimistic.")
    if split == "train":
        sentences.append("These are the training examples: the figures say little about new ones. Add a test split.")
    return sentences


def trust(metrics: Mapping[str, Any]) -> list[str]:
    """What the temperature changed, and what the curve of answered examples shows, in sentences."""
    sentences = []
    if before := metrics.get("uncalibrated"):
        sentences.append(
            f"A temperature of {metrics['temperature']:.3f}, fitted on the validation split, changed the calibration "
            f"error on these examples from {before['calibration_error']:.1%} to {metrics['calibration_error']:.1%} and "
            f"the log loss from {before['log_loss']:.4f} to {metrics['log_loss']:.4f}."
        )
    sentences.append(
        "The curve shows the accuracy if only the most confident predictions are answered, as with predict --abstain."
    )
    return sentences


def confusions(table: Sequence[Sequence[int]], labels: Sequence[str], most: int = 10) -> list[dict[str, Any]]:
    """The most frequent errors: the true label, the predicted one, the count, and its share of the true label."""
    counts = np.asarray(table, dtype=np.int64).reshape(len(labels), len(labels)).copy()
    totals = counts.sum(1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    cells = [divmod(int(i), len(labels)) for i in order if counts.flat[i]]
    return [
        {
            "label": labels[row],
            "predicted": labels[column],
            "count": int(counts[row, column]),
            "share": float(counts[row, column] / totals[row]),
        }
        for row, column in cells
    ]


def worst_first(classes: Sequence[dict[str, Any]], table: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """The labels by ascending F1, each with its most frequent wrong prediction; labels without examples last."""
    rows = []
    for index, counts in enumerate(table):
        errors = [(count, -column) for column, count in enumerate(counts) if column != index and count]
        count, column = max(errors, default=(0, 0))
        confused = classes[-column]["label"] if errors else None
        rows.append({**classes[index], "confused_with": confused, "errors": count})
    return sorted(rows, key=lambda row: (not row["examples"], row["f1"] if row["f1"] is not None else 2.0))
