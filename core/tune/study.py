"""A study: trials of a search space, kept in a journal that several processes share, and the best trained again."""

from __future__ import annotations

import json
import os
import socket
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from .. import files
from ..data import Data
from ..fit import Event, Finished, Step, fit, network_of, task_of_data
from ..network import Network
from ..plan import Plan
from ..problem import DATA, FAILED, USAGE, Problem, shortened
from ..run import RunFolder
from .space import Dimension, Point, Space, Value

if TYPE_CHECKING:
    import optuna

JOURNAL, SUMMARY = "study.log", "summary.json"  # in the folder of a study
NAME = "neocog"
REDUCTION = 3  # of the epochs of a rung to those of the next, and of the trials that go on
RUNGS = 3
REFUSED_IN_A_ROW = 100  # points that do not fit, after which the space is given up
BEST_SEEDS = (101, 102, 103)  # of the trainings of the best, none of which a trial has
BEAT, LOST = 60.0, 600.0  # seconds: between signs of life of a trial, and without one until it counts as lost
UNNAMED = 30.0  # seconds until a trial that names no process counts as lost: its process ended as it asked for it
POLL = 1.0  # seconds between looks at the last trials of other processes
SAMPLERS = ("tpe", "random", "gp", "nsga")
PRUNERS = ("halving", "median", "none")
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
    pruner: str = "halving"  # one of PRUNERS
    cost: str | None = None  # one of COSTS, minimised beside the metric
    reach: float | None = None  # the metric that the cheapest network is searched for
    limits: Limits = NO_LIMITS
    seed: int = 0
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


