"""Occlusion: a patch of nothing moved over the input; where the score falls, something was (Zeiler and Fergus 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..network import Network, walk

SMALL, PARTS = 24, 8  # a side of fewer places is covered place by place, a longer one by an eighth of it
ROOM = 2**28  # bytes that the largest maps of all inputs computed at once may take
TOGETHER = 128  # of them, at most


def occlusion(words: nn.Module, maps: Tensor, empty: Tensor, targets: Tensor, network: Network) -> Tensor:
    """The fall of the score under a patch of an empty input, the mean over all patches that cover a place: (B, H, W).

    Empty is the mean colour of pictures, the silence of a recording, no token of a text. Neighbouring patches
    overlap by half (arXiv:1311.2901, section 4.2).
    """
    from captum.attr import Occlusion

    channels = maps.shape[1]
    patch = tuple(patch_of(length) for length in maps.shape[2:])
    step = tuple(max(1, side // 2) for side in patch)
    largest = max((torch.Size(row.output).numel() for _, row in walk(network.rows)), default=1)
    together = max(1, min(TOGETHER, ROOM // (8 * largest)) // len(maps))
    with torch.no_grad():
        told = Occlusion(words).attribute(
            maps,
            sliding_window_shapes=(channels, *patch),
            strides=(channels, *step),
            baselines=empty,
            target=targets,
            perturbations_per_eval=together,
        )
    return told.mean(1)  # type: ignore[no-any-return]


def patch_of(length: int) -> int:
    """The side of the patch along a side of the input."""
    return 1 if length < SMALL else length // PARTS
