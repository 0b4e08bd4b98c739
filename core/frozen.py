"""Frozen layers: the first layers of a network in evaluation mode, and what they give, computed once."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from .data import Examples
from .feed import map_batches
from .problem import USAGE, Problem
from .sequential import Sequential
from .sources.cache import default_cache

if TYPE_CHECKING:
    from .train import Trainer

RESIDENT = 1 << 28  # bytes of features that stay in memory; more are memory-mapped
CHUNK = 2000  # examples whose features are computed and written at a time


def split(network: nn.Module, count: int) -> tuple[nn.Module | None, nn.Module]:
    """Returns the first `count` layers, frozen, and the others, which share their modules with the network.

    The frozen ones are in evaluation mode, so that no statistics move. Raises Problem if no weights are left to train.
    """
    if not count:
        return None, network
    layers = list(network.children())
    frozen, rest = Sequential(*layers[:count]), Sequential(*layers[count:])
    if not any(parameter.requires_grad for parameter in rest.parameters()):
        raise Problem(
            f"all {len(layers)} layers with their weights would be frozen, and nothing would be trained; "
            "freeze fewer layers, with --keep N --freeze",
            USAGE,
        )
    return frozen.requires_grad_(False).eval(), rest.with_plan([None] * len(rest))


def features(trainer: Trainer, examples: Examples) -> Examples:
    """Returns the examples with what the frozen layers give as their inputs: (N, C, H, W) or (N, K), float32.

    They are computed in parts, so that only those of a part are in memory beside the array.
    """
    if not len(examples):
        return examples
    array: Tensor | None = None
    for start in range(0, len(examples), CHUNK):
        part = examples.subset(torch.arange(start, min(start + CHUNK, len(examples))))
        rows = features_of(trainer, part)
        if array is None:
            array = _room((len(examples), *rows.shape[1:]))
        array[start : start + len(rows)] = rows
    assert array is not None, "there are examples"
    return replace(examples, inputs=array, lengths=None, right_context=None)


def features_of(trainer: Trainer, examples: Examples) -> Tensor:
    """What the frozen layers give for some examples, on the CPU."""
    with trainer.inference():
        return map_batches(trainer, examples, lambda inputs, _: trainer.frozen_maps(inputs).float(), 100)


def _room(shape: tuple[int, ...]) -> Tensor:
    """An empty array; a large one is a file without a name, which disappears with the process."""
    size = 4 * int(np.prod(shape))
    if size <= RESIDENT:
        return torch.empty(shape)
    folder = default_cache()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(size)
        return torch.from_numpy(np.memmap(file, np.float32, "r+", shape=shape))
