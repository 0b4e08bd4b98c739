"""The eight symmetries of the board: four rotations, and each of them after a reflection.

A symmetry is a number from 0 to 7. Symmetry s reflects left and right if s ≥ 4, then rotates s % 4 quarter turns
counter-clockwise. `PRODUCT[s][t]` is the symmetry that applies t first and then s.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .coords import PASS

COUNT = 8
PRODUCT = [
    [(s + t) % 4 + (t & 4) if s < 4 else (s - t) % 4 + (4 - (t & 4)) for t in range(COUNT)] for s in range(COUNT)
]
INVERSE = [row.index(0) for row in PRODUCT]


def turned(boards: Any, s: int) -> Any:
    """Boards or planes (…, size, size) under a symmetry; a view if NumPy can make one."""
    return np.rot90(boards[..., ::-1] if s >= 4 else boards, s % 4, axes=(-2, -1))


@lru_cache
def table(size: int) -> Any:
    """The place after each symmetry, int16 (8, size · size + 1): `table(size)[s][place]`; a pass stays −1."""
    places = np.arange(size * size).reshape(size, size)
    result = np.full((COUNT, size * size + 1), PASS, np.int16)
    for s in range(COUNT):
        result[s, turned(places, s).ravel()] = places.ravel()
    result.flags.writeable = False
    return result


def moved(places: Any, s: int, size: int = 19) -> Any:
    """Places under a symmetry, −1 for a pass; a number or an array."""
    return table(size)[s][places]
