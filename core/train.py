"""The training loop: the step, everything that it changes, and the order of the examples.

The randomness of a step is a function of the seed and the step's number, so that a run which was stopped at any step
and resumed from its state ends with the same weights as one that was never stopped. What is promised: the same
machine, device, version, number of threads and seed give the same weights, bit for bit on the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, Protocol

import torch
from numpy import float32
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from . import device as devices
from .data import Examples
from .domain import Augment
from .feed import fetch_batch, measure, prefetcher, to_device_if_fits
from .frozen import split
from .lazy import Prefetcher
from .optimise import EMA, apply_max_norm, large_tables, lr_schedule, optimiser, shrink_weights
from .problem import Problem
from .settings import Settings
from .shared_norm import Share, share_statistics
from .tasks import Task

CHECK_EVERY = 50  # steps between two looks at the loss: reading it makes a GPU wait
LR_REDUCTION = 0.3  # multiplies the learning rate when the loss is not finite
MAX_RETRIES = 3
POOL = 50  # batches whose examples are sorted by length among themselves
# The attributes of Trainer that are stored as JSON.
STATE = ("number", "epoch_examples", "lr_factor", "retries", "micro_batches", "seconds")

Tensors = dict[str, Tensor]
Predictions = NDArray[float32]


class Adversary(Protocol):
    """What perturbs a batch before the network learns from it, for adversarial training."""

    @property
    def on(self) -> Literal["inputs", "maps"]:
        """Whether it perturbs the compact arrays, or what the frontend makes of them."""

    def __call__(
        self, logits: Callable[[Tensor], Tensor], x: Tensor, targets: Tensor, rng: torch.Generator
    ) -> Tensor: ...


@dataclass
class Epoch:
    """The metrics of one pass over the training examples; times in seconds."""

    epoch: int  # from 1
    train: dict[str, float]  # "loss" and the task's batch metrics: augmented batches, by the weights of each step
    valid: dict[str, float]  # the task's epoch metrics; empty without a validation split
    lr: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The epoch as a line of metrics.jsonl: "loss", "accuracy", "valid_loss", …"""
        valid = {f"valid_{name}": value for name, value in self.valid.items()}
        return {"epoch": self.epoch, **self.train, **valid, "lr": self.lr, "seconds": self.seconds}


