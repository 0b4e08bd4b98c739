"""Test accuracy and CPU seconds of recipes on sets of texts, over several seeds.

    python benchmarks/text_accuracy.py DATA... [--recipes swift kim] [--seeds 3] [--valid-share 0] [--set NAME=VALUE]...

Each run is what `neocog train text DATA --recipe RECIPE --seed SEED --test-share 0.1 --split SEED` does, in this
process: its seconds are those of loading, training and scoring, without the start of a command and the drawing of a
report. A set with an official test part is scored on it; of any other, 10% are kept for the test, and each seed divides
otherwise, so that the mean is over as many test parts.
"""

import argparse
import ast
import os
import statistics
import tempfile
import time
from typing import Any

import torch
from machine import machine
from neocog import domain, load
from neocog.core import run as running
from neocog.core.data import DataSpec
from neocog.core.device import World
from neocog.core.plan import Plan


def run(data: str, recipe: str, seed: int, valid_share: float | None, told: dict[str, Any]) -> tuple[float, ...]:
    """Accuracy, log loss, and CPU seconds."""
    begin = time.process_time()
    source = DataSpec(data, test_share=0.1, split=seed, valid_share=valid_share)
    plan = Plan.of(domain("text"), source, recipe, changes={**told, "seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        going = running.begin(plan, f"{folder}/run", False, World(), torch.device("cpu"))
        for _ in going.go():
            pass
        scores = load(f"{folder}/run", "cpu").evaluate(going.data)
    assert scores["scored_on"] == "test"
    return scores["accuracy"], scores["log_loss"], time.process_time() - begin


def setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, ast.literal_eval(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--recipes", nargs="+", default=["swift", "kim"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--valid-share", type=float)
    parser.add_argument("--set", nargs="+", type=setting, default=[], help="settings of training: epochs=3 lr=0.002")
    options = parser.parse_args()
    for data in options.data:
        for recipe in options.recipes:
            found = [run(data, recipe, seed, options.valid_share, dict(options.set)) for seed in range(options.seeds)]
            accuracies, losses, cpu = zip(*found, strict=True)
            spread = statistics.stdev(accuracies) if len(found) > 1 else 0.0
            each = ", ".join(f"{100 * one:.1f}" for one in accuracies)
            print(
                f"{os.path.basename(data)} {recipe}: {100 * statistics.mean(accuracies):.2f} ± {100 * spread:.2f} "
                f"({each}), log loss {statistics.mean(losses):.3f}, {statistics.mean(cpu):.0f} CPU s",
                flush=True,
            )
    print(machine())


if __name__ == "__main__":
    main()
