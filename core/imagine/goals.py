"""Objectives of feature visualisation: an output of the network, a filter's total activation, a unit of a layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..explain.activations import activations
from ..explain.places import Place
from ..tasks import Task
from .ascent import Objective

LEAK = 0.01


def activation(network: nn.Module, place: Place, units: Sequence[int], leak: float = LEAK) -> Objective:
    """The activation of the k-th unit for the k-th input: a^k = Σ_i Σ_j max(a^k_ij, 0) of a map, or a row's number.

    Negative numbers count with `leak`, so that a unit without positive ones has a gradient. Without max, the sum over a
    first convolution would be linear, and its maximum all white or all black.
    """
    return _of_unit(network, place, units, lambda maps: F.leaky_relu(maps, leak).sum((1, 2)))


def first_position(network: nn.Module, place: Place, units: Sequence[int]) -> Objective:
    """The k-th unit for the k-th input at its first position, whose receptive field is a phrase of its width."""
    return _of_unit(network, place, units, lambda maps: maps[:, 0, 0])


def _of_unit(network: nn.Module, place: Place, units: Sequence[int], reduce: Callable[[Tensor], Tensor]) -> Objective:
    indices = torch.tensor(units)

    def objective(maps: Tensor) -> Tensor:
        (output,) = activations(network, [place], maps)
        values = output[torch.arange(len(output)), indices]
        return values if values.ndim == 1 else reduce(values)

    return objective


def output(task: Task, network: nn.Module, indices: Sequence[int]) -> Objective:
    """The k-th of the outputs `indices` for the k-th input: its logit for classification (Simonyan et al. 2014, 2)."""
    columns = torch.tensor(indices)

    def objective(maps: Tensor) -> Tensor:
        scalars = task.scalars(network(maps))
        return scalars[torch.arange(len(scalars)), columns]

    return objective
