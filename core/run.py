"""The run folder: what `train` writes, and how a run is begun, interrupted and resumed; core/finalize.py closes it.

model.safetensors   the best weights on validation, with their card
settings.toml       everything resolved; `neocog train --settings FILE` runs it again
metrics.jsonl       a line an epoch
summary.json        final scores, seconds, device, versions
state.safetensors   what `neocog resume` goes on from
curves.png, confusion.png, report.html, bad_files.txt
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from . import checkpoint, files, transfer, versions
from . import device as devices
from .checkpoint import Card
from .constants import network_constants
from .data import SPLIT_FIELDS, Data, Progress
from .domain import Domain
from .initialize import DataInitialization, initialize, whiten
from .network import Network
from .plan import Plan, plan_from, read_settings
from .problem import DATA, FAILED, USAGE, Problem
from .robust.capability import Attackable
from .train import Epoch, Trainer, train

SAVE_EVERY = 60  # seconds between two saves of the state: what a kill -9 can cost
FILES = (
    *("model.safetensors", "settings.toml", "metrics.jsonl", "summary.json", "state.safetensors"),
    *("curves.png", "confusion.png", "report.html", "bad_files.txt"),
)


def make_folder(out: str | None, plan: Plan, network: Network, force: bool) -> Path:
    """A new run folder. Raises Problem where there is one already, unless `force` says to replace its files."""
    name = f"{plan.domain.name}-{(plan.recipe or 'network').partition('(')[0]}-{time.strftime('%Y%m%d-%H%M%S')}"
    folder = Path(out) if out else Path("runs") / name
    if folder.exists() and not folder.is_dir():
        raise Problem(f"{folder} is a file; name a folder with --out", USAGE)
    if folder.is_dir() and any(folder.iterdir()):
        if not force:
            raise Problem(
                f"{folder} exists and is not empty; name another with --out, or replace it with --force", USAGE
            )
        for each in FILES:  # what is ours goes, whatever else lies there stays
            (folder / each).unlink(missing_ok=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_text(folder / "settings.toml", plan.toml(str(network)))
    except OSError as error:
        raise Problem(f"{folder} cannot be made: {error.strerror}; name another folder with --out", FAILED) from None
    return folder


def load_data(plan: Plan, world: devices.World, progress: Progress | None) -> Data:
    """The plan's data. Where several processes train, one decodes them and the others find them decoded."""
    with world.first():
        data = plan.domain.load(replace(plan.source, progress=progress), None, None)
    if len(data.train) < 2 or len(data.labels) < 2:
        raise Problem(
            f"{plan.source.data} gives {len(data.train)} training example(s) of {len(data.labels)} label(s); "
            "training needs 2 labels and an example of each",
            DATA,
        )
    return data


@dataclass
class Run:
    """A training in its folder. `go` yields the epochs; finalize.close scores the best weights and writes the rest."""

    plan: Plan
    folder: Path
    data: Data
    network: Network
    trainer: Trainer
    best: float = -1.0  # validation accuracy of the weights in model.safetensors
    seconds: float = 0.0  # of training, over all sittings
    stopped: bool = False
    _began: float = 0.0  # when this sitting would have begun, had there been no other; by time.perf_counter
    _saved: float = 0.0  # when the state was last saved
    _saving: float = 0.0  # seconds that took

    @cached_property
    def fingerprint(self) -> str:
        """Of the data, which do not change while a run goes on: hashing all names again at each save would cost."""
        return self.data.fingerprint()

    @property
    def leads(self) -> bool:
        """Whether this process writes: one of those that train together does."""
        return self.trainer.world.rank == 0

    def go(self, watch: Callable[[Trainer, int], bool] = lambda trainer, steps: False) -> Iterator[Epoch]:
        """Train from where the state stands; `watch` returns True to stop after the step. Saves as it goes."""
        self._saved = time.perf_counter()
        self._began = self._saved - self.seconds

        def each_step(trainer: Trainer, steps: int) -> bool:
            self.stopped = trainer.world.agree(watch(trainer, steps), trainer.device)
            self.seconds = time.perf_counter() - self._began
            pause = max(SAVE_EVERY, 20 * self._saving)  # saving takes at most a twentieth of the time
            if self.stopped or time.perf_counter() - self._saved > pause:
                self.save_state()
            return self.stopped

        extras = {name: each.to(self.trainer.device) for name, each in self.data.extras.items()}
        augment = self.plan.domain.augment(self.plan.settings.augment, extras)
        for epoch in train(self.trainer, self.data.train, self.data.valid, augment, each_step):
            if self.leads:
                self._record(epoch)
            yield epoch
        if not self.stopped:
            self.save_state()

    def _record(self, epoch: Epoch) -> None:
        reached = epoch.valid_accuracy if epoch.valid_accuracy is not None else epoch.epoch
        if reached >= self.best:
            self.best = reached
            self.save_model({"valid_accuracy": epoch.valid_accuracy})
        lines = [json.dumps(asdict(each)) for each in self.trainer.history]
        files.write_text(self.folder / "metrics.jsonl", "\n".join(lines) + "\n")

    def card(self, scores: dict[str, Any]) -> Card:
        return Card(
            domain=self.plan.domain.name,
            network=str(self.network),
            input=(self.network.input[0], self.network.input[1], self.network.input[2]),
            labels=self.data.labels,
            preprocessing=self.data.preprocessing,
            recipe=self.plan.recipe,
            settings=asdict(self.plan.settings),
            data={**self.data.counts, **self._division(), "fingerprint": self.fingerprint},
            metrics=scores,
            versions=versions.all_of_them(),
        )

    def _division(self) -> dict[str, Any]:
        return {name: getattr(self.plan.source, name) for name in SPLIT_FIELDS}

    def save_model(self, scores: dict[str, Any]) -> None:
        weights = self.trainer.average.weights or self.trainer.network.state_dict()
        checkpoint.save(self.folder / "model.safetensors", weights, self.card(scores))

    def save_state(self) -> None:
        """All that `resume` needs, in one step: whatever is killed, the last state is whole."""
        if not self.leads:
            return
        began = time.perf_counter()
        state = self.trainer.to_dict() | {"best": self.best, "total_seconds": self.seconds}
        state |= {"fingerprint": self.fingerprint}
        path = self.folder / "state.safetensors"
        checkpoint.write_tensors(path, self.trainer.tensors(), {"state": json.dumps(state)})
        self._saved = time.perf_counter()
        self._saving = self._saved - began

    def load_state(self) -> None:
        """Go on where the folder's state ends. Raises Problem where it does not belong to the data as they are now."""
        path = self.folder / "state.safetensors"
        if not path.exists():
            return  # stopped before the first save: the same seed begins again
        state = json.loads(checkpoint.header(path)["state"])
        if state.pop("fingerprint") != self.fingerprint:
            raise Problem(
                f"{self.plan.source.data} is not what it was when this run began, so it cannot go on exactly; "
                "put the files back, or train anew",
                DATA,
            )
        self.best, self.seconds = state.pop("best"), state.pop("total_seconds")
        self.trainer.restore(checkpoint.read_tensors(path), state)

    def next_commands(self) -> list[str]:
        return [f"neocog predict {self.folder} FILE...", f"neocog evaluate {self.folder} {self.plan.source.data}"]