class Worker:
    """One process of a study."""

    def __init__(
        self,
        search: Search,
        folder: Path,
        index: int = 0,
        progress: Callable[[Trial], object] = lambda trial: None,
        stopped: Callable[[], bool] = lambda: False,
        threads: int = 0,
    ) -> None:
        self.search, self.progress = search, progress
        self.stopped = stopped  # asked after each step; a trial that it ends is tried again by the next process
        self.study, self.folder = opened(search, folder, index), folder
        self.threads = threads or torch.get_num_threads()  # that the trials of this machine share
        self.next_beat = 0.0

    def run(self) -> None:
        """Makes trials until the study has as many as it should, and all have ended."""
        before = torch.get_num_threads()
        try:
            self._run()
        finally:
            torch.set_num_threads(before)
        self._require_success()

    def _run(self) -> None:
        refused = 0
        while not self.stopped():
            self._retry_lost()
            ended, under_way = finished(self.study), len(running(self.study))
            if ended >= self.search.trials:
                break
            if ended + under_way >= self.search.trials:  # the process of one of them may still end without a result
                time.sleep(POLL)
                continue
            trial, reason = self.study.ask(), ""
            with unless_ended():  # by another process, while this one stood still for long
                self._beat(trial)
                if counted(self.study, trial.number) >= self.search.trials:  # others asked at the same time
                    self._refuse(trial, "other processes made the last trial")
                    continue
                reason = self._try(trial)
            refused = refused + 1 if reason else 0
            if refused >= REFUSED_IN_A_ROW:
                raise Problem(f"of {refused} points of the space, none fits; the last: {reason}", USAGE)
            if not reason and not self.stopped():
                self.progress(read_trial(self.study.trials[trial.number]))

    def _beat(self, trial: optuna.Trial) -> None:
        """Says whose trial it is, and that this process is at work on it."""
        trial.set_user_attr("process", f"{socket.gethostname()}:{os.getpid()}")
        trial.set_user_attr("beat", round(time.time()))
        self.next_beat = time.monotonic() + BEAT

    def _tell(self, trial: optuna.Trial, value: Any = None, state: Any = None) -> None:
        """Ends a trial, unless another process gave it up meanwhile."""
        with unless_ended(), suppress(ValueError):
            self.study.tell(trial, value, state=state)

    def _try(self, trial: optuna.Trial) -> str:
        """One trial; returns why it was refused before it began, or ""."""
        from optuna.trial import TrialState

        search = self.search
        point = search.space.point(lambda entry: suggested(trial, entry))
        try:
            plan = search.plan(point)
            network, epochs = measured(plan, search)
            self._note(trial, point, network)
            over_limits(network, search.limits)
        except Problem as problem:
            return self._refuse(trial, str(problem))
        self._share_cores()
        start, cpu = time.perf_counter(), time.process_time()
        try:
            value = self._train(trial, plan, epochs)
        except _Pruned:
            value = None
        except Problem as problem:
            trial.set_user_attr("reason", str(problem))
            self._tell(trial, state=TrialState.FAIL)
            return ""
        if self.stopped():
            return ""
        trial.set_user_attr("seconds", round(time.perf_counter() - start, 2))
        trial.set_user_attr("cpu_seconds", round(time.process_time() - cpu, 2))
        if value is not None and search.reach is not None:
            trial.set_constraint("shortfall", search.reach - value)
        if value is None:
            self._tell(trial, state=TrialState.PRUNED)
        else:
            self._tell(trial, value if search.cost is None else [value, getattr(network, search.cost)])
        return ""

    def _refuse(self, trial: optuna.Trial, reason: str) -> str:
        """Ends a trial that is none."""
        from optuna.trial import TrialState

        trial.set_user_attr("refused", reason)
        self._tell(trial, state=TrialState.PRUNED)
        return reason

    def _share_cores(self) -> None:
        """Divides this process's threads by the trials that run on this machine."""
        host = socket.gethostname()
        count = sum(str(trial.user_attrs.get("process", "")).startswith(f"{host}:") for trial in running(self.study))
        torch.set_num_threads(max(1, self.threads // max(1, count)))

    def _note(self, trial: optuna.Trial, point: Point, network: Network) -> None:
        attributes: dict[str, Any] = {"network": str(network), "recipe": point.recipe, "settings": dict(point.settings)}
        attributes |= {"parameters": network.parameters, "macs": network.macs}
        for name, value in attributes.items():
            trial.set_user_attr(name, value)

    def _train(self, trial: optuna.Trial, plan: Plan, epochs: int) -> float:
        """The metric after a whole training; shorter whole trainings before it decide whether it is worth it."""
        search = self.search
        deadline = None if search.limits.seconds is None else time.monotonic() + search.limits.seconds
        rungs = rungs_of(epochs) if search.prunes else [epochs]
        value = float("nan")
        for index, count in enumerate(rungs):
            settings = replace(plan.settings, epochs=count, seed=plan.settings.seed + trial.number)
            is_last = count == rungs[-1]
            kept = RunFolder(self.folder / f"trial-{trial.number}", force=True) if search.keep and is_last else None
            value = self._value(trial, replace(plan, settings=settings, free=plan.free - {"epochs"}), deadline, kept)
            trial.set_user_attr("epochs", count)
            if not is_last:
                trial.report(value, REDUCTION**index)
                if trial.should_prune():
                    raise _Pruned
        return value

    def _value(self, trial: optuna.Trial, plan: Plan, deadline: float | None, kept: RunFolder | None) -> float:
        """The metric of the kept epoch of a training, on the validation split; `kept` listens to it."""
        last: Event | None = None
        for event in fit(plan, self.search.data):
            last = event
            if kept is not None:
                deque(kept(event), maxlen=0)
            if time.monotonic() > self.next_beat:
                self._beat(trial)
            if isinstance(event, Step) and (self.stopped() or (deadline and time.monotonic() > deadline)):
                break
        if not isinstance(last, Finished):
            if self.stopped():
                return float("nan")
            raise _Pruned  # it takes longer than --most-seconds
        training = last.training
        history = {epoch.epoch: epoch.valid for epoch in training.trainer.history}
        return score(history.get(training.selection.epoch) or history[max(history)])

    def _retry_lost(self) -> None:
        """Ends trials whose process is no more, and asks for their points again, once."""
        from optuna.trial import TrialState

        for trial in running(self.study):
            if is_lost(trial):
                with unless_ended(), suppress(ValueError):
                    self.study.tell(trial.number, state=TrialState.FAIL)
                    if "again" not in trial.user_attrs:
                        self.study.enqueue_trial(trial.params, user_attrs={"again": trial.number})

    def _require_success(self) -> None:
        trials = [trial for trial in trials_of(self.study) if trial.state != "pruned"]
        if not self.stopped() and trials and all(trial.state == "failed" for trial in trials):
            reason = next((t.attributes["reason"] for t in trials if "reason" in t.attributes), "no reason is known")
            raise Problem(f"all trials failed; the first: {reason}", FAILED)


@contextmanager
def unless_ended() -> Iterator[None]:
    """Leaves the context at a trial that another process has ended meanwhile."""
    from optuna.exceptions import UpdateFinishedTrialError

    with suppress(UpdateFinishedTrialError):
        yield


class _Pruned(Exception):
    """A trial that is worse than others at its rung, or that takes too long."""


# --- trials


def suggested(trial: optuna.Trial, entry: Dimension) -> Value:
    """The value of a dimension for a trial."""
    if entry.kind == "choice":
        return str(trial.suggest_categorical(entry.name, entry.options))
    if entry.kind == "int":
        return trial.suggest_int(entry.name, int(entry.low), int(entry.high), step=entry.step)
    return float(f"{trial.suggest_float(entry.name, entry.low, entry.high, log=entry.is_log):.6g}")


def measured(plan: Plan, search: Search) -> tuple[Network, int]:
    """The network of a plan on the data, and the epochs of its training. Raises Problem for one that does not fit."""
    task = task_of_data(plan, search.data)
    data = task.encode(search.data)
    network = network_of(plan, data, task, plan.domain.frontend(data.preprocessing)(data.train.inputs[:1]))
    task.check_network(network)
    return network, plan.fitted(len(data.train), data.labels).settings.epochs


def over_limits(network: Network, limits: Limits) -> None:
    """Raises Problem for a network that costs more than it may."""
    for name in COSTS:
        most, actual = getattr(limits, name), getattr(network, name)
        if most is not None and actual > most:
            raise Problem(f"the network has {actual:,} {name}, more than --most-{name} {most:,}", USAGE)


def rungs_of(epochs: int) -> list[int]:
    """The epochs of the trainings of one trial: whole schedules, each three times as long as the one before."""
    counts = [epochs // REDUCTION**power for power in range(RUNGS - 1, -1, -1)]
    return [count for count in counts if count >= 1]


def score(metrics: Mapping[str, float]) -> float:
    """What a study maximises, of the validation metrics of an epoch."""
    name = next((name for name in METRICS if name in metrics), None)
    return metrics[name] if name is not None else -metrics["loss"]


def is_lost(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether the process of a running trial is no more: it ended, or, on another machine, gave no sign of life."""
    host, _, process = str(trial.user_attrs.get("process", "")).rpartition(":")
    if host == socket.gethostname() and process.isdecimal() and not is_alive(int(process)):
        return True
    if host:
        return time.time() - float(trial.user_attrs.get("beat", 0)) > LOST
    return trial.datetime_start is not None and time.time() - trial.datetime_start.timestamp() > UNNAMED


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- the storage


def opened(search: Search, folder: Path, index: int) -> optuna.Study:
    """The study in a folder, made where there is none. Raises Problem for one of other data or another space."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with files.disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    storage = journal(folder) if search.storage is None else database(search.storage)
    directions: list[Literal["maximize", "minimize"]] = (
        ["maximize"] if search.cost is None else ["maximize", "minimize"]
    )
    study = optuna.create_study(
        study_name=NAME if search.storage is None else folder.name, storage=storage, pruner=pruner_of(search),
        directions=directions, load_if_exists=True,
    )  # fmt: skip
    study.sampler = sampler_of(search, index, len(study.get_trials(deepcopy=False)))
    identity = json.loads(json.dumps(search.identity()))
    known = study.user_attrs.get("identity")
    if known is None:
        study.set_user_attr("identity", identity)
    elif known != identity:
        differs = ", ".join(name for name in identity if known.get(name) != identity[name])
        raise Problem(f"{folder} holds a study with other {differs}; name another folder with --out", USAGE)
    return study


def journal(folder: Path) -> optuna.storages.BaseStorage:
    """A journal file. Its lock works on network disks as well (NFS 3). Raises Problem where it cannot be locked."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    path = folder / JOURNAL
    with files.disk_errors(path):
        return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))


def database(url: str) -> optuna.storages.BaseStorage:
    """A database by its URL. Raises Problem for one that cannot be used."""
    import optuna

    try:
        return optuna.storages.RDBStorage(url)
    except Exception as error:  # of SQLAlchemy, or of the driver that it loads
        reason = shortened(str(error).splitlines()[0])
        raise Problem(f"--storage {shortened(scheme(url))}: the database cannot be used: {reason}", FAILED) from None


def scheme(url: str) -> str:
    """A URL without its user and password."""
    kind, _, rest = url.partition("://")
    return f"{kind}://{rest.rpartition('@')[2]}"


def sampler_of(search: Search, index: int, trials: int) -> optuna.samplers.BaseSampler:
    """The sampler of one process. Processes that share a study draw differently, and one that joins it goes on."""
    import optuna

    seed = search.seed * 1000 + index + 1_000_003 * trials
    match search.sampler:
        case "random":
            return optuna.samplers.RandomSampler(seed=seed)
        case "gp":
            return optuna.samplers.GPSampler(seed=seed)
        case "nsga":
            return optuna.samplers.NSGAIISampler(seed=seed)
    with warnings.catch_warnings():  # that grouping dimensions by what reaches them is new
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


def pruner_of(search: Search) -> optuna.pruners.BasePruner:
    """What stops trials at a rung: by default successive halving (Li et al. 2018, arXiv:1810.05934)."""
    import optuna

    if not search.prunes:
        return optuna.pruners.NopPruner()
    if search.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4)
    return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)


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
