"""Predictions that lie in an input, such as masks: from windows of it back to the input at its own size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .capability import Capability
from .data import Preprocessing
from .inputs import Input
from .lazy import LazyInputs

Pair = tuple[int, int]
BATCH = 8  # windows at a time: maps of all labels are large


@dataclass(frozen=True)
class Layout:
    """Where windows of equal size lie on an input of `size` (height, width).

    A single window shows the input in its rows and columns `inside`, perhaps at another scale. Several are tiles at the
    input's own scale, with the upper left corners `offsets`, row by row.
    """

    size: Pair
    inside: tuple[slice, slice] = (slice(None), slice(None))
    offsets: Sequence[Pair] = ((0, 0),)
    seconds: float | None = None  # of a recording, whose size is (1, frames)

    def labels(self, maps: Callable[[slice], Tensor]) -> Tensor:
        """The most probable label at each pixel of the input: (H, W) uint8.

        `maps` gives the probabilities (B, K, h, w) of the windows in a slice.
        """
        if len(self.offsets) == 1:
            (map_,) = maps(slice(0, 1))
            shown = map_[:, self.inside[0], self.inside[1]]
            if shown.shape[1:] != self.size:
                shown = F.interpolate(shown[None], size=self.size, mode="bilinear")[0]
            labels: Tensor = shown.argmax(0).to(torch.uint8)
            return labels
        return torch.cat([band.argmax(0).to(torch.uint8) for band in self._bands(maps)])

    def map(self, maps: Callable[[slice], Tensor]) -> Tensor:
        """(K, H, W) the probabilities of all pixels of the input, at the scale of its windows, in memory at once."""
        if len(self.offsets) == 1:
            shown: Tensor = maps(slice(0, 1))[0][:, self.inside[0], self.inside[1]]
            return shown
        blended = torch.cat(list(self._bands(maps)), 1)
        return blended / blended.sum(0).clamp_min(1e-12)

    def _bands(self, maps: Callable[[slice], Tensor]) -> Iterator[Tensor]:
        """The blended maps (K, rows, W) of the input, a band for each row of tiles: only one is in memory.

        Where tiles overlap, each counts by the distance to its border, where it sees least around a pixel.
        """
        height, width = self.size
        start, index, total = 0, 0, torch.zeros(0)
        for top, row in groupby(self.offsets, key=lambda offset: offset[0]):
            columns = [left for _, left in row]
            if len(total):
                yield total[:, : top - start, :width]
                total = F.pad(total[:, top - start :], (0, 0, 0, top - start))
            for first in range(0, len(columns), BATCH):
                part = columns[first : first + BATCH]
                predicted = maps(slice(index, index + len(part)))
                index += len(part)
                weight = tile_weight(predicted.shape[2], predicted.shape[3])
                if not len(total):
                    total = torch.zeros(predicted.shape[1], predicted.shape[2], max(width, predicted.shape[3]))
                for left, tile in zip(part, predicted, strict=True):
                    total[:, :, left : left + tile.shape[2]] += tile * weight
            start = top
        yield total[:, : height - start, :width]


def tile_weight(height: int, width: int) -> Tensor:
    """(H, W) how much each pixel of a tile counts: its distance to the nearest border along both axes."""
    down, across = (
        torch.minimum(torch.arange(1, length + 1), torch.arange(length, 0, -1)).float() for length in (height, width)
    )
    return torch.minimum(down[:, None], across)


def tile_offsets(length: int, tile: int, overlap: float) -> list[int]:
    """The starts of tiles that cover `length` pixels and overlap by at least a share of a tile, evenly spaced."""
    if length <= tile:
        return [0]
    step = max(1, int(tile * (1 - overlap)))
    count = -(-(length - tile) // step) + 1
    return [round(index * (length - tile) / (count - 1)) for index in range(count)]


@dataclass(frozen=True)
class Placed(Capability):
    """Inputs whose pixels keep a place in the input as the user has it."""

    # One input -> its windows (W, …), shaped like examples, and where they lie.
    read: Callable[[Input, Preprocessing], tuple[Tensor | LazyInputs, Layout]]
    # Of pictures: one input as it is, a Pillow image of Layout.size.
    picture: Callable[[Input], Any] | None = None
    # Of pictures: one as (1, C, H, W), its longer side scaled to so many pixels; None keeps its size.
    scaled: Callable[[Input, Preprocessing, int | None], Tensor] | None = None
