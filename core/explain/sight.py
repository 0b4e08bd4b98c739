"""What a number of a layer sees of the input: how much, from where on, and how far its neighbour's view is moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..layer import Layer
from ..layers import Dense, Embed, Flatten, Whole
from ..network import Network, Row
from .places import Place

Pair = tuple[int, int]


class Sight(NamedTuple):
    """Along height and width, in pixels of the input; `start` is negative where the view begins in the padding."""

    size: Pair = (1, 1)
    step: Pair = (1, 1)
    start: Pair = (0, 0)

    def through(self, layer: Layer, row: Row) -> Sight:
        """After one more layer: r_k = r_{k−1} + (f_k − 1)·∏ s_i, and the padding moves the start."""
        window = layer.window(row.input)
        if window is None:
            return self
        spans = (window.span(0), window.span(1))
        size = [r + (f - 1) * s for r, f, s in zip(self.size, spans, self.step, strict=True)]
        start = [a - sides[0] * s for a, sides, s in zip(self.start, window.sides, self.step, strict=True)]
        step = [s * t for s, t in zip(self.step, window.stride, strict=True)]
        return Sight((size[0], size[1]), (step[0], step[1]), (start[0], start[1]))

    def of(self, row: int, column: int) -> tuple[slice, slice]:
        """The rows and columns of the input that the number at (row, column) sees, without the padding."""
        ends = [
            (start + at * step, start + at * step + size)
            for at, start, step, size in zip((row, column), self.start, self.step, self.size, strict=True)
        ]
        return slice(max(0, ends[0][0]), max(0, ends[0][1])), slice(max(0, ends[1][0]), max(0, ends[1][1]))


def sight(network: Network, place: Place) -> Sight:
    """What the numbers of a layer see of the input; all of it, behind a layer that joins all places."""
    whole = (network.input[1], network.input[2])
    rows, seen = network.rows, Sight()
    numbers = [int(part) for part in place.number.split(".")]
    flat = network.input[1] == 1
    for index, sequence in zip(numbers[::2], [*numbers[1::2], -1], strict=True):
        for row in rows[: index + (sequence < 0)]:
            seen = _after(seen, row, flat, whole)
        rows = rows[index].inside[sequence] if sequence >= 0 else ()
    return seen


def _after(seen: Sight, row: Row, flat: bool, whole: Pair) -> Sight:
    if isinstance(row.layer, Whole | Flatten | Dense):
        return Sight(whole, seen.step)
    if row.inside:
        return _widest([_through(seen, inside, flat, whole) for inside in row.inside])
    if isinstance(row.layer, Embed):
        return seen
    return seen.through(row.layer.flat() if flat else row.layer, row)


def _through(seen: Sight, rows: Sequence[Row], flat: bool, whole: Pair) -> Sight:
    for row in rows:
        seen = _after(seen, row, flat, whole)
    return seen


def _widest(found: Sequence[Sight]) -> Sight:
    size = [max(each.size[axis] for each in found) for axis in (0, 1)]
    start = [min(each.start[axis] for each in found) for axis in (0, 1)]
    return Sight((size[0], size[1]), found[0].step, (start[0], start[1]))
