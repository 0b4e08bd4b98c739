"""The result of a study: the best trained again with new seeds, and looked at on the test split once."""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import checkpoint, feed, files
from .. import device as devices
from ..compare import bootstrap
from ..finalize import finalize
from ..fit import fit
from ..fit import run as deliver
from ..model import Model
from ..plan import Plan
from ..run import RunFolder
from . import report
from .storage import opened
from .study import (
    COSTS,
    JOURNAL,
    SUMMARY,
    Search,
    Trial,
    best_of,
    front_of,
    importances,
    point_of,
    spread,
    trials_of,
)

BEST_SEEDS = (101, 102, 103)  # of the trainings of the best, none of which a trial has
LEFT = 60.0  # seconds after which a file of the lock is one that was left


class Result(NamedTuple):
    """What a study found."""

    headline: str
    text: str
    command: str
    summary: dict[str, Any]


def result_of(search: Search, folder: Path, data: str, tell: Callable[[str], object] | None) -> Result | None:
    """Trains the best trial again, and writes trials.csv, report.html and summary.json; None if another process does.

    The trainings of an earlier result are kept while its trial is still the best.
    """
    with exclusive(folder) as is_alone:
        return concluded(search, folder, data, tell) if is_alone else None


@contextmanager
def exclusive(folder: Path) -> Iterator[bool]:
    """Whether no other process is in this context of the folder, by a lock that ends with its process."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
        except BlockingIOError:
            is_alone = False
        except OSError:  # a disk without locks
            is_alone = True
        yield is_alone
    finally:
        os.close(descriptor)


def concluded(search: Search, folder: Path, data: str, tell: Callable[[str], object] | None) -> Result:
    study = opened(search, folder, 0)
    trials = trials_of(study)
    best = best_of(trials, search.reach)
    is_known = (read_summary(folder / SUMMARY).get("best") or {}).get("trial") == best.number
    summaries = []
    for number, seed in enumerate(BEST_SEEDS, 1):
        path = folder / f"best-{number}"
        if is_known and (summary := read_summary(path / SUMMARY)):
            summaries.append(summary)
            continue
        if tell:
            tell(f"training the best, trial {best.number}, again: {number} of {len(BEST_SEEDS)}")
        summaries.append(train_again(search, best, seed, path))
    against = compared(search, summaries, folder, tell)
    mean, deviation = spread([summary["value"] for summary in summaries])
    importance = importances(study)
    metric, scored_on = summaries[0]["metric"], summaries[0]["scored_on"]
    command = command_of(search, best, data)
    headline = (
        f"{metric.replace('_', ' ')} {mean:.4f} ± {deviation:.4f} on the {scored_on} split: {chosen(search, best)} of "
        f"{len(trials)} trials, trained again with {len(BEST_SEEDS)} new seeds"
    )
    text = f"trial {best.number}, validation {best.value:.4f} (chosen by it, so optimistic): {best.choices}"
    if against is not None:
        text += f"\n{against.text}"
    summary = {
        "metric": metric,
        "value": mean,
        "std": deviation,
        "values": [entry["value"] for entry in summaries],
        "scored_on": scored_on,
        "against": None if against is None else against._asdict(),
        "best": trial_dict(best),
        "trials": len(trials),
        "pruned": sum(trial.state == "pruned" for trial in trials),
        "failed": sum(trial.state == "failed" for trial in trials),
        "seconds": round(sum(trial.attributes.get("seconds", 0.0) for trial in trials), 1),
        "importance": importance,
        "front": [trial_dict(trial) for trial in front_of(trials)],
        "command": command,
    }
    sweep(folder)
    report.write_csv(trials, folder / "trials.csv")
    report.write_page(folder / "report.html", page(search, trials, importance, headline, text, command, data))
    files.write_text(folder / SUMMARY, json.dumps(summary, ensure_ascii=False, indent=1) + "\n")
    return Result(headline, text, command, summary)


def sweep(folder: Path) -> None:
    """Removes the empty files that processes left which were killed as they gave back the lock of the journal."""
    for path in folder.glob(f"{JOURNAL}.lock*.rename"):
        if time.time() - path.stat().st_mtime > LEFT:  # a process that lives removes its own
            path.unlink(missing_ok=True)


def read_summary(path: Path) -> dict[str, Any]:
    """A summary, {} where there is none that can be read."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return summary if isinstance(summary, dict) else {}


class Against(NamedTuple):
    """The best beside a recipe with its own settings, trained with the same seeds."""

    recipe: str
    metric: str
    value: float
    std: float
    values: list[float]
    measure: str  # what the difference is of: accuracy, or mean loss where predictions are not right or wrong
    difference: float  # of the means over the seeds; above 0 the best is better
    interval: tuple[float, float]  # 95%, by resampled examples

    @property
    def text(self) -> str:
        low, high = self.interval
        unit, scale = ("points of accuracy", 100) if self.measure == "accuracy" else ("of the mean loss", 1)
        return (
            f"the recipe {self.recipe} with its own settings: {self.metric.replace('_', ' ')} {self.value:.4f} ± "
            f"{self.std:.4f}; the best differs by {self.difference * scale:+.3g} {unit} (95% interval "
            f"{low * scale:+.3g} to {high * scale:+.3g}; same examples, means of {len(self.values)} seeds each)"
        )


