"""Neocog: one CNN core, and the domains that stand on it.

model = neocog.load("runs/vision-swift-…")      a Model: .predict, .evaluate, .network, .labels, .module
model = neocog.train("vision", "photos/", recipe="swift", epochs=8)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.domain import Domain
    from .core.fit import Event, Listener
    from .core.model import Model
    from .core.model_source import ModelSource

DOMAINS = ("vision", "speech", "text", "go", "playground")
PLACES = {"playground": "web.playground"}  # of domains that do not stand at the root
# Models of other projects, and their domain.
PRETRAINED = {f"efficientnet-lite{size}": "vision" for size in range(3)}

RUN_NAMES = ("@latest", "@best")  # of the finished runs below runs/

__all__ = ["DOMAINS", "domain", "find", "load", "train"]


def domain(name: str) -> Domain:
    """A domain by its name. Raises Problem for an unknown one."""
    from .core.problem import USAGE, Problem, did_you_mean

    if name not in DOMAINS:
        hint = did_you_mean(name, DOMAINS)
        raise Problem(f"{name} is not a domain{hint}; the domains are {', '.join(DOMAINS)}", USAGE)
    value: Domain = import_module(f".{PLACES.get(name, name)}", __name__).DOMAIN
    return value


def find(model: str) -> ModelSource:
    """The model that a text names: a path, a run folder, a domain for its included model, or a name in PRETRAINED.

    @latest and @best are runs below runs/. A folder of such a name is ./go. Raises Problem if there is none.
    """
    from .core import checkpoint
    from .core.model_source import ModelSource
    from .core.transfer import Transferable

    if model in RUN_NAMES and not os.path.exists(model):
        from .core.run_table import named_run

        return ModelSource(str(named_run(model) / "model.safetensors"))
    included = Path(__file__).parent / model / "weights" / "model.safetensors"
    if model in DOMAINS and included.is_file():
        return ModelSource(str(included))
    if (owner := PRETRAINED.get(model)) and not os.path.exists(model):
        return ModelSource(model, domain(owner).require(Transferable, "load").pretrained[model])
    return ModelSource(str(checkpoint.find(model, PRETRAINED)))


def load(model: str, device: str = "auto", symmetries: int | None = None) -> Model:
    """Load a model on a device: a file, a run folder, or the name of an included or pretrained model.

    Predictions are averaged over `symmetries` views of each input, of those that training showed alike; by default
    over the model's default views.
    """
    from .core import model as models
    from .core.problem import DATA, Problem

    source = find(model)
    if source.card.domain not in DOMAINS:
        raise Problem(f"{source.name} is of the domain {source.card.domain}, which this version does not have", DATA)
    return models.Model(domain(source.card.domain), source.card, source.weights(), device, symmetries)


def train(
    name: str,
    data: str,
    recipe: str | None = None,
    network: str | None = None,
    weights: str | None = None,
    keep: str | None = None,
    freeze: bool = False,
    out: str | None = None,
    force: bool = False,
    options: dict[str, Any] | None = None,
    task: str | None = None,
    label_columns: Sequence[str] = (),
    callback: Callable[[Event], object] | None = None,
    listeners: Sequence[Listener] = (),
    **settings: Any,
) -> Model:
    """Train a network of a domain on `data` and return the best model; the run is kept in the folder `out`.

    `weights` is a pretrained model; without a recipe or a network, its network is trained further. `keep` ("all", "12")
    keeps its first layers and gives it a new head, `freeze` freezes them.
    `settings` are those of core/settings.py (epochs, batch, lr, …), `options` those of the domain (size, colour, …).
    `task` is classify, multilabel, regress or heads, by default what the targets show; `label_columns` name their
    columns in a table, "price" or "price:regress".
    `callback` is called with every event of core/fit.py; if it returns True, the training stops after the step, and
    the model is that of the kept epoch. `listeners` are called with every event as well, and may return further events.
    Raises Problem if the training is stopped before the first epoch has ended.
    """
    from .core import device as devices
    from .core import run as runs
    from .core.data import DataSpec
    from .core.finalize import finalize
    from .core.plan import Plan
    from .core.problem import INTERRUPTED, Problem
    from .core.targets import TargetSpec

    source = DataSpec(data, targets=TargetSpec(task, tuple(label_columns)), options=options or {})
    plan = Plan.of(domain(name), source, recipe, network, settings, find(weights) if weights else None, keep, freeze)
    device = devices.choose(plan.settings.device)
    run = runs.RunFolder(out, force)

    def call(event: Event) -> None:
        if callback is not None and callback(event) is True:
            run.training.stop()

    with devices.world(device) as world:
        runs.train(plan, run, [*listeners, call], world, device)
        if not run.training.selection.weights:
            raise Problem(f"stopped before the first epoch ended; resume with: neocog resume {run.folder}", INTERRUPTED)
        finalize(run)
    return load(str(run.folder))
