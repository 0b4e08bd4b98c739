"""Seconds of an epoch in front of frozen layers against one that trains all layers, in turns.

    python benchmarks/frozen_epoch.py DATA [--model efficientnet-lite0] [--rounds 3]

Each round trains two epochs with `--keep all --freeze`, whose features are computed before the first one, and an epoch
of all layers from the same weights. Printed are the CPU seconds of computing the features, of the second frozen epoch,
and of the full epoch, each without validation, and the ratio of the last two: the median of the rounds, with all.
"""

import argparse
import statistics
import time
from typing import Any

import torch
from machine import machine
from neocog import domain, find
from neocog.core.data import DataSpec
from neocog.core.fit import Begun, Step, fit
from neocog.core.plan import Plan


def epoch_ends(plan: Plan, data: Any) -> tuple[float, list[float]]:
    """CPU time at which training begins, and at which each of its epochs ends."""
    start, ends = 0.0, []
    for event in fit(plan, data, device=torch.device("cpu")):
        if isinstance(event, Begun):
            start = time.process_time()
        if isinstance(event, Step) and event.number % event.epoch_steps == 0:
            ends.append(time.process_time())
    return start, ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    vision, weights = domain("vision"), find(options.model)
    source = DataSpec(options.data, valid_share=0)
    changes: dict[str, Any] = {"head_first": False, "augment": "none"}
    frozen = Plan.of(vision, source, None, None, changes | {"epochs": 2, "batch": 64}, weights, "all", True)
    full = Plan.of(vision, source, None, None, changes | {"epochs": 1, "batch": 16, "frozen": 0}, weights)
    data = vision.load(frozen.source, None, None)
    rows = []
    for _ in range(options.rounds):
        start, (first, second) = epoch_ends(frozen, data)
        full_start, (full_end,) = epoch_ends(full, data)
        rows.append((first - start, second - first, full_end - full_start))
        first_seconds, second_seconds, full_seconds = rows[-1]
        frozen_text = f"first frozen {first_seconds:.2f}, second frozen {second_seconds:.4f}"
        print(f"{frozen_text}, full {full_seconds:.2f} CPU s", flush=True)
    ratios = [whole / second for _, second, whole in rows]
    listed = ", ".join(f"{ratio:.0f}" for ratio in sorted(ratios))
    print(f"{len(data.train)} examples: a full epoch takes {statistics.median(ratios):.0f} times as long ({listed})")
    print(machine())


if __name__ == "__main__":
    main()