def compared(
    search: Search, summaries: list[dict[str, Any]], folder: Path, tell: Callable[[str], object] | None
) -> Against | None:
    """The recipe with its own settings, trained as often as the best; None without a recipe to compare with."""
    if search.baseline is None:
        return None
    plan, known = search.baseline, []
    for number, seed in enumerate(BEST_SEEDS, 1):
        path = folder / f"recipe-{number}"
        summary = read_summary(path / SUMMARY)
        if summary.get("recipe") != plan.recipe:
            if tell:
                tell(f"training the recipe with its own settings: {number} of {len(BEST_SEEDS)}")
            summary = trained(replace(plan, settings=replace(plan.settings, seed=seed)), search, path)
        known.append(summary)
    names = [f"{kind}-{number}" for kind in ("best", "recipe") for number in range(1, len(BEST_SEEDS) + 1)]
    outcomes = [outcomes_of(plan, search, folder / name, summaries[0]["scored_on"]) for name in names]
    measure = outcomes[0][0]
    values = np.stack([values for _, values in outcomes])
    differences = values[: len(BEST_SEEDS)].mean(0) - values[len(BEST_SEEDS) :].mean(0)
    scores = [summary["value"] for summary in known]
    return Against(
        str(plan.recipe), summaries[0]["metric"], *spread(scores), scores, measure, float(differences.mean()),
        bootstrap(differences),
    )  # fmt: skip


def outcomes_of(plan: Plan, search: Search, folder: Path, split: str) -> tuple[str, NDArray[np.float64]]:
    """What a run makes of each example of a split, (N,): 1 for a right prediction and 0, or the negative loss."""
    path = folder / "model.safetensors"
    model = Model(plan.domain, checkpoint.card(path), checkpoint.read_tensors(path), plan.settings.device)
    examples = model.task.encode(search.data).splits[split]
    predictions, targets = feed.measure(model, examples), examples.targets.numpy()
    correct = model.task.correct(predictions, targets)
    if correct is not None:
        return "accuracy", correct.astype(np.float64)
    return "loss", -np.asarray(model.task.example_losses(predictions, targets), dtype=np.float64)


def chosen(search: Search, best: Trial) -> str:
    """Why a trial is the best."""
    if search.reach is None or best.cost is None:
        return "the best"
    if (best.value or 0.0) < search.reach:
        return f"no trial reached {search.reach:g} on the validation split; the best"
    return f"with {best.cost:,.0f} {search.cost}, the cheapest that reached {search.reach:g} on the validation split,"


def train_again(search: Search, best: Trial, seed: int, folder: Path) -> dict[str, Any]:
    """A training of the best point with another seed, in a run folder; returns its summary."""
    plan = search.plan(point_of(best))
    settings = replace(plan.settings, epochs=int(best.attributes["epochs"]), seed=seed)
    return trained(replace(plan, settings=settings, free=plan.free - {"epochs"}), search, folder)


def trained(plan: Plan, search: Search, folder: Path) -> dict[str, Any]:
    """A training in a run folder; returns its summary."""
    run = RunFolder(folder, force=True)
    deliver(fit(plan, search.data, devices.World(), devices.choose(plan.settings.device)), [run])
    return finalize(run)


def command_of(search: Search, best: Trial, data: str) -> str:
    """The command that trains the best point."""
    point = point_of(best)
    plan = search.plan(point)
    arguments = ["neocog", "train", plan.domain.name, data]
    arguments += ["--recipe", point.recipe] if point.recipe else ["--network", str(best.attributes["network"])]
    arguments += ["--epochs", str(best.attributes["epochs"])]
    for name, text in point.settings.items():
        arguments += ["--set", f"{name}={text}"]
    return shlex.join(arguments)


def trial_dict(trial: Trial) -> dict[str, Any]:
    names = ("network", "recipe", "settings", "parameters", "macs", "epochs", "seconds")
    values = {"trial": trial.number, "value": trial.value, "params": trial.params}
    return values | {name: trial.attributes.get(name) for name in names}


def page(
    search: Search, trials: list[Trial], importance: dict[str, float], headline: str, text: str, command: str, data: str
) -> dict[str, Any]:
    """The values of tune.html."""
    complete = sorted((t for t in trials if t.value is not None), key=lambda t: -(t.value or 0.0))
    pruned, failed = (sum(trial.state == state for trial in trials) for state in ("pruned", "failed"))
    limits = [f"at most {most:,} {name}" for name in COSTS if (most := getattr(search.limits, name)) is not None]
    counts = f"{len(trials)} trials, {pruned} stopped early, {failed} failed"
    course = "; ".join([counts, f"sampler {search.sampler}, seed {search.seed}", *limits])
    return {
        "title": f"Study of {Path(data).name}",
        "result": capitalised(headline),
        "summary": [f"{capitalised(line)}." for line in (*text.splitlines(), course)],
        "command": command,
        "pictures": {"course": "", "importance": "", "choices": "", "coordinates": "", "front": ""}
        | report.pictures(trials, importance, search.cost),
        "best": [
            {
                "number": trial.number,
                "metric": f"{trial.value:.4f}",
                "parameters": trial.attributes["parameters"],
                "seconds": f"{trial.attributes.get('seconds', 0):.1f}",
                "network": trial.attributes["recipe"] or trial.attributes["network"],
                "settings": ", ".join(f"{name}={value}" for name, value in trial.attributes["settings"].items()),
            }
            for trial in complete[: report.LISTED]
        ],
    }


def capitalised(text: str) -> str:
    """A text with a capital at its beginning; the rest stays as it is."""
    return text[0].upper() + text[1:]
