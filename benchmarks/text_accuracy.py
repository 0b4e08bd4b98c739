"""Test accuracy and CPU seconds of recipes on sets of texts, over several seeds.

    python benchmarks/text_accuracy.py DATA... [--recipes swift kim] [--vectors glove-50d] [--seeds 3]
        [--valid-share 0] [--set NAME=VALUE]...

Each run equals `neocog train text DATA --recipe RECIPE --seed SEED --test-share 0.1 --split SEED`, in this process; its
seconds are those of loading, training and evaluation, without the start of a command and the report. Data with an
official test split are tested on it; otherwise 10% are the test split, different for each seed.
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
from neocog.core.data import DataSpec
from neocog.core.device import World
from neocog.core.plan import Plan
from neocog.core.run import RunFolder, train


def run(
    data: str,
    recipe: str,
    seed: int,
    valid_share: float | None,
    changes: dict[str, Any],
    vectors: str | None = None,
) -> tuple[float, ...]:
    """Returns accuracy, log loss and CPU seconds."""
    begin = time.process_time()
    options = {"vectors": vectors} if vectors else {}
    source = DataSpec(data, test_share=0.1, split=seed, valid_share=valid_share, options=options)
    plan = Plan.of(domain("text"), source, recipe, changes={**changes, "seed": seed})
    with tempfile.TemporaryDirectory() as folder:
        run_folder = RunFolder(f"{folder}/run")
        train(plan, run_folder, [], World(), torch.device("cpu"))
        metrics = load(f"{folder}/run", "cpu").evaluate(run_folder.training.data)
    assert metrics["scored_on"] == "test"
    return metrics["accuracy"], metrics["log_loss"], time.process_time() - begin


def parse_setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, ast.literal_eval(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--recipes", nargs="+", default=["swift", "kim"])
    parser.add_argument("--vectors", help="word vectors: a file, or glove-50d")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--valid-share", type=float)
    parser.add_argument(
        "--set", nargs="+", type=parse_setting, default=[], help="settings of training: epochs=3 lr=0.002"
    )
    options = parser.parse_args()
    for data in options.data:
        for recipe in options.recipes:
            results = [
                run(data, recipe, seed, options.valid_share, dict(options.set), options.vectors)
                for seed in range(options.seeds)
            ]
            accuracies, losses, cpu = zip(*results, strict=True)
            spread = statistics.stdev(accuracies) if len(results) > 1 else 0.0
            listed = ", ".join(f"{100 * accuracy:.1f}" for accuracy in accuracies)
            print(
                f"{os.path.basename(data)} {recipe}: {100 * statistics.mean(accuracies):.2f} ± {100 * spread:.2f} "
                f"({listed}), log loss {statistics.mean(losses):.3f}, {statistics.mean(cpu):.0f} CPU s",
                flush=True,
            )
    print(machine())


if __name__ == "__main__":
    main()
