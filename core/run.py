"""The run folder: a listener that writes what a training yields, and what `neocog resume` goes on from.

model.safetensors   the kept weights, with their card
settings.toml       everything resolved; `neocog train --settings FILE` runs it again
metrics.jsonl       a line an epoch
summary.json        final metrics, seconds, device, versions
state.safetensors   the whole state, to resume from
curves.png, confusion.png, report.html, bad_files.txt
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, TypedDict

import torch

from . import checkpoint, few, files, folded, schema, versions
from . import device as devices
from .checkpoint import Card
from .data import SPLIT_FIELDS, Data, Progress
from .domain import Domain
from .fit import (
    Begun,
    EpochEnded,
    Event,
    Finished,
    HeadSolved,
    Listener,
    Saved,
    State,
    StateMismatch,
    Step,
    Training,
    fit,
    task_of_data,
)
from .fit import run as deliver
from .model_source import ModelSource
from .plan import Plan, plan_from, read_settings
from .problem import DATA, USAGE, Problem, shortened, unusable
from .schema import Between
from .selection import Selection

SAVE_EVERY = 60  # seconds between two saves of the state: what a kill -9 can cost
FILES = (
    *("model.safetensors", "settings.toml", "metrics.jsonl", "summary.json", "state.safetensors"),
    *("curves.png", "confusion.png", "predicted.png", "report.html", "bad_files.txt"),
)


class RunFolder:
    """The listener that keeps a training in a folder. `training` is there from the first event on.

    Without a path, the folder is runs/DOMAIN-RECIPE-TIME. A folder with files in it is replaced only with `force`;
    `resumed` says that it holds the run that goes on.
    """

    def __init__(self, path: str | Path | None = None, force: bool = False, resumed: bool = False) -> None:
        self.path = Path(path) if path else None
        self.force, self.resumed = force, resumed
        self._training: Training | None = None
        self._saved_at = 0.0  # when the state was last saved, by time.perf_counter
        self._save_seconds = 0.0  # how long that took

    @property
    def training(self) -> Training:
        assert self._training is not None, "the training has not begun"
        return self._training

    @property
    def folder(self) -> Path:
        assert self.path is not None, "the training has not begun"
        return self.path

    @property
    def leads(self) -> bool:
        """Whether this process writes: one of those that train together does."""
        return self.training.trainer.world.rank == 0

    @cached_property
    def fingerprint(self) -> str:
        """Of the data, computed once: hashing all names at each save would cost."""
        return self.training.data.fingerprint()

    def __call__(self, event: Event) -> Iterator[Event]:
        match event:
            case Begun(training):
                self._begin(training)
            case HeadSolved(kept=True) if self.leads:
                self.save_model(self.training.selection.to_dict())
            case EpochEnded(kept=kept) if self.leads:
                if kept:
                    self.save_model(self.training.selection.to_dict())
                lines = [json.dumps(epoch.to_dict()) for epoch in self.training.trainer.history]
                files.write_text(self.folder / "metrics.jsonl", "\n".join(lines) + "\n")
            case Step() if self.leads:
                pause = max(SAVE_EVERY, 20 * self._save_seconds)  # saving takes at most a twentieth of the time
                if time.perf_counter() - self._saved_at > pause:
                    yield self.save_state()
            case Finished() if self.leads:
                yield self.save_state()

    def _begin(self, training: Training) -> None:
        self._training = training
        self._saved_at = time.perf_counter()
        if self.path is None:
            self.path = default_folder(training.plan)
        if not self.leads:
            return
        settings = training.plan.toml(str(training.network))
        if self.resumed:
            (self.folder / "summary.json").unlink(missing_ok=True)  # until it is finished again
            files.write_text(self.folder / "settings.toml", settings)
            return
        check_room(training, self.folder)
        make_folder(self.folder, settings, self.force)
        if bad := training.data.bad:
            lines = (f"{entry.file}\t{entry.reason}\n" for entry in bad)
            files.write_text(self.folder / "bad_files.txt", "".join(lines))

    def card(self, metrics: dict[str, Any]) -> Card:
        return card_of(self.training, metrics, self.fingerprint)

    def save_model(self, metrics: dict[str, Any]) -> None:
        checkpoint.save(self.folder / "model.safetensors", self.training.selection.weights, self.card(metrics))

    def save_state(self) -> Saved:
        """Writes all that `resume` needs, in one step: after a kill the last state is intact."""
        start = time.perf_counter()
        training, path = self.training, self.folder / "state.safetensors"
        tensors = training.trainer.tensors()
        if training.selection.losses is not None:
            tensors["selection.losses"] = training.selection.losses
        values = training.trainer.to_dict() | {"selection": training.selection.to_dict()}
        values |= {"total_seconds": training.seconds, "fingerprint": self.fingerprint}
        checkpoint.write_tensors(path, tensors, {"state": json.dumps(values)})
        self._saved_at = time.perf_counter()
        self._save_seconds = self._saved_at - start
        return Saved(str(path))

    def next_commands(self) -> list[str]:
        folder, data = quote(str(self.folder)), quote(self.training.plan.source.data)
        return [f"neocog predict {folder} FILE...", f"neocog evaluate {folder} {data}"]


def card_of(training: Training, metrics: dict[str, Any], fingerprint: str) -> Card:
    """The card of a training's network; `fingerprint` is that of its data."""
    plan, network, task = training.plan, training.network, training.task
    split = {name: getattr(plan.source, name) for name in SPLIT_FIELDS}
    fold = {} if plan.source.fold is None else {"fold": plan.source.fold}
    return Card(
        domain=plan.domain.name,
        network=str(network),
        input=(network.input[0], network.input[1], network.input[2]),
        labels=task.labels,
        preprocessing=training.data.preprocessing,
        task=task.name,
        task_state=task.state(),
        recipe=plan.recipe,
        settings=asdict(plan.settings),
        data={
            **training.data.counts,
            **split,
            **fold,
            "targets": plan.source.targets.to_dict(),
            "fingerprint": fingerprint,
        },
        metrics=metrics,
        versions=versions.versions(),
    )


