"""How far a map of relevance can be trusted.

Deletion and insertion (Petsiuk et al. 2018, arXiv:1806.07421, section 4.1): does the prediction change fastest when the
most relevant positions are removed, and return fastest when they are restored? Sanity check (Adebayo et al. 2018,
arXiv:1810.03292, section 3): is the map one of this network at all, or would random weights give it too?
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..initialize import initialize
from .methods import Method, Subject

Floats = NDArray[np.floating[Any]]

STEPS = 10  # points of a curve
RANDOM_ORDERS = 3  # to compare with
RANDOM_NETWORKS = 3  # to compare with
FAILS_FROM = 0.5  # rank correlation with random networks from which a map fails the sanity check
BATCH_SIZE = 32
PASSES = 2 * (1 + RANDOM_ORDERS) * (STEPS + 1)  # forward passes that the curves take


@dataclass(frozen=True)
class Curves:
    """The value of the output while positions are removed, and while they are restored, most relevant first.

    The value is what `predict` reports: a probability for classification.
    """

    deletion: list[float]  # from all positions to none
    insertion: list[float]  # from none to all
    random_deletion: float  # areas, the mean over RANDOM_ORDERS random orders
    random_insertion: float

    @property
    def areas(self) -> tuple[float, float]:
        return area(self.deletion), area(self.insertion)

    @property
    def better_than_random(self) -> bool:
        """Whether the area under deletion is smaller than in a random order, and that under insertion larger."""
        deletion, insertion = self.areas
        return deletion < self.random_deletion and insertion > self.random_insertion

    def to_dict(self) -> dict[str, Any]:
        deletion, insertion = self.areas
        return {
            "deletion": deletion,
            "insertion": insertion,
            "random_deletion": self.random_deletion,
            "random_insertion": self.random_insertion,
            "deletion_curve": self.deletion,
            "insertion_curve": self.insertion,
            "better_than_random": self.better_than_random,
        }


def area(curve: list[float]) -> float:
    """Returns the area under evenly spaced points over [0, 1], by trapezoids."""
    return float((sum(curve) - (curve[0] + curve[-1]) / 2) / (len(curve) - 1))


def curves(subject: Subject, target: int, relevance: Tensor, mask: Tensor, seed: int = 0) -> Curves:
    """The curves of one input, (1, C, H, W), whose positions in `mask`, (H, W), are ordered by relevance (H, W).

    A removed position gets its value in the baseline: the mean colour, silence, no token.
    """
    positions = mask.flatten().nonzero()[:, 0]
    rng = np.random.default_rng(seed)
    by_relevance = positions[relevance.flatten()[positions].argsort(descending=True, stable=True)]
    random = (positions[torch.from_numpy(rng.permutation(len(positions)))] for _ in range(RANDOM_ORDERS))
    orders = [by_relevance, *random]
    steps = min(STEPS, len(positions))
    counts = [round(len(positions) * step / steps) for step in range(steps + 1)]
    masks = torch.stack([_first(order, count, relevance.numel()) for order in orders for count in counts])
    deletion = _values(subject, masks.logical_not(), target).view(len(orders), -1)
    insertion = _values(subject, masks | ~mask.flatten(), target).view(len(orders), -1)
    return Curves(
        deletion[0].tolist(),
        insertion[0].tolist(),
        float(np.mean([area(curve) for curve in deletion[1:].tolist()])),
        float(np.mean([area(curve) for curve in insertion[1:].tolist()])),
    )


def _first(order: Tensor, count: int, size: int) -> Tensor:
    mask = torch.zeros(size, dtype=torch.bool)
    mask[order[:count]] = True
    return mask


def _values(subject: Subject, masks: Tensor, target: int) -> Tensor:
    """(N, H·W) of which positions are kept -> (N,) the target's value in the prediction."""
    maps, task = subject.maps, subject.task
    values: list[float] = []
    with torch.inference_mode():
        for chunk in masks.split(BATCH_SIZE):
            kept = chunk.view(-1, 1, *maps.shape[2:]).to(maps.device)
            predictions = task.link(subject.module(torch.where(kept, maps, subject.baseline))).cpu()
            values += [task.output_value(prediction, target) for prediction in predictions]
    return torch.tensor(values)


# --- random networks -------------------------------------------------------------------------------------------------


def randomised(module: nn.Module, seed: int) -> nn.Module:
    """Returns a copy with freshly initialised weights and statistics."""
    fresh = copy.deepcopy(module)
    initialize(fresh, seed)
    for layer in fresh.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.reset_parameters()
    return fresh.eval()


def sanity_check(
    subject: Subject,
    target: int,
    method: Method,
    relevance: Tensor,
    mask: Tensor,
    progress: Callable[[], object] = lambda: None,
) -> float:
    """Spearman's rank correlation of a map with those of random networks, the mean over RANDOM_NETWORKS of them."""
    trained = relevance[mask].cpu().numpy()
    correlations = []
    for seed in range(RANDOM_NETWORKS):
        untrained = replace(subject, module=randomised(subject.module, seed + 1))
        map_ = method.compute(untrained, torch.tensor([target], device=subject.maps.device))[0].cpu()
        correlations.append(correlation(trained, map_[mask].numpy()))
        progress()
    return float(np.mean(correlations))


def correlation(x: Floats, y: Floats) -> float:
    """Spearman's: of the ranks, with mean ranks for ties; 0 if all values of x or of y are equal."""
    a, b = ranks(x), ranks(y)
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0


def ranks(values: Floats) -> Floats:
    """Returns the ranks from 1, the mean rank for ties."""
    _, inverse, counts = np.unique(np.nan_to_num(values).round(12), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    mean_ranks: Floats = (ends - (counts - 1) / 2)[inverse.ravel()].astype(np.float64)
    return mean_ranks
