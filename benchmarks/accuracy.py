"""Test accuracy of a recipe over several seeds, through the command line.

python benchmarks/accuracy.py RECIPE DATA [--domain vision] [--seeds 3] [-- further options of neocog train]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time

from machine import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("data")
    parser.add_argument("--domain", default="vision")
    parser.add_argument("--seeds", type=int, default=3)
    options, more = parser.parse_known_args()
    more = [argument for argument in more if argument != "--"]
    runs = []
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                "-m",
                "neocog",
                "train",
                options.domain,
                options.data,
                "--recipe",
                options.recipe,
                *more,
            ]
            begin = time.perf_counter()
            process = subprocess.run(
                [*command, "--seed", str(seed), "--out", f"{folder}/run", "--json", "--quiet"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            summary = json.loads(process.stdout)
            runs.append((summary["accuracy"], summary["seconds"], time.perf_counter() - begin))
        print(
            f"seed {seed}: {summary['accuracy']:.2%}, trained {runs[-1][1]:.0f} s, all {runs[-1][2]:.0f} s", flush=True
        )
    accuracies, trained, wall = zip(*runs, strict=True)
    spread = statistics.stdev(accuracies) if len(runs) > 1 else 0.0
    print(
        f"{options.recipe} on {options.data}: {statistics.mean(accuracies):.2%} ± {spread:.2%} (n={len(runs)}), "
        f"training {statistics.mean(trained):.0f} s, all {statistics.mean(wall):.0f} s, {machine()}"
    )


if __name__ == "__main__":
    main()
