"""What may be asked for: a label, a filter's total activation, a unit of a dense layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..explain.places import Place
from .ascent import Goal

LEAK = 0.01


def answer(words: nn.Module, place: Place) -> Callable[[Tensor], Tensor]:
    """(B, C, H, W) maps -> what the layer at the place gives for them. Nothing behind it is computed."""
    layer, last = place.module(words), int(place.number.split(".")[0])

    def run(maps: Tensor) -> Tensor:
        found: list[Tensor] = []
        hook = layer.register_forward_hook(lambda module, given, out: found.append(out))
        try:
            for word in list(words.children())[: last + 1]:
                maps = word(maps)
        finally:
            hook.remove()
        return found[-1]

    return run


def activation(words: nn.Module, place: Place, units: Sequence[int], leak: float = LEAK) -> Goal:
    """The k-th input's degree of activation of the k-th unit: a^k = Σ_i Σ_j max(a^k_ij, 0) of a map, or a row's number.

    What a rectifier would not pass on counts with `leak`, so that a unit which is silent at first can be woken. Without
    it the sum over a first convolution is linear, and asks for all white or all black.
    """
    return _of_unit(words, place, units, lambda own: F.leaky_relu(own, leak).sum((1, 2)))


def beginning(words: nn.Module, place: Place, units: Sequence[int]) -> Goal:
    """The k-th input's answer of the k-th unit at its first place, which sees a phrase of its width and no more."""
    return _of_unit(words, place, units, lambda own: own[:, 0, 0])


def _of_unit(words: nn.Module, place: Place, units: Sequence[int], over: Callable[[Tensor], Tensor]) -> Goal:
    run, indices = answer(words, place), torch.tensor(units)

    def goal(maps: Tensor) -> Tensor:
        given = run(maps)
        own = given[torch.arange(len(given)), indices]
        return own if own.ndim == 1 else over(own)

    return goal


def score(words: nn.Module, asked: Sequence[int]) -> Goal:
    """The k-th input's score for the k-th label, before the softmax (Simonyan et al. 2014, section 2)."""
    indices = torch.tensor(asked)

    def goal(maps: Tensor) -> Tensor:
        scores: Tensor = words(maps)
        return scores[torch.arange(len(scores)), indices]

    return goal
