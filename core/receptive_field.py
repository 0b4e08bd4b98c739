"""Windows and receptive fields: which rows and columns of an input the numbers of a map depend on.

All sizes are pairs (height, width). Every question about windows is answered here: output sizes, receptive fields,
pixels that no window covers, and how much of an input a chain of windows reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import starmap
from math import ceil, floor, gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
Rational = int | Fraction  # whole unless maps were enlarged beyond the input's scale
RationalPair = tuple[Rational, Rational]


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

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """The padding left, right, above and below, as torch's `pad` takes it."""
        return (*self.sides[1], *self.sides[0])

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

    In an enlarged map neighbours depend on the same pixels in turn: `size` is the smallest that holds those of every
    position, and `size`, `stride` and `start` may be fractions of a pixel.
    """

    size: RationalPair = (1, 1)
    stride: RationalPair = (1, 1)
    start: RationalPair = (0, 0)
    centre: tuple[float, float] = (0.0, 0.0)
    step: tuple[float, float] = (1, 1)
    positions: Pair = (1, 1)

    @property
    def pixels(self) -> Pair:
        """The size in whole pixels."""
        return ceil(self.size[0]), ceil(self.size[1])

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
            step=_centre(s * t for s, t in zip(self.step, window.stride, strict=True)),
        )

    def enlarged(self, factor: Pair, reach: int) -> ReceptiveField:
        """Returns the field behind an enlargement by `factor`, whose numbers mix `reach` neighbours along an axis.

        Of two neighbours, number i depends on ⌊(i + ½)/k − ½⌋ and the next one; of one, on ⌊i/k⌋.
        """
        first = [[Fraction(_first(i, k, reach)) - Fraction(i, k) for i in range(k)] for k in factor]
        spans = [max(shifts) - min(shifts) + reach - 1 for shifts in first]
        return self._replace(
            size=_whole(r + span * s for r, span, s in zip(self.size, spans, self.stride, strict=True)),
            stride=_whole(Fraction(s) / k for s, k in zip(self.stride, factor, strict=True)),
            start=_whole(a + min(shifts) * s for a, shifts, s in zip(self.start, first, self.stride, strict=True)),
            centre=_centre(c - s * (k - 1) / (2 * k) for c, s, k in zip(self.centre, self.step, factor, strict=True)),
            step=_centre(s / k for s, k in zip(self.step, factor, strict=True)),
        )

    def over(self, positions: Pair) -> ReceptiveField:
        """Returns the field of a number that depends on all of so many positions, rows × columns."""
        size = _pair(r + (n - 1) * s for r, n, s in zip(self.size, positions, self.stride, strict=True))
        return self._replace(size=size, stride=(0, 0), positions=(1, 1))

    def at(self, row: int, column: int, shape: Sequence[int]) -> tuple[slice, slice]:
        """Returns the rows and columns, of an input of `shape` (…, H, W), of the field at a position; no padding."""
        starts = [a + i * s for a, i, s in zip(self.start, (row, column), self.stride, strict=True)]
        down, across = starmap(
            lambda start, size, length: slice(
                min(max(floor(start), 0), length), min(max(ceil(start + size), 0), length)
            ),
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


def _first(index: int, factor: int, reach: int) -> int:
    """The first of the numbers that number `index` of an enlarged axis is computed from."""
    return index // factor if reach == 1 else floor(Fraction(2 * index + 1 - factor, 2 * factor))


def _pair(values: Iterator[Rational] | Sequence[Rational]) -> RationalPair:
    first, second = values
    return first, second


def _whole(values: Iterator[Rational]) -> RationalPair:
    """A pair in which numbers without a fraction are ints."""
    first, second = (int(value) if value == int(value) else value for value in values)
    return first, second


def _centre(values: Iterator[float]) -> tuple[float, float]:
    first, second = values
    return first, second