def default_folder(plan: Plan) -> Path:
    recipe = (plan.recipe or "network").partition("(")[0]
    return Path("runs") / f"{plan.domain.name}-{recipe}-{time.strftime('%Y%m%d-%H%M%S')}"


def make_folder(folder: Path, settings: str, force: bool) -> None:
    """Makes a run folder with its settings. Raises Problem for a folder in use, unless `force` replaces its files."""
    check_new(folder, force)
    with files.disk_errors(folder / "settings.toml"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:  # other files in the folder stay
            (folder / name).unlink(missing_ok=True)
        files.write_text(folder / "settings.toml", settings)


def check_new(folder: Path, force: bool) -> None:
    """Raises Problem if a run cannot be written to a folder, or if it is in use and `force` is not set."""
    files.check_folder(folder)
    if not force and files.names_in(folder):
        raise Problem(f"{folder} exists and is not empty; name another with --out, or replace it with --force", USAGE)


def check_room(training: Training, folder: Path) -> None:
    """Raises Problem if the disk has no room for the run's files."""
    need = 5 * sum(p.nbytes for p in training.trainer.network.parameters()) + 20_000_000
    parent = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if (free := shutil.disk_usage(parent).free) < need:
        raise Problem(
            f"the disk of {parent} has {files.megabytes(free)} free, this run needs {files.megabytes(need)}; "
            "make room, or name a folder on another disk with --out"
        )


def load_data(plan: Plan, world: devices.World, progress: Progress | None) -> Data:
    """The plan's data. With several processes, one decodes the files and the others read its cache."""
    with world.first():
        return folded.load(plan.domain, replace(plan.source, progress=progress), None, None)


def train(
    plan: Plan,
    folder: RunFolder,
    listeners: Sequence[Listener],
    world: devices.World,
    device: torch.device,
    progress: Progress | None = None,
) -> RunFolder:
    """Trains a plan in a folder, from its data to its last event."""
    if world.rank == 0:
        check_new(folder.path or default_folder(plan), folder.force)
    with unusable(plan.file):
        data = load_data(plan, world, progress)
        if (chosen := few.plan_for(plan, data)) is not plan:
            remark = few.remark(chosen, data)
            plan, data = chosen, load_data(chosen, world, progress)
            data.remarks.insert(0, remark)
        deliver(fit(plan, data, world, device), [folder, *listeners])
    return folder


def resume(
    run: RunFolder,
    domain: Domain,
    changes: dict[str, Any],
    listeners: Sequence[Listener],
    world: devices.World,
    progress: Progress | None = None,
    find: Callable[[str], ModelSource] = ModelSource,
) -> RunFolder:
    """Continues a run from its state, with `changes` (epochs, device) to its settings.

    `find` gives the model that its initial weights name, which a run without a state begins with again. Raises Problem
    if the data are no longer those that the run began with.
    """
    file = run.folder / "settings.toml"
    plan = plan_from(read_settings(file), domain, changes, find, file=file)
    device = devices.choose(plan.settings.device)
    try:
        with unusable(file):
            data = load_data(plan, world, progress)
            events = fit(plan, data, world, device, load_state(run.folder, plan, data))
            deliver(events, [run, *listeners])
    except StateMismatch as error:
        raise damaged_state(run.folder / "state.safetensors", error) from None
    return run


def epochs_trained(folder: Path) -> int:
    """The number of finished epochs in a run folder's state; 0 without a state."""
    path = folder / "state.safetensors"
    return len(read_state(path)["history"]) if path.exists() else 0


def out_of_patience(folder: Path, patience: int) -> bool:
    """Whether the training in a run folder has ended early (Settings.patience)."""
    path = folder / "state.safetensors"
    if not patience or not path.exists():
        return False
    state = read_state(path)
    return len(state["history"]) - int(state["selection"]["epoch"]) >= patience


class KeptEpoch(TypedDict):
    """Selection.to_dict in a state file."""

    epoch: Annotated[int, Between(0, 1e9)]
    value: float | None
    reason: str


class StateTable(TypedDict):
    """The JSON of a state file: Trainer.to_dict, and what a run folder adds."""

    fingerprint: str
    total_seconds: Annotated[float, Between(0, 1e12)]
    selection: KeptEpoch
    history: list[dict[str, Any]]
    number: Annotated[int, Between(0, 1e15)]
    epoch_examples: Annotated[int, Between(0, 1e15)]
    lr_factor: float
    retries: Annotated[int, Between(0, 1000)]
    micro_batches: Annotated[int, Between(1, 1e9)]
    seconds: float


def read_state(path: Path) -> dict[str, Any]:
    """The JSON of a state file. Raises Problem if it is damaged."""
    try:
        values = json.loads(checkpoint.header(path)["state"])
        schema.check(StateTable, values)
    except (ValueError, LookupError, RecursionError) as error:
        raise damaged_state(path, error) from None
    return dict(values)


def damaged_state(path: Path, error: Exception) -> Problem:
    reason = shortened(str(error).strip().split("\n")[-1].strip(), 200)
    return Problem(f"{path} is damaged ({reason}); delete it to train this run from its beginning", DATA)


def load_state(folder: Path, plan: Plan, data: Data) -> State | None:
    """The state that a folder holds; None if the run was stopped before its first save: it begins again.

    Raises Problem if the data have changed.
    """
    path = folder / "state.safetensors"
    if not path.exists():
        return None
    values = read_state(path)
    encoded = task_of_data(plan, data).encode(data)
    if values.pop("fingerprint") != encoded.fingerprint():
        raise Problem(
            f"{plan.source.data} is not what it was when this run began, so it cannot continue exactly; "
            "put the files back, or train again",
            DATA,
        )
    tensors = checkpoint.read_tensors(path)
    selection = Selection(**values.pop("selection"), losses=tensors.pop("selection.losses", None))
    if (folder / "model.safetensors").exists():
        selection.weights = checkpoint.read_tensors(folder / "model.safetensors")
    return State(tensors, values, selection, values.pop("total_seconds"))
