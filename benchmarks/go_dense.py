"""Compares convolutional networks with a fully connected one, on the same games in the same CPU time.

    python benchmarks/go_dense.py GAMES TEST [--seconds 150] [--judged 10000] [--recipes fully-connected swift]

Each recipe first trains for some timed steps, and then again on as many positions as it can process in the CPU seconds
allowed; all are evaluated on the same positions of unseen games.
"""

import argparse
import time

import torch
from machine import machine
from neocog import domain
from neocog.core.data import DataSpec
from neocog.core.device import World
from neocog.core.feed import predict_proba
from neocog.core.fit import build
from neocog.core.plan import Plan
from neocog.core.train import steps

RECIPES = ("fully-connected", "alphago-raw(filters=64, depth=6)", "alphago(filters=64, depth=6)", "swift")
BATCH, TIMED = 128, (10, 40)  # steps: the difference excludes the cost of starting


def trained(recipe: str, data: str, test: str, positions: int, judged: int) -> tuple[float, float]:
    """CPU seconds of training on some positions, and the accuracy on `judged` others."""
    plan = Plan.of(domain("go"), DataSpec(data, test=test), recipe, None, {"epochs": 1, "examples": positions})
    loaded = plan.domain.load(plan.source, None, None)
    training = build(plan, loaded, World(), torch.device("cpu"), None)
    trainer, start = training.trainer, time.process_time()
    for _ in steps(trainer, loaded.train, loaded.valid.subsample(100), plan.domain.augment("symmetries", {})):
        pass
    seconds = time.process_time() - start
    examples = loaded.test.subsample(judged)
    metrics = training.task.metrics(predict_proba(trainer, examples), examples.targets.numpy())
    return seconds, metrics["accuracy"]


def positions_in(seconds: float, recipe: str, data: str, test: str) -> int:
    """The number of positions a recipe can train on in some CPU seconds."""
    few, more = (trained(recipe, data, test, steps * BATCH, 10)[0] for steps in TIMED)
    return int((TIMED[1] - TIMED[0]) * BATCH * seconds / (more - few))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("test")
    parser.add_argument("--seconds", type=float, default=300, help="CPU seconds of training for each")
    parser.add_argument("--judged", type=int, default=20_000)
    parser.add_argument("--recipes", nargs="+", default=RECIPES)
    options = parser.parse_args()
    print(machine())
    trained("fully-connected", options.data, options.test, BATCH, 10)  # compiles the board
    for recipe in options.recipes:
        positions = positions_in(options.seconds, recipe, options.data, options.test)
        seconds, accuracy = trained(recipe, options.data, options.test, positions, options.judged)
        print(f"{recipe:36} {positions:9,} positions  {seconds:5.0f} CPU s  {accuracy:.2%}", flush=True)


if __name__ == "__main__":
    main()