def begin(
    plan: Plan,
    out: str | None,
    force: bool,
    world: devices.World,
    device: torch.device,
    progress: Progress | None = None,
) -> Run:
    """Load the data, build the network, check both with one batch, and only then make the folder."""
    data = load_data(plan, world, progress)
    plan = plan.fitted(len(data.train), data.labels)
    network, trainer = _prepare(plan, data, world, device)
    room_for(trainer, Path(out or "."))
    folder = make_folder(out, plan, network, force) if world.rank == 0 else Path(out or "runs")
    if data.bad and world.rank == 0:
        files.write_text(folder / "bad_files.txt", "".join(f"{bad.file}\t{bad.reason}\n" for bad in data.bad))
    return Run(plan, folder, data, network, trainer)


def resume(
    folder: Path, domain: Domain, changes: dict[str, Any], world: devices.World, progress: Progress | None = None
) -> Run:
    """The run in `folder` as its state left it, with `changes` (epochs, device) to its settings."""
    plan = plan_from(read_settings(folder / "settings.toml"), domain, changes)
    data = load_data(plan, world, progress)
    anew = not (folder / "state.safetensors").exists()  # else the file that it began from may be gone
    network, trainer = _prepare(plan, data, world, devices.choose(plan.settings.device), anew)
    run = Run(plan, folder, data, network, trainer)
    run.load_state()
    if world.rank == 0:
        files.write_text(folder / "settings.toml", plan.toml(str(network)))
    return run


def _prepare(
    plan: Plan, data: Data, world: devices.World, device: torch.device, anew: bool = True
) -> tuple[Network, Trainer]:
    frontend = plan.domain.frontend(data.preprocessing)
    sample = frontend(data.train.inputs[:2])
    space = plan.domain.require(Attackable, "--adversarial").spaces[0] if plan.settings.adversarial else None
    channels, height, width = sample.shape[1:]
    layers = plan.layers(len(data.labels), network_constants(plan.domain, data.preprocessing))
    network = Network((channels, height, width), layers)
    if network.output != (len(data.labels),):
        raise Problem(
            f"the network gives {network.output}, but there are {len(data.labels)} labels; end it with dense(classes)",
            USAGE,
        )
    module = network.module()
    initialize(module, plan.settings.seed, plan.settings.dirac)
    if plan.settings.whiten:
        indices = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(plan.settings.seed))[:2000]
        whiten(module, frontend(data.train[indices][0]))
    if anew and (initialization := plan.domain.capability(DataInitialization)):
        data.remarks += initialization.initialize(module, data, plan.source)
    if plan.weights and anew:
        data.remarks += transfer.begin(network, module, plan.domain, data, Path(plan.weights))
    plan.domain.augment(plan.settings.augment, data.extras)  # a word that it does not know is said now
    with torch.inference_mode():
        module.eval()(sample)  # whatever does not fit fails before a folder is made
    return network, Trainer(frontend, module, plan.settings, device, world, network.right_context, space)


def room_for(trainer: Trainer, folder: Path) -> None:
    """Raises Problem where the disk has no room for the run's files."""
    need = 5 * sum(p.nbytes for p in trainer.network.parameters()) + 20_000_000
    parent = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if (free := shutil.disk_usage(parent).free) < need:
        raise Problem(
            f"the disk of {parent} has {files.megabytes(free)} free, this run needs {files.megabytes(need)}; "
            "make room, or name a folder on another disk with --out"
        )
