"""python -m tests.fuzz.gtp [--lines 100000]: sends generated lines to a GTP engine and checks its responses."""

import argparse
import random
import re
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from . import grammar, sandbox
from .warm import warm
from .world import World, build

SEED = 4
SLOW = {"final_score", "final_status_list"}  # they play random games: a tenth of a second each
SECONDS = 600
ID = re.compile(rb"([=?])(\d*)( |\n|$)")


def lines(count: int) -> list[str]:
    """Lines of all kinds; the last is quit."""
    from neocog.go.play.engine import COMMANDS

    rng = random.Random(SEED)
    quick = [name for name in COMMANDS if name not in SLOW | {"quit"}]
    names = [*quick * 10, *SLOW]
    return [*(grammar.gtp_line(rng, names) for _ in range(count - 1)), "quit"]


def check(sent: list[str], output: bytes, errors: bytes) -> list[str]:
    """What is wrong with the responses to some lines: a response each, with its id, and no internal error."""
    import io

    from neocog.go.play.gtp import lines_of, parse

    stream = io.BytesIO(encoded(sent))
    requests = [parse(line.decode("utf-8", "surrogateescape")) for line in lines_of(stream)]
    requests = [request for request in requests if request.name or request.id]
    responses = output.split(b"\n\n")[:-1]
    found = []
    if len(responses) != len(requests):
        found.append(f"{len(requests)} commands and {len(responses)} responses")
    for request, response in zip(requests, responses, strict=False):
        match = ID.match(response.lstrip(b"\n"))
        if match is None or match[2].decode() != request.id:
            found.append(f"{request} has the response {response[:100]!r}")
            break
    if b"internal error" in output or b"Traceback" in errors:
        found.append(f"internal error: {errors.decode(errors='replace').strip()[-300:]}")
    return found


def encoded(sent: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in sent).encode("utf-8", "surrogateescape")


def run(world: World, count: int, folder: Path) -> tuple[sandbox.Outcome, list[str], Counter[str]]:
    """Sends lines to `neocog go gtp`. Returns how it ended, what is wrong, and the number of responses by status."""
    sent = lines(count)
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ["go", "gtp", str(world.run("go")), "--symmetries", "1"]
    outcome = sandbox.run(arguments, folder, folder, encoded(sent), seconds=SECONDS)
    found = check(sent, outcome.stdout, outcome.stderr)
    if outcome.code or outcome.waited:
        found.append(f"exit code {outcome.code}: {outcome.stderr.decode(errors='replace')[-300:]}")
    if outcome.memory > sandbox.MEMORY:
        found.append(f"{outcome.memory / 1e9:.1f} GB")
    statuses = Counter(response.lstrip(b"\n")[:1].decode() for response in outcome.stdout.split(b"\n\n")[:-1])
    return outcome, found, statuses


def main() -> int:
    """Runs the lines that the arguments ask for; returns 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.gtp", description=__doc__)
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--world", type=Path, help="keep the inputs here, to use them again")
    arguments = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="neocog-gtp-"))
    warm()
    inputs = arguments.world or work / "world"
    world = World(inputs) if (inputs / "packed").exists() else build(inputs)
    outcome, found, statuses = run(world, arguments.lines, work / "gtp")
    print(f"{arguments.lines:,} lines, {dict(statuses)}, {outcome.seconds:.0f} CPU s, {outcome.memory / 1e6:.0f} MB")
    print("\n".join(found) or "no faults")
    shutil.rmtree(work)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
