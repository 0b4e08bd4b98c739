"""How far a map of relevance can be trusted: what the network says of the places that it names.

Two questions. Does the answer change soonest where relevance is taken away, and come back soonest where it is put in
(deletion and insertion: Petsiuk et al. 2018, arXiv:1806.07421, section 4.1)? And is the map one of the network at all,
or would random weights have given it too (Adebayo et al. 2018, arXiv:1810.03292, section 3)?
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
ORDERS = 3  # random orders to compare with
NETWORKS = 3  # random networks to compare with
ALIKE = 0.5  # rank correlation from which a random network answers just as well
TOGETHER = 32  # inputs that are computed at once
PASSES = 2 * (1 + ORDERS) * (STEPS + 1)  # of the network that the curves take


@dataclass(frozen=True)
class Curves:
    """The label's probability while places go (from all to none) and come (from none to all), in order of relevance."""

    deletion: list[float]
    insertion: list[float]
    random_deletion: float  # areas, the mean over ORDERS random orders
    random_insertion: float

    @property
    def areas(self) -> tuple[float, float]:
        return area(self.deletion), area(self.insertion)

    @property
    def better(self) -> bool:
        """Whether it names the places that count: the area under deletion is smaller, that under insertion larger."""
        gone, come = self.areas
        return gone < self.random_deletion and come > self.random_insertion

    def to_dict(self) -> dict[str, Any]:
        gone, come = self.areas
        return {
            "deletion": gone,
            "insertion": come,
            "random_deletion": self.random_deletion,
            "random_insertion": self.random_insertion,
            "deletion_curve": self.deletion,
            "insertion_curve": self.insertion,
            "better_than_random": self.better,
        }


def area(curve: list[float]) -> float:
    """Under a curve of evenly spaced points, between 0 and 1 (trapezoids)."""
    return float((sum(curve) - (curve[0] + curve[-1]) / 2) / (len(curve) - 1))


def curves(subject: Subject, target: int, relevance: Tensor, there: Tensor, seed: int = 0) -> Curves:
    """The curves of one input, (1, C, H, W), whose places that are `there`, (H, W), are ordered by relevance (H, W).

    What goes becomes what it is in an empty input: the mean colour, silence, no token.
    """
    at = there.flatten().nonzero()[:, 0]
    rng = np.random.default_rng(seed)
    own = at[relevance.flatten()[at].argsort(descending=True, stable=True)]
    orders = [own, *(at[torch.from_numpy(rng.permutation(len(at)))] for _ in range(ORDERS))]
    steps = min(STEPS, len(at))
    counts = [round(len(at) * step / steps) for step in range(steps + 1)]
    masks = torch.stack([_first(order, count, relevance.numel()) for order in orders for count in counts])
    gone = _probabilities(subject, masks.logical_not(), target).view(len(orders), -1)
    come = _probabilities(subject, masks | ~there.flatten(), target).view(len(orders), -1)
    return Curves(
        gone[0].tolist(),
        come[0].tolist(),
        float(np.mean([area(each) for each in gone[1:].tolist()])),
        float(np.mean([area(each) for each in come[1:].tolist()])),
    )


def _first(order: Tensor, count: int, size: int) -> Tensor:
    mask = torch.zeros(size, dtype=torch.bool)
    mask[order[:count]] = True
    return mask


def _probabilities(subject: Subject, kept: Tensor, target: int) -> Tensor:
    """(N, H·W) of what is kept -> (N,) probabilities of the label."""
    maps = subject.maps
    told = []
    with torch.inference_mode():
        for part in kept.split(TOGETHER):
            masks = part.view(-1, 1, *maps.shape[2:]).to(maps.device)
            told.append(subject.words(torch.where(masks, maps, subject.empty)).softmax(1)[:, target].cpu())
    return torch.cat(told)


# --- random networks -------------------------------------------------------------------------------------------------


def randomised(words: nn.Module, seed: int) -> nn.Module:
    """A copy with the weights that it might have begun with: nothing learned is left."""
    fresh = copy.deepcopy(words)
    initialize(fresh, seed)
    for module in fresh.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_parameters()
    return fresh.eval()


def likeness(
    subject: Subject, target: int, method: Method, relevance: Tensor, there: Tensor, wait: Callable[[], object]
) -> float:
    """Spearman's rank correlation of a map with those of random networks, the mean over NETWORKS of them."""
    own = relevance[there].cpu().numpy()
    told = []
    for seed in range(NETWORKS):
        other = replace(subject, words=randomised(subject.words, seed + 1))
        map_ = method.compute(other, torch.tensor([target], device=subject.maps.device))[0].cpu()
        told.append(correlation(own, map_[there].numpy()))
        wait()
    return float(np.mean(told))


def correlation(one: Floats, other: Floats) -> float:
    """Spearman's: of the ranks, ties given their mean; 0 where one of the two has no order."""
    a, b = ranks(one), ranks(other)
    spread = float(a.std() * b.std())
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0


def ranks(values: Floats) -> Floats:
    _, place, counts = np.unique(np.nan_to_num(values).round(12), return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    found: Floats = (ends - (counts - 1) / 2)[place.ravel()].astype(np.float64)
    return found
