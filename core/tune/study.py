"""A study: what is searched, and its trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..data import Data
from ..plan import Plan
from ..problem import DATA, FAILED, USAGE, Problem, shortened
from .space import Point, Space, Value

if TYPE_CHECKING:
    import optuna

JOURNAL, SUMMARY = "study.log", "summary.json"  # in the folder of a study
SAMPLERS = ("tpe", "random", "gp", "nsga")
PRUNERS = {"median": 2, "halving": 3, "none": 1}  # of how many trials one goes on
METRICS = ("accuracy", "f1", "r2")  # of an epoch, the first that a task has; else the loss
COSTS = ("parameters", "macs")


class Limits(NamedTuple):
    """What a trial may cost."""

    parameters: int | None = None
    macs: int | None = None
    seconds: float | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Search:
    """What is searched, and how: everything that processes which share a study must agree on."""

    plan: Callable[[Point], Plan]  # the plan of a point; raises Problem for one that does not fit together
    space: Space
    data: Data
    trials: int
    sampler: str = "tpe"  # one of SAMPLERS
    pruner: str = "median"  # one of PRUNERS
    cost: str | None = None  # one of COSTS, minimised beside the metric
    reach: float | None = None  # the metric that the cheapest network is searched for
    limits: Limits = NO_LIMITS
    seed: int = 0
    start: Mapping[str, Value] = field(default_factory=dict)  # values of the first trial: those of the recipe
    keep: bool = False  # the weights and epochs of every trial that ends, in trial-N
    baseline: Plan | None = None  # a recipe with its own settings, which the best is compared with
    storage: str | None = None  # the URL of a database; by default a journal in the folder of the study

    @property
    def prunes(self) -> bool:
        """Whether trials stop early; with two objectives there is no order that could say which."""
        return self.pruner != "none" and self.cost is None

    def identity(self) -> dict[str, Any]:
        """What makes two studies the same."""
        return {
            "space": self.space.to_dict(),
            "data": self.data.fingerprint(),
            "cost": self.cost,
            "pruner": self.pruner,
            "limits": list(self.limits),
        }


class Trial(NamedTuple):
    """A finished trial, from the journal."""

    number: int
    value: float | None  # of the metric; None if it was pruned or failed
    cost: float | None
    state: str  # "complete", "pruned", "failed"
    params: dict[str, Value]
    attributes: dict[str, Any]  # network, recipe, settings, parameters, macs, seconds, epochs, reason

    @property
    def choices(self) -> str:
        """The values of its dimensions, in words."""
        return ", ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in self.params.items()
        )


def score(metrics: Mapping[str, float]) -> float:
    """What a study maximises, of the validation metrics of an epoch."""
    name = next((name for name in METRICS if name in metrics), None)
    return metrics[name] if name is not None else -metrics["loss"]


def trials_of(study: optuna.Study) -> list[Trial]:
    """The trials that have ended, without points that were refused before they began and trials that began again."""
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get("again") for trial in trials}
    return [
        read_trial(trial)
        for trial in trials
        if trial.state.is_finished() and "refused" not in trial.user_attrs and trial.number not in again
    ]


def read_trial(trial: optuna.trial.FrozenTrial) -> Trial:
    state = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}.get(trial.state.name, "running")
    values = trial.values if state == "complete" else [None]  # of a pruned one Optuna has the value of its rung
    cost = values[1] if len(values) > 1 else None
    return Trial(trial.number, values[0], cost, state, dict(trial.params), dict(trial.user_attrs))


def finished(study: optuna.Study) -> int:
    """The number of trials that have ended; one whose process died counts when it is tried again."""
    return sum("network" in trial.attributes for trial in trials_of(study))


def counted(study: optuna.Study, below: int) -> int:
    """The number of trials with lower numbers that have ended or are under way."""
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get("again") for trial in trials}
    return sum("refused" not in trial.user_attrs and trial.number not in again for trial in trials[:below])


def running(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """The trials that are under way, by all processes."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def best_of(trials: Sequence[Trial], reach: float | None = None) -> Trial:
    """The cheapest trial that reaches a metric, or else the one with the highest; of equals, the first.

    Raises Problem without a complete one.
    """
    complete = [trial for trial in trials if trial.value is not None]
    if not complete:
        raise Problem("no trial was completed; raise --trials or --most-seconds", FAILED)
    if reach is not None and (enough := [trial for trial in complete if (trial.value or 0.0) >= reach]):
        return min(enough, key=lambda trial: (trial.cost or 0.0, -(trial.value or 0.0), trial.number))
    return max(complete, key=lambda trial: (trial.value or 0.0, -trial.number))


def front_of(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that no other beats in metric and cost, from the cheapest on."""
    complete = sorted(
        (trial for trial in trials if trial.value is not None and trial.cost is not None),
        key=lambda trial: (trial.cost or 0.0, -(trial.value or 0.0)),
    )
    front: list[Trial] = []
    for trial in complete:
        if not front or (trial.value or 0.0) > (front[-1].value or 0.0):
            front.append(trial)
    return front


def importances(study: optuna.Study) -> dict[str, float]:
    """The importance of each dimension for the metric (fANOVA, Hutter et al. 2014); {} for too few trials."""
    import optuna

    complete = [trial for trial in trials_of(study) if trial.value is not None]
    if len(complete) < 10 or len({trial.value for trial in complete}) < 2:
        return {}
    try:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        values = optuna.importance.get_param_importances(
            study, evaluator=evaluator, target=(lambda trial: trial.values[0]) if len(study.directions) > 1 else None
        )
    except (ValueError, RuntimeError):  # dimensions that no two trials share
        return {}
    return {name: float(value) for name, value in values.items()}


def point_of(trial: Trial) -> Point:
    """The texts that a trial trained."""
    attributes = trial.attributes
    network = None if attributes["recipe"] else attributes["network"]
    return Point(network, attributes["recipe"], attributes["settings"])


def check_study(data: Data, folder: Path, storage: str | None) -> None:
    """Raises Problem for data without a validation split, which trials are compared by."""
    if not len(data.valid):
        raise Problem("trials are compared by the validation split, and there is none; raise --valid-share", DATA)
    known = any((folder / name).exists() for name in (JOURNAL, SUMMARY))
    if storage is None and folder.exists() and any(folder.iterdir()) and not known:
        raise Problem(f"{shortened(str(folder))} is not empty and holds no study; name another with --out", USAGE)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
