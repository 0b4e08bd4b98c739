"""How examples reach the device and answers come back: by the batch, with no Python per example."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from numpy import float32
from numpy.typing import NDArray
from torch import Tensor

from . import device as devices
from .domain import Examples


class Answers(Protocol):
    """What gives scores: a trainer in the middle of its work, or a model from its file."""

    device: torch.device

    def answering(self) -> AbstractContextManager[Any]:
        """Evaluation mode, without gradients, for as long as scores are asked for."""

    def scores(self, inputs: Tensor) -> Tensor:
        """(B, …) compact inputs on the device -> (B, K) scores."""


def settle(examples: Examples, device: torch.device) -> Examples:
    """The examples on the device where they fit there, so that no batch has to travel."""
    return examples.to(device) if devices.fits(examples.inputs.nbytes, device) else examples


def batch(examples: Examples, picks: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """The examples at `picks`, on the device, wherever they live."""
    inputs, targets = examples[picks.to(examples.targets.device, non_blocking=True)]
    if inputs.device != device and device.type == "cuda":
        return inputs.pin_memory().to(device, non_blocking=True), targets.to(device, non_blocking=True)
    return inputs.to(device), targets.to(device)


def answers(model: Answers, examples: Examples, size: int = 500) -> NDArray[float32]:
    """(N, K) probabilities in evaluation mode, in batches that halve where the memory does not hold them."""
    parts, start = [], 0
    with model.answering():
        while start < len(examples):
            picks = torch.arange(start, min(start + size, len(examples)))
            try:
                inputs, _ = batch(examples, picks, model.device)
                parts.append(model.scores(inputs).float().softmax(1).cpu())
            except RuntimeError as error:
                if size == 1 or not devices.out_of_memory(error):
                    raise
                size = (size + 1) // 2
                continue
            start += size
    return torch.cat(parts).numpy()
