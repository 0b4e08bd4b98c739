"""Accuracy on unseen speakers: each speaker is left out of training in turn, through the command line.

    python benchmarks/speech_unseen.py DATA [--recipe swift] [--pattern '{label}_{speaker}_{take}'] [--field speaker]
        [--speakers NAME ...] [-- further options of neocog train]

For each speaker: neocog train speech DATA --pattern … --test-where speaker=NAME. The validation split that selects
the epoch comes from the other speakers.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from machine import machine
from neocog.core.sources.fields import Pattern


def values_of(data: str, pattern: str, field: str) -> list[str]:
    """Returns the values of a field of the files' names, sorted."""
    matches = (Pattern(pattern).fields(path.name) for path in Path(data).iterdir())
    return sorted({fields[field] for fields in matches if fields})


def trained(data: str, recipe: list[str], pattern: str, where: str, more: list[str]) -> dict:
    """Trains with the recordings in `where` as test split; returns the summary."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "neocog", "train", "speech", data, *recipe, "--pattern", pattern]
        command += ["--test-where", where, *more, "--out", f"{folder}/run", "--json", "--quiet"]
        process = subprocess.run(command, capture_output=True, text=True)
        if process.returncode:
            sys.exit(process.stderr)
        return json.loads(process.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--recipe", default="swift")
    parser.add_argument("--pattern", default="{label}_{speaker}_{take}")
    parser.add_argument("--field", default="speaker")
    parser.add_argument("--speakers", nargs="*")
    options, more = parser.parse_known_args()
    more = [argument for argument in more if argument != "--"]
    accuracies = []
    for name in options.speakers or values_of(options.data, options.pattern, options.field):
        where = f"{options.field}={name}"
        summary = trained(options.data, ["--recipe", options.recipe], options.pattern, where, more)
        low, high = summary["accuracy_interval"]
        accuracies.append(summary["accuracy"])
        print(
            f"{name}: {summary['accuracy']:.1%} ({low:.1%} to {high:.1%}) of {summary['examples']}, "
            f"{summary['seconds']:.0f} s of training",
            flush=True,
        )
    print(f"{options.recipe}: mean of {len(accuracies)} speakers {statistics.mean(accuracies):.2%}, {machine()}")


if __name__ == "__main__":
    main()
