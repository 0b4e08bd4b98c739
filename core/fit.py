"""A training as a stream of events. `fit` prints, draws and writes nothing: listeners do.

The run folder, the progress bar, TensorBoard and any caller's function are listeners: each is called with every event
and may return further events, which go to all listeners as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from . import boltzmann, closeness, keep, transfer
from . import device as devices
from .augmentation import augmentation
from .budget import fit_epochs
from .constants import network_constants
from .data import Data, Examples
from .feed import measure
from .frozen import features, finite_views
from .head import solve_head
from .initialize import (
    DataInitialization,
    fit_templates,
    freeze_whitening,
    has_templates,
    initialize,
    set_output_bias,
    whiten,
)
from .layer import Layers
from .layers import flatten
from .layers.whole import Dense
from .network import Network
from .plan import Plan, find_recipe
from .problem import USAGE, Problem
from .robust.training import adversary_of
from .selection import Selection, small_validation
from .tasks import Classify, Task, task_class
from .train import Epoch, Tensors, Trainer, steps
from .versions import versions

WHITENING_EXAMPLES = 2000
TEMPLATE_EXAMPLES = 300
BOLTZMANN_EXAMPLES = 4000


@dataclass
class Training:
    """Everything a training consists of. `stop()` ends it after the current step."""

    plan: Plan
    data: Data  # encoded by the task
    task: Task
    network: Network
    trainer: Trainer
    selection: Selection = field(default_factory=Selection)
    seconds: float = 0.0  # over all sittings
    remarks: list[str] = field(default_factory=list)  # of the data, the initialisation and the steps
    origins: list[keep.Origin] = field(default_factory=list)  # what the initial weights are; empty when resumed
    stop_requested: bool = False

    def stop(self) -> None:
        self.stop_requested = True

    @property
    def out_of_patience(self) -> bool:
        """Whether so many epochs have passed since the kept one that training stops early (Settings.patience)."""
        patience = self.plan.settings.patience
        return bool(patience) and len(self.trainer.history) - self.selection.epoch >= patience


@dataclass(frozen=True)
class Begun:
    """The network is built and checked; no step is done yet."""

    training: Training


@dataclass(frozen=True)
class Step:
    """One optimisation step is done."""

    number: int  # from 1, over the whole training
    epoch_steps: int
    epochs: int


@dataclass(frozen=True)
class HeadSolved:
    """The head is solved on the features of the other layers, before the first step."""

    kept: bool  # whether its weights are now the kept ones


@dataclass(frozen=True)
class EpochEnded:
    """One pass over the training examples is done and validated."""

    epoch: Epoch
    kept: bool  # whether its weights are now the kept ones


@dataclass(frozen=True)
class Remark:
    """Something a person should know."""

    text: str


@dataclass(frozen=True)
class Saved:
    """A listener has written the state, from which the training can be resumed."""

    path: str


@dataclass(frozen=True)
class Finished:
    """The training ended: complete, or stopped after a step."""

    training: Training
    complete: bool


Event = Begun | HeadSolved | Step | EpochEnded | Remark | Saved | Finished
Listener = Callable[[Event], Iterable[Event] | None]


@dataclass(frozen=True)
class State:
    """What a training resumes from."""

    tensors: Tensors  # Trainer.tensors
    values: dict[str, Any]  # Trainer.to_dict
    selection: Selection
    seconds: float


class StateMismatch(Exception):
    """A state whose tensors are not those of the training."""


def run(events: Iterable[Event], listeners: Sequence[Listener]) -> None:
    """Delivers every event to every listener, in their order; what they return is delivered as well."""

    def deliver(event: Event) -> None:
        for listener in listeners:
            for further in listener(event) or ():
                deliver(further)

    for event in events:
        deliver(event)


def fit(
    plan: Plan,
    data: Data,
    world: devices.World | None = None,
    device: torch.device | None = None,
    state: State | None = None,
) -> Iterator[Event]:
    """Trains the plan's network on `data`, as the domain loaded it, and yields events.

    The steps: encode the targets, build and check the network, initialise it (not when resuming from `state`),
    train. Raises Problem if the plan does not fit the data, before the first event.
    """
    training = build(plan, data, world or devices.World(), device or devices.choose(plan.settings.device), state)
    if training.plan.minutes is not None and state is None:
        training.remarks.append(fit_epochs(training, training.plan.minutes))
    yield Begun(training)
    yield from (Remark(text) for text in training.remarks)
    yield from _steps(training)


# --- build ---------------------------------------------------------------------------------------------------------


def build(plan: Plan, data: Data, world: devices.World, device: torch.device, state: State | None) -> Training:
    """Everything before the first step, in its order."""
    if world.size > 1:
        facts = {
            "data": data.fingerprint(),
            "settings": str(plan.settings),
            "network": str(plan.network or plan.recipe),
        }
        world.require_same(versions() | facts)
    task = task_of_data(plan, data)
    check_recipe(plan, task)
    plan = plan.with_targets(data.target_spec.resolved(task.name, ()))
    data = task.encode(data)
    if plan.weights and not len(data.valid) and not plan.patience_given:
        plan = replace(plan, settings=replace(plan.settings, patience=0))
    plan = plan.fitted(len(data.train), [] if task.has_places and not task.has_objects else data.labels)
    task = task.configured(plan.settings)
    augmentation(plan.domain, task, plan.settings.augment, data.extras)  # raises Problem for an unknown one
    frontend = plan.domain.frontend(data.preprocessing)
    sample = frontend(data.train.inputs[:2])
    plan, network, module = build_network(plan, data, task, sample)
    task = task.fitted_to(network, data.train)
    if plan.settings.patience and not len(data.valid):
        raise Problem(
            "--patience compares epochs by the validation split, and there is none; raise --valid-share", USAGE
        )
    devices.use_threads(plan.settings.threads)
    remarks = [*data.remarks, *small_validation(len(data.valid), task.name == Classify.name), *random_trunk(plan)]
    origins: list[keep.Origin] = []
    if state is None:
        loaded = initialise(plan, data, task, network, module, frontend)
        remarks += loaded.remarks
        if plan.far is not None and plan.weights is not None:
            losses = closeness.measure(plan.far.early, task, frontend, module.to(device), data.train, device)
            if world.agree(losses.are_far, device):
                remarks.append(closeness.remark(plan.far, losses, plan.weights.name))
                plan = replace(plan, settings=plan.settings.changed(plan.far.settings))
        if plan.weights:
            origins = keep.origins(network, module, loaded.modules, plan.weights.name, plan.settings)
    elif plan.settings.whiten:
        freeze_whitening(module)
    trainer = Trainer(
        task, frontend, module, plan.settings, device, world, network.right_context, adversary_of(plan, task)
    )
    training = Training(plan, data, task, network, trainer, remarks=remarks, origins=origins)
    if state is not None:
        try:
            trainer.restore(state.tensors, state.values)
        except (RuntimeError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise StateMismatch(str(error)) from None
        training.selection, training.seconds = state.selection, state.seconds
    return training


def task_of_data(plan: Plan, data: Data) -> Task:
    """The task that the plan or the data name, with its state from the data."""
    return task_class(plan.source.targets.task or data.target_spec.task or Classify.name).from_data(data)


def random_trunk(plan: Plan) -> list[str]:
    """A remark where a recipe is made for pretrained weights and the user named none."""
    entry = find_recipe(plan.domain, plan.recipe)[0] if plan.recipe else None
    if entry is None or entry.trunk is None or plan.weights:
        return []
    return [f"{plan.recipe} starts from random weights; --weights {entry.trunk} starts from pretrained ones"]


def check_recipe(plan: Plan, task: Task) -> None:
    """Raises Problem for a recipe of another task."""
    if plan.recipe is None:
        return
    wanted = find_recipe(plan.domain, plan.recipe)[0].task
    if wanted not in (None, task.name):
        raise Problem(
            f"--recipe {plan.recipe} is for the task {wanted}, and the task of these data is {task.name}", USAGE
        )


def build_network(plan: Plan, data: Data, task: Task, sample: Tensor) -> tuple[Plan, Network, nn.Module]:
    """The network for maps like `sample` (B, C, H, W), and its module, tried on it; the plan for it.

    Raises Problem for a misfit.
    """
    network = network_of(plan, data, task, sample)
    if plan.keep is not None:
        kept = keep.kept_layers(network, plan.keep, len(task.labels))
        if kept.layers != network.layers:
            network = Network(network.input, kept.layers)
            plan = replace(plan, recipe=None, network=str(network))
        frozen = keep.without_dropout(network.layers, kept.kept) if plan.freeze else plan.settings.frozen
        plan = replace(plan, settings=replace(plan.settings, frozen=frozen), keep=None, freeze=False)
    task.check_network(network)
    devices.require_memory(network.numbers + 2 * max(prod(row.output) for row in network.rows), str(network))
    module = network.module()
    with torch.inference_mode():
        module.eval()(sample)
    return plan, network, module


def network_of(plan: Plan, data: Data, task: Task, sample: Tensor) -> Network:
    """The network of a plan for maps like `sample`, without what --keep changes. Raises Problem for a misfit."""
    channels, height, width = sample.shape[1:]
    constants = {**network_constants(plan.domain, data.preprocessing), **task.constants}
    layers = plan.layers(len(task.labels), constants, task.head_sizes)
    if height == width == 1 and isinstance(layers[0], Dense):  # numbers without places need no word for it
        layers = (flatten, *layers)
    try:
        network = Network((channels, height, width), layers)
        if task.has_maps:
            task.check_network(network)
        return network
    except Problem as problem:
        raise (problem_of_sides(task, layers, sample) if task.has_places else None) or problem from None


def problem_of_sides(task: Task, layers: Layers, sample: Tensor) -> Problem | None:
    """The Problem of a network that does not take the sides of its inputs, but others near them; None otherwise."""
    channels, *sides = sample.shape[1:]
    for multiple in (2, 4, 8, 16, 32):
        height, width = (-(-side // multiple) * multiple for side in sides)
        if [height, width] == sides:
            continue
        try:
            task.check_network(Network((channels, height, width), layers))
        except Problem:
            continue
        return Problem(
            f"this network halves its maps more often than inputs of {sides[0]}×{sides[1]} can be halved; give it "
            f"{height}×{width} (of pictures --size {height}x{width})",
            USAGE,
        )
    return None


def initialise(
    plan: Plan, data: Data, task: Task, network: Network, module: nn.Module, frontend: nn.Module
) -> transfer.Loaded:
    """Sets the initial weights; returns what was taken from a pretrained model, with remarks on it and on the data."""
    initialize(module, plan.settings.seed, plan.settings.dirac)
    task.initialize_output(module)
    if (bias := task.initial_bias(data.train.targets)) is not None:
        set_output_bias(module, bias)
    if plan.settings.whiten:
        whiten(module, frontend(random_examples(data.train, WHITENING_EXAMPLES, plan.settings.seed)))
    if has_templates(module):
        maps = frontend(random_examples(data.train, TEMPLATE_EXAMPLES, plan.settings.seed))
        fit_templates(module.eval(), maps, plan.settings.seed)
    remarks = []
    if plan.settings.rbm:
        maps = frontend(random_examples(data.train, BOLTZMANN_EXAMPLES, plan.settings.seed))
        remarks.append(boltzmann.pretrain(module, maps, plan.settings.rbm, plan.settings.seed))
    if initialization := plan.domain.capability(DataInitialization):
        remarks += initialization.initialize(module, data, plan.source, task.loss)
    loaded = transfer.Loaded()
    if plan.weights:
        loaded = transfer.begin(network, module, plan.domain, data, plan.weights)
    return loaded._replace(remarks=[*remarks, *loaded.remarks])


def random_examples(examples: Examples, count: int, seed: int) -> Tensor:
    """The inputs of so many random examples, or of all."""
    rng = torch.Generator().manual_seed(seed)
    return examples[torch.randperm(len(examples), generator=rng)[:count]][0]


# --- train ---------------------------------------------------------------------------------------------------------


def _steps(training: Training) -> Iterator[Event]:
    trainer, data, plan = training.trainer, training.data, training.plan
    extras = {name: value.to(trainer.device) for name, value in data.extras.items()}
    augment = augmentation(plan.domain, training.task, plan.settings.augment, extras)
    train, valid = data.train, data.valid.subsample(plan.settings.checked)
    views = finite_views(plan.domain, training.task, plan.settings.augment)
    if trainer.frozen is not None and views is not None and not trainer.adversary:
        train, valid = features(trainer, train, views), features(trainer, valid)
        trainer.has_features = True
    if plan.settings.head_first and not trainer.number:
        shown = len(views) if views is not None and trainer.has_features else 1
        trainer.remarks.append(solve_head(trainer, train, shown))
        if len(valid):
            _select_head(training, valid)
        yield from _new_remarks(training)
        yield HeadSolved(len(valid) > 0)
    sitting = time.perf_counter() - training.seconds
    for step in () if training.out_of_patience else steps(trainer, train, valid, augment):
        training.seconds = time.perf_counter() - sitting
        yield from _new_remarks(training)
        if step.epoch is not None:
            kept = training.selection.update(
                training.task, step.epoch, step.predictions, valid.targets, trainer.weights(), plan.settings
            )
            yield EpochEnded(step.epoch, kept)
        yield Step(trainer.number, step.epoch_steps, plan.settings.epochs)
        if step.epoch is not None and training.out_of_patience:
            trainer.remarks.append(
                f"stopped early: no epoch after epoch {training.selection.epoch} was better, for --patience "
                f"{plan.settings.patience}"
            )
            yield from _new_remarks(training)
            break
        if trainer.world.agree(training.stop_requested, trainer.device):
            training.stop_requested = True
            yield Finished(training, complete=False)
            return
    yield Finished(training, complete=True)


def _select_head(training: Training, valid: Examples) -> None:
    """Makes the solved head, as epoch 0, the one that later epochs have to be better than."""
    trainer, task = training.trainer, training.task
    predictions = measure(trainer, valid)
    metrics = task.epoch_metrics(predictions, valid.targets.numpy())
    epoch = Epoch(0, {}, metrics, 0.0, 0.0)
    settings = training.plan.settings
    training.selection.update(task, epoch, predictions, valid.targets, trainer.weights(), settings)
    values = ", ".join(f"val_{name} {value:.4g}" for name, value in metrics.items())
    trainer.remarks.append(f"the head alone, as epoch 0: {values}")


def _new_remarks(training: Training) -> Iterator[Event]:
    remarks = training.trainer.remarks
    while remarks:
        training.remarks.append(remarks.pop(0))
        yield Remark(training.remarks[-1])
