"""Runs the sessions of README.md, one per domain, and prints their commands with the output; --write puts them there.

    python benchmarks/readme.py DATA                 all four sessions, about 10 minutes on two cores
    python benchmarks/readme.py DATA --only text     one of them
    python benchmarks/readme.py DATA --write         replaces the blocks of README.md

DATA holds vision/sign-digits, speech/keywords, text/trec and go/test.sgf.zip, named in README.md. A block of README.md
follows a line `<!-- session: text -->`. Of long output only some lines are shown, with … in place of the others.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
# Lines that a terminal would overwrite, and the remark of the first call after an installation.
PROGRESS = re.compile(r"^\S+ \d+/\d+: | left$|^(reading|checking|compiling)\b")
GAMES = 10


@dataclass(frozen=True)
class Step:
    """A command, and which lines of its output are shown: those that `keep` matches, at most `limit`."""

    command: str
    keep: str = "."
    limit: int = 6


LAST_EPOCHS_AND_RESULT = r"^epoch +([234]/4|[345]/5)|^(balanced )?accuracy"
SESSIONS = {
    "vision": (
        Step("neocog check vision hands/", "^(labels|splits|bad)"),
        Step("neocog train vision hands/ --size 32 --epochs 5 --out runs/hands", LAST_EPOCHS_AND_RESULT),
        Step("neocog evaluate runs/hands hands/", "^ *(accuracy|log loss|calibration)"),
        Step("neocog predict runs/hands hands/test/7/IMG_5170.jpg hands/test/2/IMG_5174.jpg"),
        Step(
            "neocog explain runs/hands hands/test/7/IMG_5170.jpg --method gradcam,lrp --check --out seven.png", limit=4
        ),
    ),
    "speech": (
        Step("neocog check speech words/", "^(labels|splits|rates|bad)"),
        Step("neocog train speech words/ --epochs 4 --out runs/words", LAST_EPOCHS_AND_RESULT),
        Step("neocog evaluate runs/words words/", "^ *(accuracy|calibration)"),
        Step("neocog predict runs/words words/alexa/101.flac words/alexa/104.flac"),
        Step("neocog imagine runs/words --label jarvis --listen jarvis.wav"),
    ),
    "text": (
        Step("neocog check text trec/", "^(labels|splits|duplicates)"),
        Step("neocog train text trec/ --out runs/trec", LAST_EPOCHS_AND_RESULT),
        Step('neocog predict runs/trec "Who wrote Faust ?" "How far is the moon ?"'),
        Step('neocog explain runs/trec "Who wrote Faust ?" --method occlusion', limit=3),
        Step("neocog attack runs/trec trec/ --card", r"^accuracy|^corruption|^\w+ +\d+\.\d%"),
    ),
    "go": (
        Step("neocog check go games/", "^(games|results|bad)"),
        Step("neocog predict go game.sgf --move 57 --top 3", r"^1[2-9] |^move|^1 ", 10),
        Step("neocog evaluate go games/", "^(accuracy|top-5|log loss)"),
        Step("neocog go annotate game.sgf --out annotated.sgf"),
        Step("printf 'boardsize 19\\ngenmove b\\nquit\\n' | neocog go gtp"),
    ),
}


def prepare(data: Path, folder: Path) -> None:
    """Names the data sets as the commands do."""
    (folder / "hands").symlink_to(data / "vision/sign-digits")
    (folder / "words").symlink_to(data / "speech/keywords")
    (folder / "trec").symlink_to(data / "text/trec")
    (folder / "games").mkdir()
    with zipfile.ZipFile(data / "go/test.sgf.zip") as archive:
        records = sorted(name for name in archive.namelist() if name.endswith(".sgf"))
        records = records[:: len(records) // GAMES][:GAMES]
        for record in records:
            (folder / "games" / Path(record).name).write_bytes(archive.read(record))
        (folder / "game.sgf").write_bytes(archive.read(records[0]))


def output_of(command: str, folder: Path) -> list[str]:
    """Lines of stdout and stderr in the order in which they were printed, without progress."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "100"}
    environment |= {"NO_COLOR": "1", "NEOCOG_CACHE": str(folder / "cache")}
    ended = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    stdout = ended.stdout.replace(f"{folder}/", "")
    lines = [line.rstrip() for line in stdout.splitlines() if line.strip() and not PROGRESS.search(line)]
    if ended.returncode:
        raise SystemExit(f"$ {command}\nended with {ended.returncode}:\n" + "\n".join(lines))
    return lines


def shortened(lines: list[str], step: Step) -> list[str]:
    """The lines to show, with … once where others were left out behind the first of them."""
    kept = [index for index, line in enumerate(lines) if re.search(step.keep, line)][: step.limit]
    if not kept:
        raise SystemExit(f"$ {step.command}\nno line matches {step.keep}")
    gap = next((number for number, index in enumerate(kept, kept[0]) if number != index), None)
    shown = [lines[index] for index in kept]
    if gap is not None:
        shown.insert(gap - kept[0], "…")
    elif kept[-1] < len(lines) - 1:
        shown.append("…")
    return shown


def session(name: str, folder: Path) -> str:
    """The console block of a domain: five commands, each with its output."""
    lines: list[str] = []
    for step in SESSIONS[name]:
        print(f"$ {step.command}", file=sys.stderr, flush=True)
        output = output_of(step.command, folder)
        print("\n".join(f"    {line}" for line in output), file=sys.stderr, flush=True)
        lines += [f"$ {step.command}", *shortened(output, step)]
    return "```console\n" + "\n".join(lines) + "\n```"


def replace(text: str, name: str, block: str) -> str:
    """README.md with the block behind the mark of a session exchanged."""
    pattern = re.compile(rf"(<!-- session: {name} -->\n+)```console\n.*?^```", re.M | re.S)
    if not pattern.search(text):
        raise SystemExit(f"README.md has no block behind <!-- session: {name} -->")
    return pattern.sub(lambda match: match[1] + block, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", help="names of sessions, separated by commas")
    parser.add_argument("--write", action="store_true", help="write the blocks into README.md")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(SESSIONS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(options.data.resolve(), folder)
        for name in names:
            block = session(name, folder)
            print(f"{name}\n{block}\n", flush=True)
            if options.write:
                README.write_text(replace(README.read_text(encoding="utf-8"), name, block), encoding="utf-8")


if __name__ == "__main__":
    main()
