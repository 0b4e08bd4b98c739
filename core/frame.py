"""Where the content of a file lies in the input that a network gets, for targets and predictions with places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .capability import Capability
from .data import Preprocessing
from .inputs import Input


class Frame(NamedTuple):
    """A position in the input is the position in the file times a scale, plus an offset; both along each axis."""

    height: int  # of the file, in pixels
    width: int
    scale_y: float = 1.0
    scale_x: float = 1.0
    offset_y: float = 0.0
    offset_x: float = 0.0

    def into_input(self, edges: Sequence[float]) -> list[float]:
        """Left, top, right, bottom in the file -> the same in the input."""
        left, top, right, bottom = edges
        return [
            left * self.scale_x + self.offset_x,
            top * self.scale_y + self.offset_y,
            right * self.scale_x + self.offset_x,
            bottom * self.scale_y + self.offset_y,
        ]

    def into_file(self, edges: NDArray[np.floating]) -> NDArray[np.floating]:
        """(N, 4) left, top, right, bottom in the input -> the same in the file, within its border."""
        offsets = np.array([self.offset_x, self.offset_y] * 2)
        scales = np.array([self.scale_x, self.scale_y] * 2)
        limits = np.array([self.width, self.height] * 2)
        moved: NDArray[np.floating] = ((edges - offsets) / scales).clip(0, limits)
        return moved


@dataclass(frozen=True)
class Framed(Capability):
    """Inputs whose content is scaled and moved when they are read."""

    frame: Callable[[Input, Preprocessing], Frame]
