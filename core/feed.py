"""How examples reach the device and answers come back: by the batch, with no Python per example."""

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

ALIKE, DIVIDED = 25, 100  # inputs of unequal length at once, at least; and batches that they make, at most
COPYING = 4  # threads that pick batches out of an array in memory for a device that cannot hold it
COLUMNS = 5000  # of inputs of unequal length at once, where that is more: 100 sentences cost little more than 25


class Predictor(Protocol):
    """What gives scores: a trainer in the middle of its work, or a model from its file."""

    device: torch.device
    task: Task

    @property
    def right_context(self) -> int | None:
        """Network.right_context: where a batch may be cut behind its longest input."""

    def inference(self) -> AbstractContextManager[Any]:
        """Evaluation mode, without gradients, for as long as scores are asked for."""

    def logits(self, inputs: Tensor) -> Tensor:
        """(B, …) compact inputs on the device -> (B, K) scores."""


def to_device_if_fits(examples: Examples, device: torch.device) -> Examples:
    """The examples on the device where they fit there, so that no batch has to travel."""
    if isinstance(examples.inputs, LazyInputs):
        return examples
    return examples.to(device) if devices.fits(examples.inputs.nbytes, device) else examples


def prefetcher(examples: Examples, device: torch.device) -> Prefetcher | None:
    """Threads that fetch the next batches while the device is busy; None where batches lie ready."""
    if isinstance(examples.inputs, LazyInputs):
        workers = 1 if device.type == "cpu" else max(1, processors() // devices.local_size() - 1)
    elif device.type == "cuda" and examples.targets.device != device:
        workers = COPYING
    else:
        return None
    return Prefetcher(partial(fetch_batch, examples, device=device), workers)


def fetch_batch(examples: Examples, indices: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """The examples at `indices`, on the device, wherever they live."""
    inputs, targets = examples[indices]
    if inputs.device != device and device.type == "cuda":
        return inputs.pin_memory().to(device, non_blocking=True), targets.to(device, non_blocking=True)
    return inputs.to(device), targets.to(device)


def predict_proba(model: Predictor, examples: Examples, size: int = 500) -> NDArray[float32]:
    """(N, …) predictions of the task in evaluation mode: probabilities, numbers, …"""
    with model.inference():
        predictions = map_batches(model, examples, lambda x, _: model.task.link(model.logits(x).float()), size)
        return predictions.numpy()


def map_batches(
    model: Predictor, examples: Examples, work: Callable[[Tensor, Tensor], Tensor], size: int = 500
) -> Tensor:
    """What `work` makes of the examples, a row for each: it is given batches of inputs and targets, on the device.

    Batches halve where the memory does not hold them. Inputs of unequal length are with others of their length, the
    longest first.
    """
    examples = examples.with_right_context(model.right_context)
    order = torch.arange(len(examples))
    if examples.lengths is not None:
        order = examples.lengths.argsort(descending=True, stable=True)
    early = prefetcher(examples, model.device) if examples.lengths is None else None  # else sizes change on the way
    fetch = early or partial(fetch_batch, examples, device=model.device)
    parts, start, most = [], 0, size
    try:
        while start < len(examples):
            if examples.lengths is not None:
                longest = max(1, int(examples.lengths[order[start]]))
                size = min(most, max(ALIKE, len(examples) // DIVIDED, COLUMNS // longest))
            indices = order[start : start + size]
            if early:
                early.prefetch(order[start : start + size * early.depth].split(size))
            try:
                parts.append(work(*fetch(indices)).cpu())
            except RuntimeError as error:
                if size == 1 or not devices.out_of_memory(error):
                    raise
                size = most = (size + 1) // 2
                continue
            start += size
    finally:
        if early:
            early.close()
    return torch.cat(parts)[order.argsort()]
