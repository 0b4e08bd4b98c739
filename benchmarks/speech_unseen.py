"""Accuracy on speakers that training has not heard: each is left out in turn, through the command line people use.

    python benchmarks/speech_unseen.py DATA [--recipe swift] [--pattern '{label}_{speaker}_{take}'] [--field speaker]
        [--speakers NAME ...] [-- further options of neocog train]

For each speaker: neocog train speech DATA --pattern … --test-where speaker=NAME. The validation part that picks
the best epoch comes from the others.
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
    found = (Pattern(pattern).fields(path.name) for path in Path(data).iterdir())
    return sorted({fields[field] for fields in found if fields})


def trained(data: str, recipe: list[str], pattern: str, where: str, more: list[str]) -> dict:
    """The summary of a run that is tested on `where`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "neocog", "train", "speech", data, *recipe, "--pattern", pattern]
        command += ["--test-where", where, *more, "--out", f"{folder}/run", "--json", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--recipe", default="swift")
    parser.add_argument("--pattern", default="{label}_{speaker}_{take}")
    parser.add_argument("--field", default="speaker")
    parser.add_argument("--speakers", nargs="*")
    options, more = parser.parse_known_args()
    more = [each for each in more if each != "--"]
    reached = []
    for name in options.speakers or values_of(options.data, options.pattern, options.field):
        where = f"{options.field}={name}"
        told = trained(options.data, ["--recipe", options.recipe], options.pattern, where, more)
        low, high = told["interval"]
        reached.append(told["accuracy"])
        print(
            f"{name}: {told['accuracy']:.1%} ({low:.1%} to {high:.1%}) of {told['examples']}, "
            f"{told['seconds']:.0f} s of training",
            flush=True,
        )
    print(f"{options.recipe}: mean of {len(reached)} speakers {statistics.mean(reached):.2%}, {machine()}")


if __name__ == "__main__":
    main()
