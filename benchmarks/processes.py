"""Training in two processes against one: the rate, and what remains when one of them is killed.

    python benchmarks/processes.py rate DOMAIN DATA OUT [--epochs 3] [--rounds 3] [train's options]
    python benchmarks/processes.py kills OUT [--times 50]

`rate`: training examples a second of two processes with one thread each over those of one with one thread, in turns,
from the seconds of the epochs (the first is left out). `kills`: SIGKILL to one rank at a random moment; seconds until
the launcher and all ranks have ended, and whether the run goes on from its state.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def command(processes: int, *words: object) -> list[str]:
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    return [sys.executable, *launcher, "-m", "neocog", *map(str, words), "--device", "cpu", "--quiet"]


def epochs_of(folder: Path) -> list[dict[str, float]]:
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def rate(options: argparse.Namespace, rest: list[str]) -> None:
    ratios = []
    for number in range(options.rounds):
        seconds = []
        for processes in (1, 2):
            out = options.out / f"{processes}-{number}"
            words = ("train", options.domain, options.data, "--epochs", options.epochs, "--out", out, "--force", *rest)
            subprocess.run(command(processes, *words), env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
            seconds.append(statistics.mean(epoch["seconds"] for epoch in epochs_of(out)[1:]))
        ratios.append(seconds[0] / seconds[1])
        print(f"an epoch: {seconds[0]:.2f} s by one, {seconds[1]:.2f} s by two, {ratios[-1]:.2f} times", flush=True)
    print(f"median {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


def ranks_of(launcher: int) -> list[int]:
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [int(child) for child in children if b"neocog" in Path(f"/proc/{child}/cmdline").read_bytes()]


def kills(options: argparse.Namespace, rest: list[str]) -> None:
    rng, seconds, resumed = random.Random(0), [], 0
    begun, out = options.out / "begun", options.out / "run"
    words = ("train", "playground", "circle", "--recipe", "small", "--epochs", 1, "--out", begun, "--force")
    subprocess.run(command(1, *words), env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL)
    for number in range(options.times):
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(begun, out)
        words = ("resume", out, "--epochs", 5000)
        launcher = subprocess.Popen(command(2, *words), env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        while len(epochs_of(out)) < 2:
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1))
        ranks = ranks_of(launcher.pid)
        os.kill(rng.choice(ranks), signal.SIGKILL)
        start = time.monotonic()
        launcher.wait()
        while any(Path(f"/proc/{rank}").exists() for rank in ranks):
            time.sleep(0.01)
        seconds.append(time.monotonic() - start)
        again = subprocess.run(command(1, "resume", out, "--epochs", 3), env=ENVIRONMENT, stdout=subprocess.DEVNULL)
        resumed += again.returncode == 0 and len(epochs_of(out)) == 3
        print(f"{number + 1}: ended in {seconds[-1]:.1f} s, resumed {resumed}", flush=True)
    print(f"{options.times} kills: all ended in {max(seconds):.1f} s at most, {resumed} runs went on")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    rates, killing = commands.add_parser("rate"), commands.add_parser("kills")
    rates.set_defaults(run=rate)
    rates.add_argument("domain")
    rates.add_argument("data")
    killing.set_defaults(run=kills)
    for part in (rates, killing):
        part.add_argument("out", type=Path)
    rates.add_argument("--epochs", type=int, default=3)
    rates.add_argument("--rounds", type=int, default=3)
    killing.add_argument("--times", type=int, default=50)
    options, rest = parser.parse_known_args()
    options.run(options, rest)


if __name__ == "__main__":
    main()
