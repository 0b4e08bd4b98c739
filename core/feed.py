"""Batches of examples on their way to the device, and predictions on their way back; no Python per example."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol

import torch
from numpy import float32
from numpy.typing import NDArray
from torch import Tensor

from . import device as devices
from .data import Examples
from .lazy import LazyInputs, Prefetcher
from .sources.parallel import processors
from .tasks import Task

MIN_BATCH, MAX_BATCHES = 25, 100  # of inputs of unequal length
NUMBERS = 10_000_000  # in a batch: 66 photos of 224×224, whose maps in a network of photos take half a gigabyte
COPY_THREADS = 4  # that copy batches out of an array in memory for a device that cannot hold it
COLUMNS = 5000  # in a batch of inputs of unequal length: 100 short sentences cost little more than 25


class Predictor(Protocol):
    """Computes logits: a trainer during training, or a model from its file."""

    device: torch.device
    task: Task

    @property
    def right_context(self) -> int | None:
        """Network.right_context: the padding that must follow the longest input of a batch."""

    def inference(self) -> AbstractContextManager[Any]:
        """Returns a context of evaluation mode, without gradients."""

    def logits(self, inputs: Tensor) -> Tensor:
        """Returns the logits of compact inputs on the device: (B, …) -> (B, K)."""


def to_device_if_fits(examples: Examples, device: torch.device) -> Examples:
    """Moves the examples to the device if they fit there, so that batches need no transfer."""
    if isinstance(examples.inputs, LazyInputs):
        return examples
    return examples.to(device) if devices.fits(examples.inputs.nbytes, device) else examples


def prefetcher(examples: Examples, device: torch.device) -> Prefetcher | None:
    """Returns threads that fetch the next batches while the device computes; None if batches are resident."""
    if isinstance(examples.inputs, LazyInputs):
        workers = 1 if device.type == "cpu" else max(1, processors() // devices.local_size() - 1)
    elif device.type == "cuda" and examples.targets.device != device:
        workers = COPY_THREADS
    else:
        return None
    return Prefetcher(partial(fetch_batch, examples, device=device), workers)


def fetch_batch(examples: Examples, indices: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns the inputs and targets at `indices`, on the device."""
    inputs, targets = examples[indices]
    if inputs.device != device and device.type == "cuda":
        return inputs.pin_memory().to(device, non_blocking=True), targets.to(device, non_blocking=True)
    return inputs.to(device), targets.to(device)


def predict_proba(model: Predictor, examples: Examples, size: int = 500) -> NDArray[float32]:
    """Returns the task's predictions in evaluation mode, such as probabilities: (N, …)."""
    with model.inference():
        predictions = map_batches(model, examples, lambda x, _: model.task.link(model.logits(x).float()), size)
        return predictions.numpy()


def measure(
    model: Predictor, examples: Examples, size: int = 500, world: devices.World = devices.ALONE
) -> NDArray[float32]:
    """Returns what the task's metrics need of the predictions for examples (Task.measured): (N, …).

    The processes of a `world` predict a share each, and all have the result.
    """
    task = model.task

    def work(inputs: Tensor, targets: Tensor) -> Tensor:
        return task.measured(task.link(model.logits(inputs).float()), targets)

    order = torch.arange(len(examples))
    shares = len(examples) >= world.size > 1
    with model.inference():
        size = batch_size(task, examples, size)
        rows = map_batches(model, examples, work, size, world.share(order) if shares else order).numpy()
    return world.gathered(rows) if shares else rows


def batch_size(task: Task, examples: Examples, most: int) -> int:
    """The examples of a batch, at most `most`: predictions that lie in an input are as large as it, for each label."""
    if not task.has_maps or not len(examples):
        return most
    return min(most, max(1, NUMBERS // (examples.targets[0].numel() * len(task.labels))))


def map_batches(
    model: Predictor,
    examples: Examples,
    work: Callable[[Tensor, Tensor], Tensor],
    size: int = 500,
    order: Tensor | None = None,
) -> Tensor:
    """Returns the rows that `work` computes from batches of inputs and targets on the device, one for each example.

    `order` holds the indices of the examples, in ascending order; by default all of them. A batch that does not fit
    into memory is halved. Inputs of unequal length are batched by length, the longest first.
    """
    examples = examples.with_right_context(model.right_context)
    if isinstance(examples.inputs, Tensor) and len(examples):
        size = min(size, max(MIN_BATCH, NUMBERS // max(1, examples.inputs[0].numel())))
    order = torch.arange(len(examples)) if order is None else order
    if examples.lengths is not None:
        order = order[examples.lengths[order].argsort(descending=True, stable=True)]
    # Batches of unequal length are not prefetched: their sizes change.
    ahead = prefetcher(examples, model.device) if examples.lengths is None else None
    fetch = ahead or partial(fetch_batch, examples, device=model.device)
    parts, start, most = [], 0, size
    try:
        while start < len(order):
            if examples.lengths is not None:
                longest = max(1, int(examples.lengths[order[start]]))
                size = min(most, max(MIN_BATCH, len(examples) // MAX_BATCHES, COLUMNS // longest))
            indices = order[start : start + size]
            if ahead:
                ahead.prefetch(order[start : start + size * ahead.depth].split(size))
            try:
                parts.append(work(*fetch(indices)).cpu())
            except RuntimeError as error:
                if size == 1 or not devices.out_of_memory(error):
                    raise
                size = most = (size + 1) // 2
                continue
            start += size
    finally:
        if ahead:
            ahead.close()
    return torch.cat(parts)[order.argsort()]
