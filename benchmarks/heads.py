"""One model of several heads beside a model for each: python benchmarks/heads.py DOMAIN DATA --columns COLUMN …

Prints a line of JSON for each seed and model: the first metric of each head with its 95% interval, on the test split.
With --within FINE COARSE also the share of the test examples whose predicted COARSE is that of their predicted FINE.

    python benchmarks/heads.py vision grocery/train.csv --test grocery/test.csv --columns fine coarse \\
        --within fine coarse --weights efficientnet-lite0
    python benchmarks/heads.py vision fashion/train.csv --test fashion/test.csv --columns articleType baseColour \\
        --unknown skip --image-path 'images/{id}.jpg'
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import neocog
import numpy as np
from neocog.core import device as devices
from neocog.core import feed
from neocog.core import run as runs
from neocog.core.data import DataSpec, Examples
from neocog.core.finalize import calibrate
from neocog.core.plan import Plan
from neocog.core.targets import TargetSpec
from neocog.core.tasks import Heads
from tasks import timed

NAMES = (
    "accuracy",
    "balanced_accuracy",
    "balanced_accuracy_interval",
    "macro_f1",
    "mae",
    "r2",
    "r2_interval",
    "pearson",
)


def shown(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The first metric and further ones, of classes or of one number."""
    values = metrics["values"][0] if "values" in metrics else {}
    entries = {**values, **metrics}
    return {name: entries[name] for name in ("metric", "value", "interval", *NAMES) if name in entries}


def measure(options: argparse.Namespace, columns: tuple[str, ...], seed: int, settings: dict[str, Any]) -> None:
    source = DataSpec(
        options.data,
        test=options.test,
        unknown=options.unknown,
        targets=TargetSpec(columns=columns, file_path=options.image_path),
    )
    weights = neocog.find(options.weights) if options.weights else None
    with tempfile.TemporaryDirectory() as folder:
        run = runs.RunFolder(Path(folder) / "run")

        def train() -> None:
            changes = {"seed": seed, "device": "cpu", **settings}
            plan = Plan.of(neocog.domain(options.domain), source, options.recipe, None, changes, weights)
            runs.train(plan, run, [], devices.World(), devices.choose("cpu"))

        _, seconds = timed(train)
        model = neocog.load(str(run.folder), "cpu")
        calibrate(run, model)
        test = run.training.data.test
        predictions = feed.predict_proba(model, test)
        metrics = model.metrics(predictions, test)
        row = {"seed": seed, "columns": columns, "training_cpu_seconds": seconds}
        row |= {name: shown(head) for name, head in metrics["heads"].items()} if "heads" in metrics else shown(metrics)
        if options.within and isinstance(model.task, Heads):
            row["consistent"] = consistent(predictions, run.training.data.train, model.task, *options.within)
        print(json.dumps(row), flush=True)


def consistent(predictions: Any, train: Examples, task: Heads, fine: str, coarse: str) -> float:
    """The share of the predictions whose coarse label is that of the predicted fine one in training."""
    heads = [task.head(fine), task.head(coarse)]
    coarse_of = dict(zip(*(train.targets[:, head.targets.start].tolist() for head in heads), strict=True))
    labels = (predictions[:, head.outputs].argmax(1).tolist() for head in heads)
    return float(np.mean([coarse_of.get(a) == b for a, b in zip(*labels, strict=True)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain")
    parser.add_argument("data")
    parser.add_argument("--test")
    parser.add_argument("--columns", nargs="+", required=True)
    parser.add_argument("--image-path")
    parser.add_argument("--unknown", default="stop")
    parser.add_argument("--recipe")
    parser.add_argument("--weights")
    parser.add_argument("--within", nargs=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--no-singles", action="store_true")
    parser.add_argument("--set", dest="settings", nargs="*", default=[], help="NAME=VALUE of training, in JSON")
    options = parser.parse_args()
    settings = {name: json.loads(value) for name, value in (text.split("=", 1) for text in options.settings)}
    for seed in options.seeds:
        measure(options, tuple(options.columns), seed, settings)
        for column in () if options.no_singles else options.columns:
            measure(options, (column,), seed, settings)


if __name__ == "__main__":
    main()
