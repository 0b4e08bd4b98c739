"""Training: a generator of epochs that prints nothing.

Every step's randomness is a function of the seed and the step's number, so that a run which was stopped at any step
and goes on from its state ends with the same weights as one that was never stopped. What is promised: the same
machine, device, version, number of threads and seed give the same weights, bit for bit on the CPU.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from . import device as devices
from .data import Examples
from .domain import Augment
from .feed import batch, predict_proba, prefetcher, to_device_if_fits
from .lazy import Prefetcher
from .optimise import EMA, apply_max_norm, large_tables, optimiser, rate
from .problem import Problem
from .robust.adversary import fast
from .robust.capability import PerturbationSpace
from .settings import Settings
from .tta import same

CHECK = 50  # steps between two looks at the loss: reading it makes a GPU wait
SLOWER = 0.3  # what the learning rate is multiplied by when the loss is not finite
TRIES = 3
POOL = 50  # batches whose examples are sorted by length among themselves

Tensors = dict[str, Tensor]


@dataclass
class Epoch:
    """What one pass over the training examples gave. Losses in nats, accuracies as shares, time in seconds."""

    epoch: int  # from 1
    loss: float
    accuracy: float  # on the training batches as they were seen, augmented, by the weights of that moment
    valid_loss: float | None
    valid_accuracy: float | None
    lr: float
    seconds: float


class Trainer:
    """A network in training: everything that a step changes, and the step."""

    def __init__(
        self,
        frontend: nn.Module,
        network: nn.Module,
        settings: Settings,
        device: torch.device,
        world: devices.World,
        right_context: int | None = None,
        space: PerturbationSpace | None = None,
    ) -> None:
        devices.keep_memory(device)
        self.settings, self.device, self.world = settings, device, world
        self.right_context = right_context  # Network.right_context
        self.space = space if settings.adversarial else None  # what the adversary moves
        self.frontend = frontend.to(device)
        self.layout = devices.memory_format(network, device)
        self.dtype = devices.number_format(device, settings.precision)
        self.network = devices.lay_out(network.to(device), self.layout)
        self.runs = self._wrapped()
        self.optimiser = optimiser(self.network, settings)
        some = settings.optimiser == "adamw" and not settings.clip and self.runs is self.network
        for table in large_tables(self.network):  # whose gradient may be of the rows that it is not zero for
            table.sparse = some and device.type == "cpu"
        self.average = EMA(self.network, settings.average)
        self.loss_sum, self.right = torch.zeros((), device=device), torch.zeros((), device=device)
        self.seen = self.number = self.retries = 0  # examples of this epoch; steps done; rates lowered
        self.slower = 1.0  # what the rate is multiplied by after a loss that was not finite
        self.parts = 1  # how many pieces a batch is cut into, for want of memory
        self.remarks: list[str] = []
        self.history: list[Epoch] = []
        self.seconds = 0.0  # of this epoch, before it was interrupted
        self.prefetcher: Prefetcher | None = None  # what fetches batches that do not lie ready

    def _wrapped(self) -> nn.Module:
        network: nn.Module = self.network
        if self.world.size > 1:
            network = DistributedDataParallel(network)
        return torch.compile(network) if self.settings.compile else network  # type: ignore[return-value]

    # --- one step ---------------------------------------------------------------------------------------------------

    def step(self, examples: Examples, augment: Augment, indices: Tensor, share: float) -> None:
        """One batch forward, backward and into the weights; `share` in [0, 1) says how much of the run is done."""
        while True:
            try:
                self._gradients(examples, augment, indices)
                break
            except RuntimeError as error:
                if not devices.out_of_memory(error):
                    raise
                self._smaller_parts(len(indices))
        factor = rate(self.settings, share) * self.slower
        for group in self.optimiser.param_groups:
            group["lr"] = group["max_lr"] * factor
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self.optimiser.step()
        if self.settings.max_norm:
            apply_max_norm(self.network, self.settings.max_norm)
        self.number += 1
        self.average.update(self.number)

    def _gradients(self, examples: Examples, augment: Augment, indices: Tensor) -> None:
        self.optimiser.zero_grad()
        rng = self._seeded()
        loss_sum, right = torch.zeros_like(self.loss_sum), torch.zeros_like(self.right)
        own = self.world.share(indices)
        for part in own.chunk(self.parts):
            inputs, targets = self.prefetcher(part) if self.prefetcher else batch(examples, part, self.device)
            with self.precision():
                inputs, targets = augment.inputs(inputs, targets, rng)
                if self.space and self.space.on == "inputs":
                    inputs = self._fooled(inputs, targets, rng, self.frontend)
                maps, targets = augment.maps(self.frontend(inputs), targets, rng)
                if self.space and self.space.on == "maps":
                    maps = self._fooled(maps, targets, rng)
                scores = self._through(maps)
            loss = F.cross_entropy(scores.float(), targets, label_smoothing=self.settings.smoothing)
            (loss * (len(part) / len(own))).backward()
            loss_sum += loss.detach() * len(part)
            right += (scores.detach().argmax(1) == targets).sum()
        self.loss_sum += loss_sum
        self.right += right
        self.seen += len(own)

    def _fooled(
        self, x: Tensor, targets: Tensor, rng: torch.Generator, frontend: Callable[[Tensor], Tensor] = same
    ) -> Tensor:
        """Inputs or maps as an adversary would have them, who knows the network as it stands."""
        assert self.space is not None

        def score(x: Tensor) -> Tensor:  # not through `runs`: processes that train together wait for a backward pass
            return self.network(frontend(x).contiguous(memory_format=self.layout))  # type: ignore[no-any-return]

        return fast(score, x.float(), targets, self.settings.adversarial, self.space, rng)

    def precision(self) -> AbstractContextManager[Any]:
        """The context that multiplies in the number format of the device."""
        return nullcontext() if self.dtype == torch.float32 else torch.autocast(self.device.type, self.dtype)

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, …) inputs on the device -> (B, K) scores."""
        return self._through(self.frontend(inputs))

    def _through(self, maps: Tensor) -> Tensor:
        return self.runs(maps.contiguous(memory_format=self.layout))  # type: ignore[no-any-return]

    @contextmanager
    def inference(self) -> Iterator[None]:
        """The averaged weights, in evaluation mode and without gradients; training goes on afterwards."""
        self.network.eval()
        with self.average.in_place(), torch.inference_mode(), self.precision():
            yield
        self.network.train()

    def _seeded(self) -> torch.Generator:
        """The randomness of this step: dropout through torch's own generator, augmentation through the one returned."""
        seed = mixed(self.settings.seed, "step", self.number, self.world.rank)
        if self.device.type == "cpu":  # torch.manual_seed spells out the stack for GPUs: 0.1 to 0.6 ms
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        return torch.Generator(self.device).manual_seed(seed)

    def _smaller_parts(self, size: int) -> None:
        if self.world.size > 1:
            raise Problem(f"a batch of {size} does not fit into memory; start again with a smaller --batch")
        if 2 * self.parts > size:
            raise Problem("not even one example fits into memory; take smaller inputs or a smaller network")
        self.parts *= 2
        self.optimiser.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.remarks.append(f"out of memory: each batch of {size} now goes through in {self.parts} parts")

    # --- the whole state --------------------------------------------------------------------------------------------

    def tensors(self) -> Tensors:
        """All that a step changes, by name, as it stands (not copied)."""
        state = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        state |= {f"average.{name}": value for name, value in self.average.weights.items()}
        for index, numbers in self.optimiser.remembered().items():
            state |= {f"optimiser.{index}.{name}": value for name, value in numbers.items()}
        return state | {"loss_sum": self.loss_sum, "right": self.right}

    def to_dict(self) -> dict[str, Any]:
        """What is not a tensor, as JSON."""
        return {
            "number": self.number,
            "seen": self.seen,
            "slower": self.slower,
            "retries": self.retries,
            "parts": self.parts,
            "seconds": self.seconds,
            "history": [asdict(epoch) for epoch in self.history],
        }

    def restore(self, tensors: Tensors, preprocessing: dict[str, Any]) -> None:
        """Go back, or on, to a state that `tensors` and `preprocessing` gave."""

        def under(prefix: str) -> Tensors:
            return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

        self.network.load_state_dict(under("network."))
        self.average.weights = {name: t.to(self.device, copy=True) for name, t in under("average.").items()}
        numbers: dict[int, Tensors] = {}
        for name, value in under("optimiser.").items():
            index, _, key = name.partition(".")
            numbers.setdefault(int(index), {})[key] = value
        self.optimiser.remember(numbers)
        self.loss_sum, self.right = (tensors[name].to(self.device, copy=True) for name in ("loss_sum", "right"))
        for name in ("number", "seen", "slower", "retries", "parts", "seconds"):
            setattr(self, name, preprocessing[name])
        self.history = [Epoch(**epoch) for epoch in preprocessing["history"]]

    def copy(self) -> tuple[Tensors, dict[str, Any]]:
        return {name: value.detach().clone() for name, value in self.tensors().items()}, self.to_dict()

    def finite(self) -> bool:
        return not self.world.agree(not bool(torch.isfinite(self.loss_sum)), self.device)

    def go_back(self, good: tuple[Tensors, dict[str, Any]]) -> None:
        """To the last good state, slower. Raises Problem when that has been tried often enough."""
        retries, slower = self.retries + 1, self.slower * SLOWER
        if retries > TRIES:
            raise Problem(
                f"the loss is not a finite number at step {self.number}, after {TRIES} lower learning rates; "
                "start again with a smaller --lr, or look at the data with neocog check"
            )
        self.remarks.append(
            f"the loss was not finite at step {self.number}: back to step {good[1]['number']}, "
            f"with the learning rate × {slower:.2g}"
        )
        self.restore(*good)
        self.retries, self.slower = retries, slower


