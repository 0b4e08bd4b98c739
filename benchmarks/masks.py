"""Masks on real data: python benchmarks/masks.py SET FOLDER [--seeds N …] [--epochs N]

membrane  train/{image,label}, test/{image,label}: U-Net on 18 slices; F1 of cells (255) and membranes (0)
camvid    images/, labels/, classes.txt: U-Net on EfficientNet-Lite0 from its ImageNet weights; mean IoU of 11 classes
scales    the same data: Farabet's network over three scales beside one scale with as many parameters, and the interval
          of the difference of their mean IoU over resampled test pictures

Prints a line of JSON for each model, with the CPU seconds of its training and evaluation.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import neocog
import numpy as np
from neocog.core import bootstrap, feed
from neocog.core.model import Model
from neocog.core.tasks.segment_metrics import counts_of, ious, mean

FULL_TURNS = "flip, flipud, rotate(30), scale(0.2), light(0.2, 0.2)"  # slices of tissue have no upper side
RUNS: dict[str, dict[str, tuple[object, ...]]] = {
    "membrane": {"unet": ("--recipe", "unet", "--valid-share", 0, "--augment", FULL_TURNS, "--epochs", 300)},
    "camvid": {
        "lite0-unet": (
            *("--recipe", "lite0-unet", "--weights", "efficientnet-lite0", "--set", "lr=0.001", "--set", "dice=0.5"),
            *("--epochs", 70),
        )
    },
    "scales": {
        "three scales": ("--recipe", "farabet(levels=3, width=8, hidden=64)", "--epochs", 40),
        "one scale": ("--recipe", "farabet(levels=1, width=8, hidden=180)", "--epochs", 40),
    },
}


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def train(name: str, out: Path, seed: int, folder: str, *words: object) -> Model:
    """The model of a training on the command line; prints its metrics on the test split."""
    start = cpu_seconds()
    command = ["train", "vision", folder, "--seed", seed, "--out", out, "--json", "--quiet", *words]
    output = subprocess.run(
        [sys.executable, "-m", "neocog", *map(str, command)], check=True, stdout=subprocess.PIPE
    ).stdout
    summary = json.loads(output)
    row = {"model": name, "seed": seed, "cpu_seconds": round(cpu_seconds() - start)}
    names = ("mean_iou", "interval", "pixel_accuracy", "boundary_f1", "parameters", "epochs")
    row |= {key: summary[key] for key in names}
    print(json.dumps(row | {"f1": {entry["label"]: entry["f1"] for entry in summary["classes"]}}), flush=True)
    return neocog.load(str(out), "cpu")


def test_counts(model: Model, folder: str) -> Any:
    """The confusion matrices of the test pictures, (N, K, K)."""
    examples, _ = model.examples(folder, "test")
    return counts_of(feed.measure(model, examples), len(model.labels)).confusion


def compare(first: Model, second: Model, folder: str) -> None:
    """Prints the difference of the mean IoU of two models on the same test pictures, with its interval."""
    matrices = [test_counts(model, folder) for model in (first, second)]

    def gain(weights: Any) -> Any:
        a, b = (mean(ious(np.tensordot(weights, matrix, 1))) for matrix in matrices)
        return a - b

    low, high = bootstrap.interval(gain, len(matrices[0]))
    value = float(gain(np.ones((1, len(matrices[0]))))[0])
    print(json.dumps({"gain_in_mean_iou": value, "interval": [float(low), float(high)]}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=("membrane", "camvid", "scales"))
    parser.add_argument("folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int)
    options = parser.parse_args()
    for seed in options.seeds:
        models: list[Model] = []
        with tempfile.TemporaryDirectory() as runs:
            for name, words in RUNS[options.set].items():
                epochs = ("--epochs", options.epochs) if options.epochs else ()
                models.append(train(name, Path(runs) / str(len(models)), seed, options.folder, *words, *epochs))
            if len(models) == 2:
                compare(models[0], models[1], options.folder)


if __name__ == "__main__":
    main()
