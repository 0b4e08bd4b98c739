"""One process of a study: it makes trials, and tries again those whose process ended."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..fit import Event, Finished, Step, fit, network_of, task_of_data
from ..network import Network
from ..plan import Plan
from ..problem import FAILED, USAGE, Problem
from ..run import RunFolder
from .space import Dimension, Point, Value
from .storage import opened
from .study import (
    COSTS,
    PRUNERS,
    Limits,
    Search,
    Trial,
    counted,
    finished,
    read_trial,
    running,
    score,
    trials_of,
)

if TYPE_CHECKING:
    import optuna

SHORTER = 3  # how many times as many epochs the next training of a trial has
REFUSED_IN_A_ROW = 100  # points that do not fit, after which the space is given up
BEAT, LOST = 60.0, 600.0  # seconds: between signs of life of a trial, and without one until it counts as lost
UNNAMED = 30.0  # seconds until a trial that names no process counts as lost: its process ended as it asked for it
POLL = 1.0  # seconds between looks at the last trials of other processes


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
        rungs = rungs_of(epochs, search.pruner if search.prunes else "none")
        value = float("nan")
        for index, count in enumerate(rungs):
            settings = replace(plan.settings, epochs=count, seed=plan.settings.seed + trial.number)
            is_last = count == rungs[-1]
            kept = RunFolder(self.folder / f"trial-{trial.number}", force=True) if search.keep and is_last else None
            value = self._value(trial, replace(plan, settings=settings, free=plan.free - {"epochs"}), deadline, kept)
            trial.set_user_attr("epochs", count)
            if not is_last:
                trial.report(value, PRUNERS[search.pruner] ** index)
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


def rungs_of(epochs: int, pruner: str) -> list[int]:
    """The epochs of the trainings of one trial: each is a whole schedule, the last one has all epochs."""
    counts = [count for power in (2, 1, 0) if (count := epochs // SHORTER**power)]
    return {"halving": counts, "median": sorted({counts[0], epochs}), "none": [epochs]}[pruner]


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
