"""Windows and receptive fields: which rows and columns of an input the numbers of a map depend on.

All sizes are pairs (height, width). Every question about windows is answered here: output sizes, receptive fields,
pixels that no window covers, and how much of an input a chain of windows reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import starmap
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]


class Window(NamedTuple):
    """A sliding window; `sides` is the padding before and after, along height and width."""

    size: Pair
    stride: Pair
    dilation: Pair
    sides: tuple[Pair, Pair]
    ceil: bool

    def span(self, axis: int) -> int:
        """Returns the distance from the first to the last number that the window covers, both included."""
        return (self.size[axis] - 1) * self.dilation[axis] + 1

    @property
    def padded(self) -> bool:
        return any(map(any, self.sides))

    def fit(self, length: int, axis: int) -> Fraction:
        """Returns (N + 2P − F)/S + 1, an integer where the last window ends with the input."""
        return Fraction(length + sum(self.sides[axis]) - self.span(axis), self.stride[axis]) + 1

    def out(self, length: int, axis: int) -> int:
        """Returns the number of positions of the window along an axis of `length`."""
        free, stride = length + sum(self.sides[axis]) - self.span(axis), self.stride[axis]
        if not self.ceil:
            return free // stride + 1
        count = -(-free // stride) + 1
        # As in torch, the last window must begin inside the input.
        return count - ((count - 1) * stride >= length + self.sides[axis][0])

    def covered(self, positions: int, axis: int) -> int:
        """Returns the length that a window without padding covers over so many positions."""
        return (positions - 1) * self.stride[axis] + self.span(axis)

    def unseen(self, length: int, axis: int) -> int:
        """Returns the number of rows (axis 0) or columns (axis 1) of the input that no window covers."""
        size, stride, dilation = self.size[axis], self.stride[axis], self.dilation[axis]
        first, positions = -self.sides[axis][0], self.out(length, axis)
        # Windows whose indices are equal modulo `period` cover numbers of one residue class modulo the dilation. In
        # that class, each window covers `size` neighbours, and the next one begins `step` later.
        period, step = dilation // gcd(stride, dilation), stride // gcd(stride, dilation)
        residues = np.arange(min(positions, period))
        starts, counts = first + residues * stride, (positions - 1 - residues) // period + 1

        def covered_before(end: int) -> NDArray[np.int64]:
            """Returns the numbers of each class that a window covers before `end`."""
            reach = np.clip(-(-(end - starts) // dilation), 0, (counts - 1) * step + size)
            index, offset = np.divmod(reach, step)
            return (
                reach if size >= step else np.minimum(index, counts) * size + (index < counts) * offset.clip(max=size)
            )

        return length - int((covered_before(length) - covered_before(0)).sum())


class ReceptiveField(NamedTuple):
    """The input pixels that the number at each position of a map, or of a row, depends on.

    The number at position (i, j) depends on `size` pixels from `start + (i, j)·stride` on, padding included, so that
    `start` may be negative. A layer that mixes all positions leaves stride 0: all numbers have the same field.

    `centre + (i, j)·step` is where the number lies on the input, for overlays; mixing all positions does not move it.
    A row that was flattened from a map keeps the map's fields and its number of `positions`.
    """

    size: Pair = (1, 1)
    stride: Pair = (1, 1)
    start: Pair = (0, 0)
    centre: tuple[float, float] = (0.0, 0.0)
    step: Pair = (1, 1)
    positions: Pair = (1, 1)

    def through(self, window: Window) -> ReceptiveField:
        """Returns the field behind a window: r_k = r_{k−1} + (f_k − 1)·∏_{i<k} s_i along each axis."""
        spans = (window.span(0), window.span(1))
        before = (window.sides[0][0], window.sides[1][0])
        return self._replace(
            size=_pair(r + (f - 1) * s for r, f, s in zip(self.size, spans, self.stride, strict=True)),
            stride=_pair(s * t for s, t in zip(self.stride, window.stride, strict=True)),
            start=_pair(a - p * s for a, p, s in zip(self.start, before, self.stride, strict=True)),
            centre=_centre(
                c + ((f - 1) / 2 - p) * s for c, f, p, s in zip(self.centre, spans, before, self.step, strict=True)
            ),
            step=_pair(s * t for s, t in zip(self.step, window.stride, strict=True)),
        )

    def over(self, positions: Pair) -> ReceptiveField:
        """Returns the field of a number that depends on all of so many positions, rows × columns."""
        size = _pair(r + (n - 1) * s for r, n, s in zip(self.size, positions, self.stride, strict=True))
        return self._replace(size=size, stride=(0, 0), positions=(1, 1))

    def at(self, row: int, column: int, shape: Sequence[int]) -> tuple[slice, slice]:
        """Returns the rows and columns, of an input of `shape` (…, H, W), of the field at a position; no padding."""
        starts = [a + i * s for a, i, s in zip(self.start, (row, column), self.stride, strict=True)]
        down, across = starmap(
            lambda start, size, length: slice(min(max(start, 0), length), min(max(start + size, 0), length)),
            zip(starts, self.size, shape[-2:], strict=True),
        )
        return down, across

    def position(self, index: int) -> Pair:
        """Returns the position of number `index` of a row that was flattened, channel by channel."""
        row, column = divmod(index % (self.positions[0] * self.positions[1]), self.positions[1])
        return row, column


def union(fields: Sequence[ReceptiveField], positions: Pair) -> ReceptiveField:
    """Returns the smallest field that contains all of `fields` at each of so many positions, rows × columns."""
    if len({field.positions for field in fields}) > 1:  # rows flattened from different maps
        fields = [field.over(field.positions) for field in fields]
    stride = _pair(min(field.stride[axis] for field in fields) for axis in (0, 1))
    start, size = [], []
    for axis in (0, 1):
        shifts = [
            (field, step * (field.stride[axis] - stride[axis])) for field in fields for step in (0, positions[axis] - 1)
        ]
        first = min(field.start[axis] + shift for field, shift in shifts)
        start.append(first)
        size.append(max(field.start[axis] + shift + field.size[axis] for field, shift in shifts) - first)
    return fields[0]._replace(size=_pair(size), stride=stride, start=_pair(start))


def needed(windows: Sequence[Window], length: int, axis: int) -> int:
    """Returns how many of `length` rows (axis 0) or columns (axis 1) a chain of windows without padding reads."""
    if not windows or length < windows[0].span(axis):
        return length
    first, rest = windows[0], windows[1:]
    return first.covered(needed(rest, first.out(length, axis), axis), axis)


def _pair(values: Iterator[int] | Sequence[int]) -> Pair:
    first, second = values
    return first, second


def _centre(values: Iterator[float]) -> tuple[float, float]:
    first, second = values
    return first, second
