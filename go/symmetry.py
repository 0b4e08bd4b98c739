"""The eight symmetries of the board: four turns, and each of them after a reflection.

A symmetry is a number from 0 to 7. Symmetry s reflects left and right if s ≥ 4, then turns s % 4 quarter turns against
the clock. `PRODUCT[s][t]` is the symmetry that does t first and s after it.
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
    """Boards or planes (…, size, size) under a symmetry; a view where NumPy can make one."""
    return np.rot90(boards[..., ::-1] if s >= 4 else boards, s % 4, axes=(-2, -1))


@lru_cache
def table(size: int) -> Any:
    """Where each place goes, int16 (8, size · size + 1): `table(size)[s][place]`; a pass (the last, −1) stays one."""
    places = np.arange(size * size).reshape(size, size)
    found = np.full((COUNT, size * size + 1), PASS, np.int16)
    for s in range(COUNT):
        found[s, turned(places, s).ravel()] = places.ravel()
    found.flags.writeable = False
    return found


def moved(places: Any, s: int, size: int = 19) -> Any:
    """Moves under a symmetry: places, −1 for a pass; a number or an array."""
    return table(size)[s][places]
