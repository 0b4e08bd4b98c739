"""python -m tests.fuzz.kill [--trainings 0:200]: kills trainings at random moments and resumes them.

Each training is killed with SIGKILL one to three times, half of the times while it writes a file, and then resumed to
its end. Its weights must be those of a training that was never stopped, bit for bit.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import sandbox
from .warm import warm
from .world import DOMAINS, World, build

EPOCHS = {"vision": 6, "speech": 6, "text": 6, "go": 4}  # about a second
SEED = 9


@dataclass(frozen=True)
class Usual:
    """A training that was never stopped."""

    weights: dict[str, bytes]
    names: frozenset[str]  # of the files in its folder
    files: int  # that it writes, the same name again for each time
    seconds: float


@dataclass(frozen=True)
class Killed:
    """A training that was killed: what happened, and whether its weights are right."""

    number: int
    domain: str
    kills: tuple[str, ...]
    problem: str = ""


def training(world: World, domain: str, out: Path) -> list[str]:
    """The command line of a short training with what a state has to hold: averages of weights, random numbers."""
    from test_contract import SMALL

    network = str(SMALL[domain]).replace("relu,", "relu, dropout(0.1),", 1)
    settings = [
        "--epochs",
        str(EPOCHS[domain]),
        "--batch",
        "4",
        "--set",
        "average=0.9",
        "--set",
        "checked=8",
        "--lr",
        "0.02",
    ]
    return ["train", domain, str(world.data(domain)), "--network", network, *settings, "--out", str(out), "--quiet"]


def weights(run: Path) -> dict[str, bytes]:
    """The tensors of a run's model and of its state, as bytes."""
    from neocog.core.checkpoint import read_tensors

    return {
        f"{name} {key}": tensor.numpy().tobytes()
        for name in ("model.safetensors", "state.safetensors")
        for key, tensor in read_tensors(run / name).items()
    }


def start(arguments: list[str], folder: Path, before: Callable[[], None] = lambda: None) -> int:
    """Starts a command line that saves its state as often as it can. Returns the process."""

    def work() -> int:
        from neocog.core import files, run

        run.SAVE_EVERY = 0
        replace: Any = os.replace

        def counted(source: object, target: object) -> None:
            replace(source, target)
            with open(folder / "written", "a", encoding="utf-8") as log:
                log.write(f"{target}\n")

        files.os.replace = counted
        os.environ["NEOCOG_CACHE"] = str(folder / "cache")
        os.chdir(folder)
        before()
        return sandbox.command_line(arguments)

    (folder / "stdin").write_bytes(b"")
    return sandbox.fork(work, folder)


def finish(arguments: list[str], folder: Path) -> int:
    """Runs a command line to its end; returns its exit code."""
    process = start(arguments, folder)
    sandbox.wait(process, sandbox.WALL_SECONDS)
    return os.waitstatus_to_exitcode(os.wait4(process, 0)[1])


def die_while_writing(calls: int, moment: str) -> None:
    """Lets this process kill itself while it writes its file number `calls`: half written, written, or replaced."""
    from neocog.core import files

    replace: Any = os.replace
    fsync: Any = os.fsync
    count = 0

    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def counted(descriptor: int) -> None:
        nonlocal count
        count += 1
        if count == calls and moment == "half written":
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            kill()
        fsync(descriptor)
        if count == calls and moment == "written":
            kill()

    def replaced(source: object, target: object) -> None:
        replace(source, target)
        if count == calls:
            kill()

    files.os.fsync = counted
    if moment == "replaced":
        files.os.replace = replaced


def kill_once(rng: random.Random, arguments: list[str], folder: Path, usual: Usual) -> str:
    """Starts a command line and kills it; returns how, or "" if it ended before."""
    if rng.random() < 0.5:
        calls, moment = rng.randrange(1, usual.files + 1), rng.choice(("half written", "written", "replaced"))
        process = start(arguments, folder, lambda: die_while_writing(calls, moment))
        sandbox.wait(process, sandbox.WALL_SECONDS)
        how = moment
    else:
        process = start(arguments, folder)
        sandbox.wait(process, rng.uniform(0, usual.seconds))
        how = "at a random moment"
    code = os.waitstatus_to_exitcode(os.wait4(process, 0)[1])
    return how if code == -signal.SIGKILL else ""


def kill_and_resume(world: World, number: int, folder: Path, usual: dict[str, Usual]) -> Killed:
    """Kills a training one to three times, resumes it to its end, and compares."""
    rng = random.Random(f"{SEED}-{number}")
    domain = DOMAINS[number % len(DOMAINS)]
    run = folder / "run"
    first = training(world, domain, run)
    target, kills = rng.choice((1, 1, 2, 3)), []
    for _ in range(9):
        if not kills:  # the one before has ended
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        kills += filter(None, [kill_once(rng, _next(first, run), folder, usual[domain])])
        if len(kills) >= target:
            break
    code = finish(_next(first, run), folder)
    problem = ""
    if code:
        problem = f"exit code {code}: {(folder / 'stderr').read_text(errors='replace').strip()[-300:]}"
    elif weights(run) != usual[domain].weights:
        problem = "other weights"
    elif missing := usual[domain].names - set(os.listdir(run)):
        problem = f"lacks {missing}"
    elif leftovers := sorted(run.glob(".neocog-*")):
        problem = f"left {leftovers}"
    return Killed(number, domain, tuple(kills), problem)


def _next(first: list[str], run: Path) -> list[str]:
    """The command line that continues: resume, or training if it was killed before it had settings."""
    return ["resume", str(run), "--quiet"] if (run / "settings.toml").exists() else [*first, "--force"]


def uninterrupted(world: World, domain: str, folder: Path) -> Usual:
    """What a training that nobody stops gives and takes."""
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    if code := finish(training(world, domain, folder / domain), folder):
        raise RuntimeError(f"{domain} ended with {code}: {(folder / 'stderr').read_text(errors='replace')}")
    files = len((folder / "written").read_text(encoding="utf-8").splitlines())
    return Usual(weights(folder / domain), frozenset(os.listdir(folder / domain)), files, time.monotonic() - begun)


def main() -> int:
    """Kills and resumes trainings; returns 1 if one has other weights."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.kill", description=__doc__)
    parser.add_argument("--trainings", default="0:200", help="a range of trainings")
    parser.add_argument("--world", type=Path, help="keep the inputs here, to use them again")
    arguments = parser.parse_args()
    first, last = (int(word) for word in arguments.trainings.split(":"))
    work = Path(tempfile.mkdtemp(prefix="neocog-kill-"))
    warm()
    inputs = arguments.world or work / "world"
    world = World(inputs) if (inputs / "packed").exists() else build(inputs)
    usual = {domain: uninterrupted(world, domain, work / "uninterrupted" / domain) for domain in DOMAINS}
    ways: Counter[str] = Counter()
    failed = 0
    for number in range(first, last):
        killed = kill_and_resume(world, number, work / "killed", usual)
        ways.update(killed.kills or ["not killed"])
        if killed.problem:
            failed += 1
            print(f"{number} {killed.domain} killed {', '.join(killed.kills)}: {killed.problem}", flush=True)
    times = os.times()
    spent = times.user + times.system + times.children_user + times.children_system
    print(f"{last - first - failed} of {last - first} trainings have the weights of an uninterrupted one")
    print(f"{spent:.0f} CPU s; kills: {', '.join(f'{count} {how}' for how, count in ways.most_common())}")
    shutil.rmtree(work)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
