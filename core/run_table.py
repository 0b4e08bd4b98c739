"""Run folders as rows: what was trained, how well, how long, and what became of it. Reads JSON and TOML only."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from . import schema
from .problem import USAGE, Problem, did_you_mean

DEPTH = 6  # levels of folders that are searched
LOWER_IS_BETTER = ("mae", "rmse", "loss", "log_loss")  # metrics
LATEST, BEST = "@latest", "@best"


class SummaryTable(TypedDict):
    """What a row takes from a summary.json; older ones have no "metric" and "value"."""

    accuracy: NotRequired[float]
    metric: NotRequired[str]
    value: NotRequired[float]
    interval: NotRequired[list[float]]
    scored_on: NotRequired[str]
    examples: NotRequired[int]
    parameters: NotRequired[int]
    seconds: NotRequired[float]
    epochs: NotRequired[int]
    recipe: NotRequired[str | None]


@dataclass(frozen=True)
class Run:
    """A run folder. What it does not hold, or holds damaged, is None."""

    run: str  # its path
    state: str  # "finished", "stopped" (to be resumed), or what is wrong with it
    domain: str | None = None
    task: str | None = None
    recipe: str | None = None
    data: str | None = None
    metric: str | None = None
    value: float | None = None
    interval: list[float] | None = None
    scored_on: str | None = None
    examples: int | None = None
    parameters: int | None = None
    epochs: int | None = None
    seconds: float | None = None
    date: str | None = None  # of the last file that was written, "2026-11-29 22:10"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def find_runs(root: Path) -> list[Run]:
    """All runs below a folder, the folder itself included; the latest first.

    Links to folders are not followed. Raises Problem if there is no such folder.
    """
    if not root.is_dir():
        raise Problem(f"{root} is not a folder; expected a folder with runs, such as runs/", USAGE)
    runs = [read_run(folder) for folder in run_folders(root)]
    return sorted(runs, key=lambda run: (run.date or "", run.run), reverse=True)


def run_folders(root: Path, depth: int = DEPTH) -> Iterator[Path]:
    """The folders that hold the settings of a run."""
    if (root / "settings.toml").is_file():
        yield root
    if not depth:
        return
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from run_folders(root / entry.name, depth - 1)


def read_run(folder: Path) -> Run:
    """A run folder as a row; a damaged file is named in its state."""
    from .plan import read_settings

    row: dict[str, Any] = {"run": str(folder), "date": _date(folder)}
    try:
        tables = read_settings(folder / "settings.toml")
    except Problem as problem:
        return Run(**row, state=str(problem))
    row |= {"domain": tables["domain"], "task": tables.get("task", "classify"), "recipe": tables.get("recipe")}
    row["data"] = tables["source"]["data"]
    path = folder / "summary.json"
    if not path.is_file():
        has_state = (folder / "state.safetensors").is_file()
        return Run(**row, state="stopped" if has_state else "stopped before its first save")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        schema.check(SummaryTable, summary)
    except (OSError, ValueError, RecursionError) as error:
        return Run(**row, state=f"summary.json is damaged ({str(error).splitlines()[0]})")
    if "metric" not in summary and "accuracy" in summary:
        summary |= {"metric": "accuracy", "value": summary["accuracy"]}
    names = ("metric", "value", "interval", "scored_on", "examples", "parameters", "epochs", "seconds")
    return Run(**row, state="finished", **{name: summary.get(name) for name in names})


def _date(folder: Path) -> str | None:
    files = ("summary.json", "state.safetensors", "metrics.jsonl", "settings.toml")
    try:
        newest = max((folder / name).stat().st_mtime for name in files if (folder / name).is_file())
    except (OSError, ValueError):
        return None
    return datetime.fromtimestamp(newest).strftime("%Y-%m-%d %H:%M:%S")


# --- selection -----------------------------------------------------------------------------------------------------


def filtered(runs: Sequence[Run], conditions: Sequence[str]) -> list[Run]:
    """The runs for which all conditions hold: `domain=vision`, `value>0.9`, `recipe!=mlp`. Raises Problem."""
    tests = [_condition(text) for text in conditions]
    return [run for run in runs if all(test(run) for test in tests)]


def _condition(text: str) -> Callable[[Run], bool]:
    for sign in (">=", "<=", "!=", "=", ">", "<"):
        name, separator, wanted = (part.strip() for part in text.partition(sign))
        if separator:
            break
    else:
        raise Problem(f"--where is a condition such as domain=vision or value>0.9; got {text}", USAGE)
    require_column(name, "--where")
    number = _number(wanted)
    if sign in (">=", "<=", ">", "<") and number is None:
        raise Problem(f"--where compares numbers with {sign}; got {wanted}", USAGE)

    def holds(run: Run) -> bool:
        value = getattr(run, name)
        if sign in ("=", "!="):
            equal = value == number if isinstance(value, int | float) else str(value) == wanted
            return equal == (sign == "=")
        if not isinstance(value, int | float) or number is None:
            return False
        return {">=": value >= number, "<=": value <= number, ">": value > number, "<": value < number}[sign]

    return holds


def sorted_by(runs: Sequence[Run], column: str) -> list[Run]:
    """The runs by a column: numbers and dates falling, texts rising; runs without a value last. Raises Problem."""
    require_column(column, "--sort")
    present = [run for run in runs if getattr(run, column) is not None]
    falling = column == "date" or any(isinstance(getattr(run, column), int | float) for run in present)
    missing = [run for run in runs if getattr(run, column) is None]
    return sorted(present, key=lambda run: getattr(run, column), reverse=falling) + missing


def require_column(name: str, option: str) -> None:
    columns = list(Run.__dataclass_fields__)
    if name not in columns:
        close = did_you_mean(name, columns)
        raise Problem(f"{option}: {name} is not a column{close}; the columns are {', '.join(columns)}", USAGE)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def named_run(name: str, root: Path = Path("runs")) -> Path:
    """The folder of @latest or @best: of the finished runs below runs/, the latest, or the one of the best metric.

    @best compares runs of one metric on equal data only. Raises Problem if there is none, or they cannot be compared.
    """
    finished = [run for run in (find_runs(root) if root.is_dir() else []) if run.state == "finished"]
    if not finished:
        raise Problem(f"{name} stands for a finished run below {root}/, and there is none; train one first", USAGE)
    if name == LATEST:
        return Path(finished[0].run)
    kinds = {(run.domain, run.task, run.metric, run.data, run.scored_on) for run in finished}
    if len(kinds) > 1:
        raise Problem(
            f"{BEST} compares runs on the same data by the same metric, and those below {root}/ are of {len(kinds)} "
            "kinds; list them with neocog runs, and name one",
            USAGE,
        )
    sign = -1 if finished[0].metric in LOWER_IS_BETTER else 1
    return Path(max(finished, key=lambda run: sign * (run.value or 0.0)).run)
