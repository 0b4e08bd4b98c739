"""Occlusion: the decrease of an output when a patch of the input is replaced (Zeiler and Fergus 2014)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..network import Network, walk

SMALL, PARTS = 24, 8  # a side of fewer positions is covered one by one, a longer one by an eighth of it
MAX_BYTES = 2**28  # of the largest maps of all inputs computed together
MAX_BATCH = 128  # inputs computed together


def occlusion(
    outputs: Callable[[Tensor], Tensor], maps: Tensor, baseline: Tensor, targets: Tensor, network: Network
) -> Tensor:
    """The decrease of the output under a patch of the baseline, the mean over all patches on a position: (B, H, W).

    The baseline is the mean colour of pictures, the silence of a recording, padding of a text. Neighbouring patches
    overlap by half (arXiv:1311.2901, section 4.2).
    """
    from captum.attr import Occlusion

    channels = maps.shape[1]
    patch = tuple(patch_size(length) for length in maps.shape[2:])
    step = tuple(max(1, side // 2) for side in patch)
    largest = max((torch.Size(row.output).numel() for _, row in walk(network.rows)), default=1)
    batch = max(1, min(MAX_BATCH, MAX_BYTES // (8 * largest)) // len(maps))
    with torch.no_grad():
        relevance = Occlusion(outputs).attribute(
            maps,
            sliding_window_shapes=(channels, *patch),
            strides=(channels, *step),
            baselines=baseline,
            target=targets,
            perturbations_per_eval=batch,
        )
    return relevance.mean(1)  # type: ignore[no-any-return]


def patch_size(length: int) -> int:
    """Returns the side of the patch along a side of the input."""
    return 1 if length < SMALL else length // PARTS
