"""Balanced accuracy and the worst label of long-tailed training data, for each --balance.

    python benchmarks/long_tail.py vision DATA [--most 2000] [--recipe keras-digits] [--seeds 3] [--balance none ...]

Of the label k of K, training and validation keep the first n0 · ratio^(−k/(K−1)) examples, n0 = --most for training;
the test split stays as it is. Everything else equals `neocog train DOMAIN DATA --recipe RECIPE --balance BALANCE`.
"""

import argparse
import statistics
import time
from dataclasses import replace

import numpy as np
import torch
from machine import machine
from neocog import domain
from neocog.core import feed
from neocog.core.data import Data, DataSpec, Examples
from neocog.core.fit import fit
from neocog.core.metrics import classification_metrics
from neocog.core.plan import Plan


def long_tailed(examples: Examples, labels: int, most: int, ratio: float) -> Examples:
    """The first examples of each label, exponentially fewer from label to label."""
    rows = []
    for label in range(labels):
        count = max(1, round(most * ratio ** (-label / (labels - 1))))
        rows.append((examples.targets == label).nonzero()[:count, 0])
    return examples.subset(torch.cat(rows).sort().values)


def cut(data: Data, most: int, ratio: float) -> Data:
    labels = len(data.labels)
    valid = round(most * len(data.valid) / len(data.train))
    return replace(
        data,
        train=long_tailed(data.train, labels, most, ratio),
        valid=long_tailed(data.valid, labels, valid, ratio),
    )


def run(name: str, recipe: str, data: Data, source: DataSpec, balance: str, seed: int) -> tuple[float, float, float]:
    """Returns the balanced accuracy and the recall of the worst label on the test split, and CPU seconds."""
    begin = time.process_time()
    plan = Plan.of(domain(name), source, recipe, changes={"balance": balance, "seed": seed, "device": "cpu"})
    *_, end = fit(plan, data)
    training = end.training
    training.trainer.network.load_state_dict(training.selection.weights)
    training.trainer.ema.weights = {}
    predictions = feed.predict_proba(training.trainer, training.data.test)
    metrics = classification_metrics(predictions, training.data.test.targets.numpy(), training.data.labels)
    return metrics["balanced_accuracy"], metrics["worst_class"]["recall"], time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("domain")
    parser.add_argument("data")
    parser.add_argument("--recipe", default="keras-digits")
    parser.add_argument("--most", type=int, default=2000)
    parser.add_argument("--ratio", type=float, default=100.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--balance", nargs="+", default=["none", "loss", "sample", "logit"])
    options = parser.parse_args()
    source = DataSpec(options.data)
    data = cut(domain(options.domain).load(source, None, None), options.most, options.ratio)
    print(f"{machine()}; {data.counts}; training labels {np.bincount(data.train.targets.numpy()).tolist()}")
    for balance in options.balance:
        rows = [run(options.domain, options.recipe, data, source, balance, seed) for seed in range(options.seeds)]
        balanced, worst, seconds = (list(values) for values in zip(*rows, strict=True))
        spread = statistics.stdev(balanced) if len(rows) > 1 else 0.0
        print(
            f"{balance:<7} balanced accuracy {100 * statistics.mean(balanced):.2f} ± {100 * spread:.2f}, worst label "
            f"{100 * statistics.mean(worst):.1f} ({', '.join(f'{100 * share:.0f}' for share in worst)}), "
            f"{statistics.mean(seconds):.0f} CPU s",
            flush=True,
        )


if __name__ == "__main__":
    main()
