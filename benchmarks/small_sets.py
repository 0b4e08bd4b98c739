"""Small sets: test accuracy and CPU seconds of whole trainings, by where they start and how many epochs they take.

    python benchmarks/small_sets.py measure DATA OUT.jsonl [--rows NAME...] [--variants NAME...] [--seeds 0 1 2]
    python benchmarks/small_sets.py table OUT.jsonl

`measure` runs `neocog train` and appends a line for each run, skipping those that are there; `table` prints the mean
and the standard deviation over the seeds. Variants: default (nothing typed), far (behind the first 24 layers of
EfficientNet-Lite0; far-160 on photos of 160 pixels, farther behind 13 layers), frozen (a head on all its layers), and
random weights with the epochs of the recipe, 20 or 10; small
is half as wide, on 64 pixels. CPU seconds are those of the whole command.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from machine import machine

GROCERY = ["vision", "vision/grocery/train.csv", "--test", "vision/grocery/test.csv", "--label-column"]
FASHION = [
    "vision", "vision/fashion-products/train.csv", "--test", "vision/fashion-products/test.csv",
    "--image-path", "images/{id}.jpg", "--unknown", "skip", "--label-column",
]  # fmt: skip
ROWS = {
    "signs": ["vision", "vision/sign-digits"],
    "ants-bees": ["vision", "vision/ants-bees"],
    "grocery": [*GROCERY, "fine"],
    "grocery-coarse": [*GROCERY, "coarse"],
    "fashion": [*FASHION, "masterCategory"],
    "type": [*FASHION, "articleType"],
    "season": [*FASHION, "season"],
    "esc10": ["speech", "sound/esc10", "--pattern", "{label}/{fold}-{clip}-{take}", "--test-where", "fold=4"],
    "commands": ["speech", "speech/speech-commands-small"],
    "keywords": ["speech", "speech/keywords"],
    "notes": ["speech", "sound/orchestra-notes"],
    "cr": ["text", "text/cr", "--test-share", "0.1"],
    "trec": ["text", "text/trec"],
}
LITE0 = ["--weights", "efficientnet-lite0"]
VARIANTS: dict[str, list[str]] = {
    "default": [],
    "far": [*LITE0, "--set", "frozen=24", "--epochs", "12"],
    "far-160": [*LITE0, "--set", "frozen=24", "--epochs", "12", "--size", "160"],
    "far-20": [*LITE0, "--set", "frozen=24", "--epochs", "20"],
    "farther": [*LITE0, "--set", "frozen=13", "--epochs", "12"],
    "frozen": [*LITE0, "--freeze"],
    "fine-tuned": LITE0,
    "random": ["--recipe", "swift"],
    "random-20": ["--recipe", "swift", "--epochs", "20"],
    "random-10": ["--recipe", "swift", "--epochs", "10"],
    "small": ["--recipe", "swift(width=32)", "--size", "64"],
    "small-20": ["--recipe", "swift(width=32)", "--size", "64", "--epochs", "20"],
    "small-10": ["--recipe", "swift(width=32)", "--size", "64", "--epochs", "10"],
}


def command(data: Path, row: str, variant: str, seed: int, out: str) -> list[str]:
    """The arguments of `neocog train` for a run."""
    arguments = [str(data / part) if "/" in part and (data / part).exists() else part for part in ROWS[row]]
    return [
        "train",
        *arguments,
        *VARIANTS[variant],
        "--seed",
        str(seed),
        "--threads",
        "1",
        "--out",
        out,
        "--json",
        "--quiet",
    ]


def measure(arguments: argparse.Namespace) -> None:
    lines = arguments.out.read_text().splitlines() if arguments.out.exists() else []
    done = {(run["row"], run["variant"], run["seed"]) for run in map(json.loads, lines)}
    for seed in arguments.seeds:
        for row in arguments.rows:
            for variant in arguments.variants:
                if (row, variant, seed) not in done:
                    run = measured(arguments.data, row, variant, seed)
                    with arguments.out.open("a") as file:
                        print(json.dumps(run), file=file)
                    print(json.dumps(run), flush=True)


def measured(data: Path, row: str, variant: str, seed: int) -> dict[str, Any]:
    """A run as a line of the results."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "neocog", *command(data, row, variant, seed, f"{folder}/run")]
        process = subprocess.run(words, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: {process.stderr.strip()}")
    summary = json.loads(process.stdout)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    kept = {key: summary[key] for key in ("accuracy", "accuracy_interval", "epochs", "stopped") if key in summary}
    return {"row": row, "variant": variant, "seed": seed, "cpu_seconds": round(seconds, 1), **kept}


def table(arguments: argparse.Namespace) -> None:
    runs: defaultdict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for run in map(json.loads, arguments.out.read_text().splitlines()):
        runs[run["row"], run["variant"]].append(run)
    print("| set | variant | accuracy | CPU seconds | seeds |\n|---|---|---|---|---|")
    for (row, variant), group in sorted(runs.items()):
        shares = [100 * run["accuracy"] for run in group]
        spread = f" ± {stdev(shares):.2f}" if len(shares) > 1 else ""
        seconds = mean(run["cpu_seconds"] for run in group)
        print(f"| {row} | {variant} | {mean(shares):.2f}{spread} | {seconds:.0f} | {len(group)} |")
    print(machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("data", type=Path)
    measuring.add_argument("out", type=Path)
    measuring.add_argument("--rows", nargs="+", default=list(ROWS), choices=ROWS)
    measuring.add_argument("--variants", nargs="+", default=["default", "random"], choices=VARIANTS)
    measuring.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    measuring.set_defaults(run=measure)
    printing = commands.add_parser("table")
    printing.add_argument("out", type=Path)
    printing.set_defaults(run=table)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
