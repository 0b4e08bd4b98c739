"""The search of `neocog tune`: against random search, by two processes, and by processes that are killed.

    python benchmarks/tuning.py random DOMAIN DATA OUT [--trials 60] [--seeds 0 1 2 3 4] [--recipe …]
    python benchmarks/tuning.py workers DOMAIN DATA OUT [--trials 30]
    python benchmarks/tuning.py kills OUT [--one 100] [--all 20]
    python benchmarks/tuning.py subset MNIST OUT           5,000 images of MNIST for training, all for testing, as IDX

`random`: a study with the default sampler and pruner, and one of random points, each trained to its end, by seed. The
share is that of random search's CPU seconds after which the first study has its best validation metric; test figures
are means of the best, trained again with three seeds, beside the recipe's own settings. `workers`: trials an hour of
two processes over those of one, in turns. `kills`: two commands on one study, of which one (or both) ends by SIGKILL at
random moments and begins again; then the study is ended and its journal is examined.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RECIPE_SEEDS = (0, 1, 2)


def neocog(*words: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "neocog", *map(str, words), "--json", "--quiet"]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return result


def course(folder: Path) -> list[tuple[float, float]]:
    """CPU seconds spent, and the best validation metric so far, after each trial."""
    spent, best, points = 0.0, float("-inf"), []
    with (folder / "trials.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            spent += float(row["cpu_seconds"] or 0)
            best = max(best, float(row["metric"] or "-inf"))
            points.append((spent, best))
    return points


def against_random(options: argparse.Namespace) -> None:
    words = ("train", options.domain, options.data, "--force", *options.rest)
    own = [neocog(*words, "--seed", seed, "--out", options.out / f"recipe-{seed}")["value"] for seed in RECIPE_SEEDS]
    print(f"the recipe's own settings: {', '.join(f'{value:.4f}' for value in own)} on test", flush=True)
    columns = ("seed", "random: validation, test, CPU s", "tune: validation, test, CPU s", "share of CPU s")
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    shares = []
    for seed in options.seeds:
        studies = {}
        for name, words in (("random", ("--sampler", "random", "--pruner", "none")), ("tune", ())):
            folder = options.out / f"{name}-{seed}"
            limits = ("--trials", options.trials, "--seed", seed, "--out", folder)
            summary = neocog("tune", options.domain, options.data, *words, *limits, *options.rest)
            studies[name] = course(folder), summary
        (random_course, random_summary), (tune_course, tune_summary) = studies["random"], studies["tune"]
        goal, whole = random_course[-1][1], random_course[-1][0]
        shares.append(next((spent / whole for spent, best in tune_course if best >= goal), float("inf")))
        cells = [
            f"{points[-1][1]:.4f}, {summary['value']:.4f} ± {summary['std']:.4f}, {points[-1][0]:.0f}"
            for points, summary in ((random_course, random_summary), (tune_course, tune_summary))
        ]
        print(f"| {seed} | {cells[0]} | {cells[1]} | {shares[-1]:.2f} |", flush=True)
    print(f"median share of CPU seconds: {statistics.median(shares):.2f}")


def workers(options: argparse.Namespace) -> None:
    rates: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(2):
        for count in rates:
            folder = options.out / f"workers-{count}-{turn}"
            words = ("--pruner", "none", "--trials", options.trials, "--workers", count, "--out", folder, *options.rest)
            start = time.perf_counter()
            neocog("tune", options.domain, options.data, *words)
            again = sum(json.loads((folder / f"best-{k}" / "summary.json").read_text())["seconds"] for k in (1, 2, 3))
            rates[count].append(3600 * options.trials / (time.perf_counter() - start - again))
            print(f"{count} process{'es' * (count > 1)}: {rates[count][-1]:.0f} trials an hour", flush=True)
    ratios = [two / one for one, two in zip(*rates.values(), strict=True)]
    print(f"two over one: {', '.join(f'{ratio:.2f}' for ratio in ratios)}")


def kills(options: argparse.Namespace) -> None:
    """Kills processes of a study, and counts its trials."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    rng, folder = random.Random(options.seeds[0]), options.out
    words = ["tune", "playground", "circle", "--set", "epochs=10", "--set", "lr=log(1e-3, 1e-1)", "--sampler", "random"]
    words += ["--pruner", "none", "--out", str(folder), "--quiet", "--json"]

    def begin(trials: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "neocog", *words, "--trials", str(trials)]
        return subprocess.Popen(command, stdout=subprocess.PIPE)

    def wait_for_trials(process: subprocess.Popen[bytes]) -> None:
        while f":{process.pid}" not in (journal.read_text() if journal.exists() else ""):
            if process.poll() is not None:
                raise SystemExit(f"a process ended with {process.returncode}")
            time.sleep(0.05)
        time.sleep(rng.uniform(0, 1))

    journal, many = folder / "study.log", 10**6
    pair = [begin(many), begin(many)]
    for _ in range(options.one):
        wait_for_trials(pair[0])
        pair[0].send_signal(signal.SIGKILL)
        pair = [pair[1], begin(many)]
    for _ in range(options.all):
        for process in pair:
            wait_for_trials(process)
        for process in pair:
            process.send_signal(signal.SIGKILL)
        for process in pair:
            process.wait()
        pair = [begin(many), begin(many)]
    for process in pair:
        wait_for_trials(process)
        process.send_signal(signal.SIGINT)
    codes = [process.wait() for process in pair]
    storage = JournalStorage(JournalFileBackend(str(journal)))
    study = optuna.load_study(study_name="neocog", storage=storage)
    goal = len(study.trials) + 5
    start = time.monotonic()
    last = begin(goal)
    summary = json.loads(last.communicate()[0])
    trials = study.get_trials()
    again = [trial.user_attrs["again"] for trial in trials if "again" in trial.user_attrs]
    lost = {trial.number for trial in trials if trial.state.name == "FAIL"}
    forgotten = [n for n in lost - set(again) if "again" not in trials[n].user_attrs]
    endless = sum(not trial.state.is_finished() for trial in trials)
    print(
        f"{options.one} kills of one process, {options.all} of both; stopped with {codes}; {len(trials)} trials, "
        f"{len(lost)} lost, {len(again)} tried again, {len(again) - len(set(again))} of them twice, "
        f"{len(forgotten)} not at all; "
        f"the study of {goal} counts {summary['trials']}, {endless} without an end; "
        f"locks left: {len(list(folder.glob('study.log.lock*')))}; the last {time.monotonic() - start:.0f} s"
    )


def subset(options: argparse.Namespace) -> None:
    source, count = Path(options.data), 5000
    options.out.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.glob("*ubyte.gz")):
        content = gzip.decompress(file.read_bytes())
        if file.name.startswith("train"):
            header, size = (16, 28 * 28) if "images" in file.name else (8, 1)
            content = content[:4] + count.to_bytes(4, "big") + content[8 : header + count * size]
        (options.out / file.name).write_bytes(gzip.compress(content, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="what", required=True)
    for name, run in (("random", against_random), ("workers", workers), ("kills", kills), ("subset", subset)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        if name in ("random", "workers"):
            command.add_argument("domain")
        if name != "kills":
            command.add_argument("data")
        command.add_argument("out", type=Path)
        command.add_argument("--trials", type=int, default=60 if name == "random" else 30)
        command.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
        command.add_argument("--one", type=int, default=100)
        command.add_argument("--all", type=int, default=20)
    options, options.rest = parser.parse_known_args()
    options.run(options)


if __name__ == "__main__":
    main()
