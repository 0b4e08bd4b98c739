"""Cross-validation: a training for each fold, and predictions of every example by a network that never saw it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import feed, files
from .data import Examples, concatenate
from .folded import Fold, load
from .metrics import Floats
from .model import Model
from .plan import Plan, read_settings

OF_ONE_MODEL = ("temperature", "uncalibrated")  # metrics of a single fold's calibration


class FoldPredictions(NamedTuple):
    """The examples of a fold, with targets as the first fold's task takes them, and their predictions."""

    examples: Examples
    predictions: Floats


def plan_of_fold(plan: Plan, fold: Fold) -> Plan:
    """The plan of the training for one fold."""
    return replace(plan, source=replace(plan.source, fold=str(fold)))


def folder_of(root: Path, fold: Fold) -> Path:
    return root / f"fold-{fold.number}"


def begun(root: Path) -> dict[str, Any] | None:
    """The settings of the first fold of a cross-validation in a folder; None if there is none."""
    path = folder_of(root, Fold(1, 2)) / "settings.toml"
    return read_settings(path) if path.is_file() else None


def out_of_fold(plan: Plan, models: Sequence[Model]) -> list[FoldPredictions]:
    """Predictions of each fold by its model."""
    parts = []
    for number, model in enumerate(models, 1):
        source = plan_of_fold(plan, Fold(number, len(models))).source
        data = load(plan.domain, source, model.task.known_labels, model.card.preprocessing)
        predictions = feed.measure(model, model.task.encode(data).test)
        parts.append(FoldPredictions(models[0].task.encode(data).test, predictions))
    return parts


def summarise(root: Path, plan: Plan, models: Sequence[Model], parts: Sequence[FoldPredictions]) -> dict[str, Any]:
    """Writes and returns summary.json: the metrics of all out-of-fold predictions, and those of each fold."""
    examples = concatenate([part.examples for part in parts])
    pooled = models[0].metrics(np.concatenate([part.predictions for part in parts]), examples)
    summaries = [
        json.loads((folder_of(root, Fold(number, len(models))) / "summary.json").read_text(encoding="utf-8"))
        for number in range(1, len(models) + 1)
    ]
    values = [summary["value"] for summary in summaries]
    names = ("value", "interval", "examples", "epochs", "seconds")
    summary = {
        **{name: value for name, value in pooled.items() if name not in OF_ONE_MODEL},
        "scored_on": "out-of-fold",
        "mean": float(np.mean(values)),
        "std": float(np.std(values, ddof=1)),
        "folds": [{name: fold[name] for name in names} for fold in summaries],
        "seconds": round(sum(fold["seconds"] for fold in summaries), 1),
        "parameters": models[0].network.parameters,
        "recipe": plan.recipe,
        "labels": models[0].labels,
    }
    files.write_text(root / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    return summary