def train(
    trainer: Trainer,
    examples: Examples,
    valid: Examples,
    augment: Augment,
    watch: Callable[[Trainer, int], bool] = lambda trainer, steps: False,
) -> Iterator[Epoch]:
    """Train from where the trainer stands to the last epoch, and yield each epoch as it ends.

    `watch(trainer, steps in an epoch)` is called after every step; the generator ends early when it returns True.
    """
    settings, device = trainer.settings, trainer.device
    examples = to_device_if_fits(examples, device).with_right_context(trainer.right_context)
    # An epoch's order lies where the examples do, so that a step sends nothing; but lengths are looked up on the CPU.
    where = examples.targets.device if examples.lengths is None else None
    seen = settings.epoch_of(len(examples))
    order_of = partial(batches, len(examples), settings.batch, settings.seed, most=seen)
    steps = len(order_of(0, where))
    trainer.prefetcher = prefetcher(examples, device)
    valid = valid.subsample(settings.checked)
    total, good, start = steps * settings.epochs, trainer.copy(), time.perf_counter() - trainer.seconds
    trainer.network.train()
    try:
        while trainer.number < total:
            epoch, index = divmod(trainer.number, steps)
            order = order_of(epoch, where, examples.lengths)
            if trainer.prefetcher:
                soon = order[index : index + trainer.prefetcher.depth]
                trainer.prefetcher.prefetch([trainer.world.share(indices) for indices in soon])
            trainer.step(examples, augment, order[index], trainer.number / total)
            trainer.seconds = time.perf_counter() - start
            last = trainer.number % steps == 0
            if last or trainer.number % CHECK == 0:
                if not trainer.finite():
                    trainer.go_back(good)
                    continue
                good = trainer.copy() if not last else good
            if last:
                yield end_epoch(trainer, valid, start)
                start, good = time.perf_counter(), trainer.copy()
            if watch(trainer, steps):
                return
    finally:
        if trainer.prefetcher:
            trainer.prefetcher.close()


