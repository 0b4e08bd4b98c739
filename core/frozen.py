"""Frozen layers: the first layers of a network in evaluation mode, and what they give, computed once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from .data import Examples
from .domain import Domain
from .feed import map_batches
from .problem import USAGE, Problem
from .sequential import Sequential
from .sources.cache import default_cache
from .tasks import Task
from .tta import TestTimeAugmentation, View

if TYPE_CHECKING:
    from .train import Trainer

RESIDENT = 1 << 28  # bytes of features that stay in memory; more are memory-mapped
BATCH = 32  # of examples: more would need more memory and take no less time
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


def finite_views(domain: Domain, task: Task, augment: str) -> Sequence[View] | None:
    """The views of an example that its augmentation chooses from; None if they are too many to compute.

    Also None where targets have places, which change from view to view.
    """
    if augment.strip() in ("", "none"):
        return [View()]
    if task.has_places:
        return None
    capability = domain.capability(TestTimeAugmentation)
    if capability is None or not capability.are_all(augment):
        return None
    return [view for view in capability.views(augment) if view.default]


def features(trainer: Trainer, examples: Examples, views: Sequence[View] = (View(),)) -> Examples:
    """Returns the examples with what the frozen layers give as their inputs: (N·V, C, H, W) or (N·V, K), float32.

    All examples follow each other in one view, then in the next. They are computed in parts, so that only those of a
    part are in memory beside the array.
    """
    count = len(examples)
    if not count:
        return examples
    array: Tensor | None = None
    for index, view in enumerate(views):
        for start in range(0, count, CHUNK):
            part = examples.subset(torch.arange(start, min(start + CHUNK, count)))
            rows = features_of(trainer, part, view)
            if array is None:
                array = _room((len(views) * count, *rows.shape[1:]))
            array[index * count + start : index * count + start + len(rows)] = rows
    assert array is not None, "there are examples and views"
    names = [examples.names[row] for row in range(count)] * len(views)
    return Examples(array, examples.targets.repeat(len(views), *[1] * (examples.targets.dim() - 1)), names)


def features_of(trainer: Trainer, examples: Examples, view: View) -> Tensor:
    """What the frozen layers give for some examples in a view, on the CPU."""

    def frozen(inputs: Tensor, targets: Tensor) -> Tensor:
        maps: Tensor = trainer.frozen_maps(view.transform(trainer.frontend(inputs)))
        return maps.float()

    with trainer.inference():
        return map_batches(trainer, examples, frozen, BATCH)


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
