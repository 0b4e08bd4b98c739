"""Peak memory of a training, less that of importing torch and torchvision, in separate processes.

    python benchmarks/memory.py RECIPE DATA... [--epochs 1]

Resident pages of memory-mapped files count, although the system can reclaim them at any time.
"""

import argparse
import subprocess
import sys
import tempfile

from machine import machine

PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
TRAIN = "import sys, neocog; neocog.train('vision', sys.argv[2], recipe=sys.argv[1], out=sys.argv[3], epochs={epochs})"


def peak(program: str, *arguments: str) -> float:
    """Returns the peak memory of a program in MB."""
    process = subprocess.run(
        [sys.executable, "-c", f"{program}\n{PEAK}", *arguments], capture_output=True, text=True, check=True
    )
    return int(process.stdout.split()[-1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("data", nargs="+")
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args()
    base = peak("import torch, torchvision")
    print(f"torch and torchvision: {base:,.0f} MB")
    for data in options.data:
        with tempfile.TemporaryDirectory() as folder:
            memory = peak(TRAIN.format(epochs=options.epochs), options.recipe, data, f"{folder}/run")
        print(f"{options.recipe} on {data}: {memory:,.0f} MB, {memory - base:+,.0f} MB", flush=True)
    print(machine())


if __name__ == "__main__":
    main()
