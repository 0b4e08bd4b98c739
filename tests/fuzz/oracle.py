"""What holds for every case, whatever it does."""

import json
import re
from pathlib import Path

from .cases import Case
from .sandbox import CPU_SECONDS, MEMORY, Outcome

FAILURES = (
    "traceback",
    "exit code",
    "message",
    "json",
    "hang",
    "memory",
    "changed files",
    "control characters",
    "warning",
    "leftovers",
)
CONTROLS = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
COLOURS = re.compile(rb"\x1b\[[\d;]*m")
WARNING = re.compile(rb"^\S+\.py:\d+: \w*Warning: |^\[[\w/.]+ @|^libpng (error|warning)|^Error in cpuinfo", re.M)
LONGEST_LINE = 2000  # bytes of a message
NOT_DONE = re.compile(
    rb"not finite|diverge|memory|disk|cannot be written|too large|produced no"
)  # reasons to fail with 1


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """The files in a folder with their sizes and times."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    }


def faults(case: Case, outcome: Outcome) -> list[str]:
    """What is wrong with an outcome, as "kind: details"."""
    found: list[str] = []
    if outcome.waited or outcome.seconds > CPU_SECONDS or outcome.code in (-24, -9):
        found.append(f"hang: {outcome.seconds:.1f} s")
    if outcome.memory > MEMORY or b"MemoryError" in outcome.stderr:
        found.append(f"memory: {outcome.memory / 1e9:.1f} GB")
    if b"Traceback" in outcome.stderr:
        found.append(f"traceback: {outcome.stderr.decode(errors='replace').strip().splitlines()[-1][:200]}")
    right = case.codes | ({1} if NOT_DONE.search(outcome.stderr) else set())
    if outcome.code not in right:
        found.append(f"exit code: {outcome.code} instead of {sorted(case.codes)}: {last_line(outcome.stderr)}")
    if outcome.code and not outcome.stderr.strip():
        found.append("message: none")
    if (longest := max(map(len, outcome.stderr.splitlines()), default=0)) > LONGEST_LINE:
        found.append(f"message: a line of {longest} bytes")
    if "--json" in case.arguments and "--help" not in case.arguments:
        found += _json(outcome)
    table = case.arguments[0] == "predict" and case.kind in ("tables", "files")  # its cells are printed as they are
    printed = outcome.stderr if table else outcome.stdout + outcome.stderr
    if "FORCE_COLOR" in case.environment:
        printed = COLOURS.sub(b"", printed)
    if match := CONTROLS.search(printed):
        found.append(f"control characters: {match[0]!r}")
    if match := WARNING.search(outcome.stderr):
        found.append(f"warning: {last_line(outcome.stderr)}")
    return found


def last_line(text: bytes) -> str:
    lines = [line for line in text.decode(errors="replace").splitlines() if line.strip(" ╰─╯│")]
    return lines[-1][:300] if lines else ""


def _json(outcome: Outcome) -> list[str]:
    def refuse(text: str) -> None:
        raise ValueError(f"{text} is no JSON")

    if outcome.code and not outcome.stdout:
        return []
    try:
        json.loads(outcome.stdout, parse_constant=refuse)
    except ValueError as error:
        return [f"json: {str(error)[:100]}: {outcome.stdout[:80]!r}"]
    return []


def changes(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> list[str]:
    """Files of the user that are not as they were."""
    changed = [name for name, state in before.items() if after.get(name) != state]
    return [f"changed files: {changed[:3]}"] if changed else []


def leftovers(folder: Path) -> list[str]:
    """Temporary files that a command which has ended left behind."""
    names = [str(path.relative_to(folder)) for path in folder.rglob(".neocog-*")]
    return [f"leftovers: {names[:3]}"] if names else []