class Trainer:
    """A network in training: everything that a step changes, and the step."""

    def __init__(
        self,
        task: Task,
        frontend: nn.Module,
        network: nn.Module,
        settings: Settings,
        device: torch.device,
        world: devices.World,
        right_context: int | None = None,
        adversary: Adversary | None = None,
    ) -> None:
        devices.keep_memory(device)
        self.task, self.settings, self.device, self.world = task, settings, device, world
        self.right_context = right_context  # Network.right_context
        self.adversary = adversary
        self.frontend = frontend.to(device)
        self.layout = devices.memory_format(network, device)
        self.network = devices.lay_out(network.to(device), self.layout)
        self.frozen, self.trained = split(self.network, settings.frozen)
        self.dtype = devices.number_format(device, settings.precision, self.trained)
        self.share = Share()
        self.has_features = False  # whether inputs are what the frozen layers give
        self.runs = self._wrapped()
        self.optimiser = optimiser(self.network, settings)
        sparse = settings.optimiser == "adamw" and not settings.clip and self.runs is self.trained
        for table in large_tables(self.network):  # their gradient may hold only the rows that a batch uses
            table.sparse = sparse and device.type == "cpu"
        self.ema = EMA(self.network, settings.average)
        self.sums = torch.zeros(1 + len(task.batch_metrics), device=device)  # of the loss and metrics, this epoch
        self.number = self.retries = 0  # steps done; retries after a loss that was not finite
        self.epoch_examples = 0  # that this epoch has trained on, in all processes
        self.lr_factor = 1.0  # multiplies the learning rate after a loss that was not finite
        self.micro_batches = settings.accumulate  # into how many a step's examples are cut; more for want of memory
        self.remarks: list[str] = []
        self.history: list[Epoch] = []
        self.seconds = 0.0  # of this epoch, over all sittings
        self.prefetcher: Prefetcher | None = None  # fetches batches that are not resident

    def _wrapped(self) -> nn.Module:
        network: nn.Module = self.trained
        if self.world.size > 1:
            self.share = share_statistics(network)
            network = DistributedDataParallel(network, broadcast_buffers=False)  # their statistics are the same
        return torch.compile(network) if self.settings.compile else network  # type: ignore[return-value]

    # --- one step

    def step(self, examples: Examples, augment: Augment, indices: Tensor, progress: float) -> None:
        """One batch forward, backward and into the weights; `progress` in [0, 1) is the share of the run done."""
        while True:
            try:
                self._gradients(examples, augment, indices)
                break
            except RuntimeError as error:
                if not devices.out_of_memory(error):
                    raise
                self._split_further(len(indices))
        factor = lr_schedule(self.settings, progress) * self.lr_factor
        for group in self.optimiser.param_groups:
            group["lr"] = group["max_lr"] * factor
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()
        if self.settings.l1:
            shrink_weights(self.optimiser.param_groups, self.settings.l1)
        if self.settings.max_norm:
            apply_max_norm(self.network, self.settings.max_norm)
        self.number += 1
        self.ema.update(self.number)

    def _gradients(self, examples: Examples, augment: Augment, indices: Tensor) -> None:
        self.optimiser.zero_grad()
        rng = self._seeded()
        sums = torch.zeros_like(self.sums)
        # Of a process without a share the gradients are zero, which the others wait for all the same.
        for part in self._cut(indices):
            examples_of_chunk = len(part)
            self.share.counts = examples_of_chunk > 0
            chunk = part if examples_of_chunk else indices[:1]
            inputs, targets = self.prefetcher(chunk) if self.prefetcher else fetch_batch(examples, chunk, self.device)
            with self.precision():
                if self.has_features:
                    with self.task.teaching(self.network, targets):
                        logits = self.runs(self._laid(inputs))
                else:
                    logits, targets = self._augmented_logits(augment, inputs, targets, rng)
            loss = self.task.loss(logits.float(), targets, self.settings.smoothing)
            # The mean over the processes is then the mean over all examples, also where their shares differ by one.
            (loss * (examples_of_chunk * self.world.size / len(indices))).backward()
            sums[0] += loss.detach() * examples_of_chunk
            if examples_of_chunk:
                sums[1:] += self.task.batch_sums(logits.detach(), targets)
        self.sums += sums
        self.epoch_examples += len(indices)

    def _cut(self, indices: Tensor) -> Iterable[Tensor]:
        """This process's examples of a step in equal parts: `micro_batches`, or fewer where an epoch ends with less.

        In as many parts as the others, a short step could have parts of a single example, of which batch normalisation
        has no variance. The processes have the same number of parts, of which some may be empty.
        """
        full = -(-self.settings.step_size // (self.world.size * self.micro_batches))  # examples of a part
        most = -(-len(indices) // self.world.size)  # examples of a process
        return self.world.share(indices).tensor_split(min(self.micro_batches, -(-most // full)))

    def _augmented_logits(
        self, augment: Augment, inputs: Tensor, targets: Tensor, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        inputs, targets = augment.inputs(inputs, targets, rng)
        if self.adversary and self.adversary.on == "inputs":
            inputs = self.adversary(self._direct_logits, inputs.float(), targets, rng)
        maps, targets = augment.maps(self.frontend(inputs), targets, rng)
        if self.adversary and self.adversary.on == "maps":
            maps = self.adversary(self._direct_logits_of_maps, maps.float(), targets, rng)
        with self.task.teaching(self.network, targets):
            return self._through(maps), targets

    def _direct_logits(self, inputs: Tensor) -> Tensor:
        return self._direct_logits_of_maps(self.frontend(inputs))

    def _direct_logits_of_maps(self, maps: Tensor) -> Tensor:
        # Past DistributedDataParallel, whose processes would wait for the backward pass of each forward pass.
        return self.network(self._laid(maps))  # type: ignore[no-any-return]

    def _laid(self, maps: Tensor) -> Tensor:
        return maps.contiguous(memory_format=self.layout) if maps.dim() == 4 else maps

    def precision(self) -> AbstractContextManager[Any]:
        """Autocast to the number format of the device."""
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(self.device.type, self.dtype)

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, …) inputs on the device -> (B, K) logits."""
        if self.has_features:
            return self.runs(self._laid(inputs))  # type: ignore[no-any-return]
        return self._through(self.frontend(inputs))

    def frozen_maps(self, maps: Tensor) -> Tensor:
        """Maps of the frontend (B, C, H, W) -> what the frozen layers give."""
        assert self.frozen is not None, "layers are frozen"
        return self.frozen(self._laid(maps))  # type: ignore[no-any-return]

    def maps_to_train_on(self, inputs: Tensor) -> Tensor:
        """(B, …) inputs on the device -> what the layers that are trained receive."""
        maps: Tensor = self.frontend(inputs)
        return self._laid(maps) if self.frozen is None else self.frozen_maps(maps)

    def _through(self, maps: Tensor) -> Tensor:
        if self.frozen is None:
            return self.runs(self._laid(maps))  # type: ignore[no-any-return]
        with torch.no_grad():
            maps = self.frozen_maps(maps)
        return self.runs(maps)  # type: ignore[no-any-return]

    def restart_average(self) -> None:
        """Begins the average of the weights with those of now."""
        self.ema = EMA(self.network, self.settings.average)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """The averaged weights, in evaluation mode and without gradients, inside the context."""
        self.network.eval()
        with self.ema.in_place(), torch.inference_mode(), self.precision():
            yield
        self.training_mode()

    def training_mode(self) -> None:
        """Sets the layers that are trained to training mode; norms whose statistics are fixed stay in evaluation."""
        self.trained.train()
        if self.settings.fixed_norms:
            for module in self.trained.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def _seeded(self) -> torch.Generator:
        """Seeds this step: torch's default generator for dropout, and the returned one for augmentation."""
        seed = mixed(self.settings.seed, "step", self.number, self.world.rank)
        if self.device.type == "cpu":  # torch.manual_seed formats the stack for GPUs: 0.1 to 0.6 ms
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        return torch.Generator(self.device).manual_seed(seed)

    def _split_further(self, size: int) -> None:
        if self.world.size > 1:
            raise Problem(f"a batch of {size} does not fit into memory; start again with a smaller --batch")
        if 2 * self.micro_batches > size:
            raise Problem("not even one example fits into memory; take smaller inputs or a smaller network")
        self.micro_batches *= 2
        self.optimiser.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.remarks.append(f"out of memory: each batch of {size} is now processed in {self.micro_batches} parts")

    # --- an epoch

    def end_epoch(self, valid: Examples, start: float) -> tuple[Epoch, Predictions | None]:
        """Closes the sums of the epoch and predicts the validation split with the averaged weights.

        `start` is when the epoch began, by time.perf_counter. Returns the epoch and the validation predictions.
        """
        self.world.mean(self.sums)
        devices.finish(self.device)
        seconds = time.perf_counter() - start
        predictions = measure(self, valid, world=self.world) if len(valid) else None
        names = ("loss", *self.task.batch_metrics)
        mean = self.sums * self.world.size / self.epoch_examples
        train = dict(zip(names, mean.tolist(), strict=True))
        validation = {} if predictions is None else self.task.epoch_metrics(predictions, valid.targets.numpy())
        lr = self.optimiser.param_groups[0]["lr"]
        epoch = Epoch(len(self.history) + 1, train, validation, lr, seconds)
        self.history.append(epoch)
        self.sums = torch.zeros_like(self.sums)
        self.epoch_examples, self.seconds = 0, 0.0
        return epoch, predictions

    # --- the whole state

    def tensors(self) -> Tensors:
        """All tensors that a step changes, by name (not copied)."""
        state = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        state |= {f"average.{name}": value for name, value in self.ema.weights.items()}
        for index, numbers in self.optimiser.state_dict().items():
            state |= {f"optimiser.{index}.{name}": value for name, value in numbers.items()}
        return state | {"sums": self.sums}

    def to_dict(self) -> dict[str, Any]:
        """All other state, as JSON."""
        return {name: getattr(self, name) for name in STATE} | {"history": [asdict(epoch) for epoch in self.history]}

    def restore(self, tensors: Tensors, state: dict[str, Any]) -> None:
        """Sets the state that `tensors()` and `to_dict()` gave."""

        def under(prefix: str) -> Tensors:
            return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

        self.network.load_state_dict(under("network."))
        self.ema.weights = {name: t.to(self.device, copy=True) for name, t in under("average.").items()}
        numbers: dict[int, Tensors] = {}
        for name, value in under("optimiser.").items():
            index, _, key = name.partition(".")
            numbers.setdefault(int(index), {})[key] = value
        self.optimiser.load_state_dict(numbers)
        self.sums = tensors["sums"].to(self.device, copy=True)
        for name in STATE:
            setattr(self, name, state[name])
        self.history = [Epoch(**epoch) for epoch in state["history"]]

    def copy(self) -> tuple[Tensors, dict[str, Any]]:
        return {name: value.detach().clone() for name, value in self.tensors().items()}, self.to_dict()

    def weights(self) -> Tensors:
        """The weights that predict: the averaged ones where there are any."""
        return self.ema.weights or self.network.state_dict()

    def finite(self) -> bool:
        """Whether the loss of this epoch is finite, in all processes."""
        return not self.world.agree(not bool(torch.isfinite(self.sums[0])), self.device)

    def go_back(self, good: tuple[Tensors, dict[str, Any]]) -> None:
        """Restores the last good state with a lower learning rate. Raises Problem after too many retries."""
        retries, lr_factor = self.retries + 1, self.lr_factor * LR_REDUCTION
        if retries > MAX_RETRIES:
            raise Problem(
                f"the loss is not a finite number at step {self.number}, after {MAX_RETRIES} lower learning rates; "
                "start again with a smaller --lr, or look at the data with neocog check"
            )
        self.remarks.append(
            f"the loss was not finite at step {self.number}: back to step {good[1]['number']}, "
            f"with the learning rate × {lr_factor:.2g}"
        )
        self.restore(*good)
        self.retries, self.lr_factor = retries, lr_factor


class StepResult(NamedTuple):
    """What `steps` yields after each step; of the last step of an epoch with its metrics and predictions."""

    epoch_steps: int  # the number of steps in an epoch
    epoch: Epoch | None = None
    predictions: Predictions | None = None  # for the validation split


def steps(trainer: Trainer, examples: Examples, valid: Examples, augment: Augment) -> Iterator[StepResult]:
    """Trains from the trainer's state to its last epoch and yields after every step."""
    settings, device = trainer.settings, trainer.device
    examples = to_device_if_fits(examples, device).with_right_context(trainer.right_context)
    # An epoch's order is kept where the examples are, so that a step copies nothing; lengths are read on the CPU.
    order_device = examples.targets.device if examples.lengths is None else None
    most = settings.epoch_of(len(examples))
    order_of = partial(batches, len(examples), settings.step_size, settings.seed, most=most)
    epoch_steps = len(order_of(0, order_device))
    total = epoch_steps * settings.epochs
    trainer.prefetcher = prefetcher(examples, device)
    good, start = trainer.copy(), time.perf_counter() - trainer.seconds
    trainer.training_mode()
    try:
        balanced = examples.targets.cpu() if settings.balance == "sample" else None
        while trainer.number < total:
            epoch, index = divmod(trainer.number, epoch_steps)
            order = order_of(epoch, order_device, examples.lengths, balanced)
            if trainer.prefetcher:
                upcoming = order[index : index + trainer.prefetcher.depth]
                trainer.prefetcher.prefetch([trainer.world.share(indices) for indices in upcoming])
            trainer.step(examples, augment, order[index], trainer.number / total)
            trainer.seconds = time.perf_counter() - start
            ends_epoch = trainer.number % epoch_steps == 0
            if ends_epoch or trainer.number % CHECK_EVERY == 0:
                if not trainer.finite():
                    trainer.go_back(good)
                    continue
                good = good if ends_epoch else trainer.copy()
            if ends_epoch:
                result = StepResult(epoch_steps, *trainer.end_epoch(valid, start))
                start, good = time.perf_counter(), trainer.copy()
                yield result
            else:
                yield StepResult(epoch_steps)
    finally:
        if trainer.prefetcher:
            trainer.prefetcher.close()


@lru_cache(maxsize=2)
def batches(
    examples: int,
    size: int,
    seed: int,
    epoch: int,
    device: torch.device | None = None,
    lengths: Tensor | None = None,
    balanced: Tensor | None = None,
    most: int | None = None,
) -> tuple[Tensor, ...]:
    """The batches of an epoch as indices on a device: every example once, in an order that seed and epoch decide.

    With `most`, an epoch has that many examples, and the next continues where it ended: all are used before one is
    used again. A last batch of one example joins the batch before it, since batch normalisation needs two. Where the
    examples have `lengths`, those in a batch are of similar length. `balanced` are targets (N,) of which each is drawn
    equally often.
    """
    rng = torch.Generator().manual_seed(mixed(seed, "epoch", epoch))
    if balanced is not None:
        order = balanced_order(balanced, seed, epoch, min(most or examples, examples))
        order = order[torch.randperm(len(order), generator=rng)]
    elif most is not None and most < examples:
        order = stretch(examples, seed, epoch * most, most)
    else:
        order = torch.randperm(examples, generator=rng)
    if lengths is not None:  # sorted within pools, which keeps most of the order random
        order = torch.cat([pool[lengths[pool].argsort(stable=True)] for pool in order.split(POOL * size)])
    order = order.to(device)
    parts = list(order.split(size))
    if len(order) % size == 1 and len(parts) > 1:
        *parts, before, tail = parts
        parts.append(torch.cat((before, tail)))
    if lengths is not None:
        parts = [parts[index] for index in torch.randperm(len(parts), generator=rng).tolist()]
    return tuple(parts)


def balanced_order(targets: Tensor, seed: int, epoch: int, count: int) -> Tensor:
    """`count` indices of an epoch in which each target occurs equally often, a rare one's examples again and again.

    All examples of a target are used before one is used again, also across epochs.
    """
    values = targets.unique().tolist()
    parts = []
    for position, value in enumerate(values):
        rows = (targets == value).nonzero()[:, 0]
        quota = count * (position + 1) // len(values) - count * position // len(values)
        parts.append(rows[stretch(len(rows), mixed(seed, "target", value), epoch * quota, quota)])
    return torch.cat(parts)


def stretch(examples: int, seed: int, start: int, count: int) -> Tensor:
    """`count` indices from `start` of an endless sequence of permutations of the examples."""
    parts = []
    while count:
        lap, offset = divmod(start, examples)
        rng = torch.Generator().manual_seed(mixed(seed, "lap", lap))
        parts.append(torch.randperm(examples, generator=rng)[offset : offset + count])
        start, count = start + len(parts[-1]), count - len(parts[-1])
    return torch.cat(parts)


def mixed(*parts: object) -> int:
    """One seed from several values: neighbouring numbers give unrelated seeds."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=7).digest())
