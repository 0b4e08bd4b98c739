"""Test accuracy and CPU seconds of recipes on sets of texts, over several seeds, through the command line.

    python benchmarks/text_accuracy.py DATA... [--recipes swift kim] [--seeds 3] [-- further options of neocog train]

A set with an official test part is scored on it; of any other, 10% are kept for the test, and each seed divides
otherwise (--test-share 0.1 --split SEED), so that the mean is over three test parts too.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

from machine import machine


def run(data: str, recipe: str, seed: int, more: list[str]) -> tuple[float, float, float]:
    """Accuracy, CPU seconds of the whole command, and seconds of training by the clock."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "neocog", "train", "text", data, "--recipe", recipe, "--seed", str(seed)]
        command += ["--test-share", "0.1", "--split", str(seed), "--out", f"{folder}/run", "--json", "--quiet", *more]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads(done.stdout)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return told["accuracy"], cpu, told["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--recipes", nargs="+", default=["swift", "kim"])
    parser.add_argument("--seeds", type=int, default=3)
    options, more = parser.parse_known_args()
    more = [each for each in more if each != "--"]
    for data in options.data:
        for recipe in options.recipes:
            found = [run(data, recipe, seed, more) for seed in range(options.seeds)]
            accuracies, cpu, _ = zip(*found, strict=True)
            spread = statistics.stdev(accuracies) if len(found) > 1 else 0.0
            each = ", ".join(f"{100 * one:.1f}" for one in accuracies)
            print(
                f"{os.path.basename(data)} {recipe}: {100 * statistics.mean(accuracies):.2f} ± {100 * spread:.2f} "
                f"({each}), {statistics.mean(cpu):.0f} CPU s",
                flush=True,
            )
    print(machine())


if __name__ == "__main__":
    main()
