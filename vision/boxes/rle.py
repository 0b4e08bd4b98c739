"""Run-length encoded masks of COCO: runs of 0 and 1 in turn, down the columns of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .annotations import Flaw

MOST = 200_000_000  # pixels of a mask


def mask_of(value: Any) -> NDArray[np.bool_]:
    """(H, W) the mask of {"size": [H, W], "counts": a list, or COCO's compressed text}. Raises Flaw."""
    size = value.get("size") if isinstance(value, dict) else None
    if not isinstance(size, list) or len(size) != 2 or not all(type(side) is int and side > 0 for side in size):
        raise Flaw("has a run-length encoded mask without its size [height, width]")
    counts = value.get("counts")
    runs = expanded(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise Flaw("has a run-length encoded mask whose counts are no list of numbers of pixels")
    height, width = size
    if sum(runs) != height * width or height * width > MOST:
        raise Flaw(f"has a run-length encoded mask of {sum(runs):,} pixels; expected {height}×{width}")
    bits = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return bits.reshape(width, height).T


def expanded(text: str) -> list[int]:
    """The runs of a compressed text: 5 bits a character, and from the fourth run on the difference to the one before
    the last (cocoapi, maskApi.c: rleFrString). Raises Flaw."""
    runs: list[int] = []
    index = 0
    while index < len(text):
        value, shift, more = 0, 0, True
        while more:
            if index >= len(text) or not 0 <= (bits := ord(text[index]) - 48) < 64:
                raise Flaw("has a run-length encoded mask that breaks off or is damaged")
            value |= (bits & 31) << shift
            more, index, shift = bool(bits & 32), index + 1, shift + 5
            if not more and bits & 16:
                value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def edges_of_mask(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    """The box around the pixels of a mask. Raises Flaw for an empty one."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        raise Flaw("is a mask without any pixel")
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def encoded(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask (H, W) as {"size": [H, W], "counts": its runs}, uncompressed."""
    bits = np.concatenate(([False], mask.T.ravel()))
    changes = np.flatnonzero(bits[1:] != bits[:-1])
    runs: Sequence[int] = np.diff([0, *changes.tolist(), mask.size]).tolist()
    return {"size": [*mask.shape], "counts": list(runs)}
