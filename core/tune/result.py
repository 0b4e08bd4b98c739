"""The result of a study: the best trained again with new seeds, and looked at on the test split once."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from .. import device as devices
from ..finalize import finalize
from ..fit import fit
from ..fit import run as deliver
from ..run import RunFolder
from . import report
from .study import (
    BEST_SEEDS,
    COSTS,
    Search,
    Trial,
    Worker,
    best_of,
    front_of,
    importances,
    point_of,
    spread,
    trials_of,
)


class Result(NamedTuple):
    """What a study found."""

    headline: str
    text: str
    command: str
    summary: dict[str, Any]


def result_of(search: Search, folder: Path, data: str, tell: Callable[[str], object] | None) -> Result:
    """Trains the best trial again, writes trials.csv and report.html, and returns the result in words and as JSON."""
    study = Worker(search, folder).study
    trials = trials_of(study)
    best = best_of(trials)
    summaries = []
    for number, seed in enumerate(BEST_SEEDS, 1):
        if tell:
            tell(f"training the best, trial {best.number}, again: {number} of {len(BEST_SEEDS)}")
        summaries.append(train_again(search, best, seed, folder / f"best-{number}"))
    mean, deviation = spread([summary["value"] for summary in summaries])
    importance = importances(study)
    metric, scored_on = summaries[0]["metric"], summaries[0]["scored_on"]
    command = command_of(search, best, data)
    headline = (
        f"{metric.replace('_', ' ')} {mean:.4f} ± {deviation:.4f} on the {scored_on} split: the best of {len(trials)} "
        f"trials, trained again with {len(BEST_SEEDS)} new seeds"
    )
    text = f"trial {best.number}, validation {best.value:.4f} (chosen by it, so optimistic): {best.choices}"
    summary = {
        "metric": metric,
        "value": mean,
        "std": deviation,
        "values": [entry["value"] for entry in summaries],
        "scored_on": scored_on,
        "best": trial_dict(best),
        "trials": len(trials),
        "pruned": sum(trial.state == "pruned" for trial in trials),
        "failed": sum(trial.state == "failed" for trial in trials),
        "seconds": round(sum(trial.attributes.get("seconds", 0.0) for trial in trials), 1),
        "importance": importance,
        "front": [trial_dict(trial) for trial in front_of(trials)],
        "command": command,
    }
    report.write_csv(trials, folder / "trials.csv")
    report.write_page(folder / "report.html", page(search, trials, importance, headline, text, command, data))
    return Result(headline, text, command, summary)


def train_again(search: Search, best: Trial, seed: int, folder: Path) -> dict[str, Any]:
    """A training of the best point with another seed, in a run folder; returns its summary."""
    plan = search.plan(point_of(best))
    settings = replace(plan.settings, epochs=int(best.attributes["epochs"]), seed=seed)
    plan = replace(plan, settings=settings, free=plan.free - {"epochs"})
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
    summary = f"{text}. {counts}; sampler {search.sampler}, seed {search.seed}"
    return {
        "title": f"Study of {Path(data).name}",
        "result": headline[0].upper() + headline[1:],
        "summary": ". ".join([summary, *limits]) + ".",
        "command": command,
        "pictures": {"course": "", "importance": "", "choices": "", "front": ""} | report.pictures(trials, importance),
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