def end_epoch(trainer: Trainer, valid: Examples, start: float) -> Epoch:
    """Close the epoch's sums, look at the validation examples with the averaged weights, and begin new sums."""
    trainer.world.mean(trainer.loss_sum, trainer.right)
    devices.finish(trainer.device)
    seconds = time.perf_counter() - start
    valid_loss, valid_accuracy = None, None
    if len(valid):
        probabilities = predict_proba(trainer, valid)
        own = probabilities[np.arange(len(valid)), valid.targets.numpy()]
        valid_loss = float(-np.log(own.clip(1e-12)).mean())
        valid_accuracy = float((probabilities.argmax(1) == valid.targets.numpy()).mean())
    epoch = Epoch(
        epoch=len(trainer.history) + 1,
        loss=float(trainer.loss_sum) / trainer.seen,
        accuracy=float(trainer.right) / trainer.seen,
        valid_loss=valid_loss,
        valid_accuracy=valid_accuracy,
        lr=trainer.optimiser.param_groups[0]["lr"],
        seconds=seconds,
    )
    trainer.history.append(epoch)
    trainer.loss_sum, trainer.right = torch.zeros_like(trainer.loss_sum), torch.zeros_like(trainer.right)
    trainer.seen, trainer.seconds = 0, 0.0
    return epoch


@lru_cache(maxsize=2)
def batches(
    examples: int,
    size: int,
    seed: int,
    epoch: int,
    device: torch.device | None = None,
    lengths: Tensor | None = None,
    most: int | None = None,
) -> tuple[Tensor, ...]:
    """The epoch's batches as indices on a device: every example once, in an order that seed and epoch decide.

    With `most`, an epoch is so many of them, and the next goes on where it ended: all come before one comes again.
    A tail of one example joins the batch before it: batch normalisation has nothing to compare it with. Where the
    examples have `lengths`, those in a batch are of similar length.
    """
    rng = torch.Generator().manual_seed(mixed(seed, "epoch", epoch))
    if most is not None and most < examples:
        order = stretch(examples, seed, epoch * most, most)
    else:
        order = torch.randperm(examples, generator=rng)
    if lengths is not None:  # sorted within pools, which leaves most of the chance in the order
        order = torch.cat([pool[lengths[pool].argsort(stable=True)] for pool in order.split(POOL * size)])
    order = order.to(device)
    parts = list(order.split(size))
    if len(order) % size == 1 and len(parts) > 1:
        *parts, before, tail = parts
        parts.append(torch.cat((before, tail)))
    if lengths is not None:
        parts = [parts[at] for at in torch.randperm(len(parts), generator=rng).tolist()]
    return tuple(parts)


def stretch(examples: int, seed: int, start: int, count: int) -> Tensor:
    """`count` numbers from `start` of an endless row, in which all examples come before one comes again."""
    parts = []
    while count:
        lap, at = divmod(start, examples)
        rng = torch.Generator().manual_seed(mixed(seed, "lap", lap))
        parts.append(torch.randperm(examples, generator=rng)[at : at + count])
        start, count = start + len(parts[-1]), count - len(parts[-1])
    return torch.cat(parts)


def mixed(*parts: object) -> int:
    """One seed from several: neighbouring numbers give unrelated seeds."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=7).digest())
