"""python -m tests.fuzz [--cases 0:3000] [NUMBER …]: runs cases and prints what is wrong with them."""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from . import oracle
from .cases import Case, case
from .sandbox import Outcome, run
from .warm import warm
from .world import World, build

SLOW = 5  # seconds from which a case is listed


class Result(NamedTuple):
    """A case, how it ended, and what is wrong with it."""

    number: int
    case: Case
    outcome: Outcome
    faults: list[str]


def run_case(world: World, number: int, work: Path) -> Result:
    """Runs the case with a number in a new folder."""
    shutil.rmtree(work, ignore_errors=True)
    inputs, logs, cwd = work / "in", work / "logs", work / "cwd"
    for folder in (inputs, logs, cwd):
        folder.mkdir(parents=True)
    planned = case(world, number, inputs)
    before = {**oracle.snapshot(inputs), **oracle.snapshot(world.folder)}
    environment = {"NEOCOG_CACHE": str(work / "cache"), "COLUMNS": "80"} | planned.environment
    outcome = run(planned.arguments, cwd, logs, planned.stdin, environment)
    faults = oracle.faults(planned, outcome) + oracle.leftovers(work)
    if not may_change(planned):
        after = {**oracle.snapshot(inputs), **oracle.snapshot(world.folder)}
        faults += oracle.changes(before, after)
    return Result(number, planned, outcome, faults)


def may_change(planned: Case) -> bool:
    """Whether a command line asks to replace files, or writes into a run."""
    words = {word.partition("=")[0] for word in planned.arguments}
    return bool(words & {"--force", "resume"}) or {"describe", "--svg"} <= words


def run_cases(numbers: Iterable[int], world: World, work: Path) -> Iterable[Result]:
    for number in numbers:
        yield run_case(world, number, work)


def shell(arguments: list[str]) -> str:
    return " ".join(word if word.replace("-", "").isalnum() else repr(word[:300]) for word in arguments)


def main() -> int:
    """Runs the cases that the arguments name; returns 1 if a fault was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, help="cases to run, with their output")
    parser.add_argument("--cases", default="0:3000", help="a range of cases")
    parser.add_argument("--folder", type=Path, help="where to work, and leave the files of the last case")
    parser.add_argument("--world", type=Path, help="keep the inputs here, to use them again")
    arguments = parser.parse_args()
    first, last = (int(word) for word in arguments.cases.split(":"))
    numbers = arguments.numbers or range(first, last)
    work = arguments.folder or Path(tempfile.mkdtemp(prefix="neocog-fuzz-"))
    warm()
    inputs = arguments.world or work / "world"
    world = World(inputs) if (inputs / "packed").exists() else build(inputs)
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    start = time.perf_counter()
    for result in run_cases(numbers, world, work / "case"):
        counts.update({fault.partition(":")[0] for fault in result.faults})
        kinds[result.case.kind] += 1
        seconds[result.case.kind] += result.outcome.seconds
        codes[result.outcome.code] += 1
        if result.faults or arguments.numbers or result.outcome.seconds > SLOW:
            print(
                f"{result.number} {result.case.kind} ({result.outcome.seconds:.1f} s): {shell(result.case.arguments)}"
            )
            for fault in result.faults:
                print(f"    {fault}")
            if arguments.numbers:
                environment = result.case.environment
                print(f"{environment or ''} exit code {result.outcome.code}, {result.outcome.memory / 1e6:.0f} MB")
                print(result.outcome.stdout.decode(errors="replace")[:5000])
                print(result.outcome.stderr.decode(errors="replace")[:8000])
            sys.stdout.flush()
    waited = time.perf_counter() - start
    print(f"{kinds.total()} cases, {sum(seconds.values()):.0f} CPU s in {waited:.0f} s; exit codes {dict(codes)}")
    print("by kind: " + ", ".join(f"{kind} {count} in {seconds[kind]:.0f} s" for kind, count in kinds.items()))
    print("faults: " + (", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"))
    return 1 if counts else 0


if __name__ == "__main__":
    sys.exit(main())
