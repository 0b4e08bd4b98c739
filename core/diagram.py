"""A network's measurements as a table for the terminal, and the network as a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

from rich.box import Box as Rules
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

from . import drawing
from .combinators import Parallel, Residual
from .drawing import AMBER, BLUE, GREEN, GREY, INK, PLAIN, VIOLET, Box, Colour, Rect
from .layer import Shape
from .layers.whole import Dense
from .layers.windows import Filters
from .layers.words import Embed
from .network import Network, Row
from .receptive_field import Window

WIDE = 110  # columns from which counts are written out
HEADS = ("#", "layer", "output", "parameters", "multiply-\naccumulates", "receptive\nfield", "unseen")
RULES = Rules("    \n    \n ── \n    \n    \n ── \n    \n    \n")  # a rule under the heads, one over the totals


# --- the table -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Described:
    """A network's measurements as a rich renderable that fits the width of the console."""

    network: Network

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield _table(self.network, options.max_width)
        if sentences := remarks(self.network):
            yield ""
            yield from map(Text, sentences)


def table(network: Network) -> Described:
    """Returns the table and, below it, the strides that do not come out even, for rich's `print`."""
    return Described(network)


def _table(network: Network, room: int) -> Table:
    exact = room >= WIDE
    lines: list[tuple[str, ...]] = [("", "input", times(network.input), "", "", "", "")]
    lines += [(place, guide + title(row), *_cells(row, exact)) for place, guide, row in numbered(network.rows)]
    totals = ("", "total", times(network.output), *_counts(network.parameters, network.macs, exact))
    widths = [
        max(cell_len(part) for cell in column for part in cell.split("\n"))
        for column in zip(HEADS, *lines, strict=True)
    ]
    gap = 2 if sum(widths) + 2 * len(HEADS) <= room else 1  # a long word gets the room before the gaps do
    widths[1] = min(widths[1], max(12, room - gap * (len(HEADS) - 1) - sum(widths) + widths[1]))
    drawn = Table(box=RULES, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False, show_footer=True)
    for head, total, width in zip(HEADS, (*totals, times(network.receptive_field), ""), widths, strict=True):
        side: JustifyMethod = "left" if head in HEADS[:3] else "right"
        drawn.add_column(head, total, width=width, justify=side, no_wrap=True, overflow="ellipsis")
    for line in lines:
        drawn.add_row(*line, style="dim" if "." in line[0] else "")
    return drawn


def _cells(row: Row, exact: bool) -> list[str]:
    return [
        times(row.output),
        *_counts(row.parameters, row.macs, exact),
        times(row.receptive_field),
        ", ".join(map(str, row.unseen)) if any(row.unseen) else "",
    ]


def _counts(parameters: int, macs: int, exact: bool) -> tuple[str, str]:
    """Parameters in full; multiply-accumulates in full where there is room; nothing for none."""
    return f"{parameters:,}" if parameters else "", "" if not macs else f"{macs:,}" if exact else short(macs)


def numbered(rows: Sequence[Row], prefix: str = "", guide: str = "") -> Iterator[tuple[str, str, Row]]:
    """Yields every row with its number and its bracket: 4.1.0 is layer 0 of branch 1 of layer 4."""
    for index, row in enumerate(rows):
        yield f"{prefix}{index}", guide + _bracket(index, len(rows)) if prefix else "", row
        for branch, rows_of_branch in enumerate(row.branches):
            yield from numbered(rows_of_branch, f"{prefix}{index}.{branch}.", guide + "│ " if prefix else "")


def _bracket(index: int, length: int) -> str:
    return "╶ " if length == 1 else "┌ " if index == 0 else "└ " if index == length - 1 else "│ "


def title(row: Row) -> str:
    """Returns a layer's text; of a combinator only the name."""
    return f"{row.layer.name}(…)" if row.branches else str(row.layer)


def remarks(network: Network) -> list[str]:
    """Returns a sentence for each stride that does not come out even; one for all that leave only padding unseen."""
    misfits = [(number, row) for number, _, row in numbered(network.rows) if row.misfit]
    sentences = [f"layer {number}, {row.layer}: {row.misfit}" for number, row in misfits if any(row.unseen)]
    harmless = [number for number, row in misfits if not any(row.unseen)]
    if harmless:
        which = f"layer{'s' * (len(harmless) > 1)} {', '.join(harmless)}"
        sentences.append(f"{which}: the stride does not come out even, but leaves only padding unseen")
    return sentences


def times(numbers: Sequence[int]) -> str:
    return "×".join(map(str, numbers))


def short(count: int) -> str:
    """Returns 152100 as 152.1 k."""
    if count < 1000:
        return str(count)
    power = 0
    value = float(count)
    while value >= 999.95 and power < 5:
        value, power = value / 1000, power + 1
    return f"{value:.{2 if value < 9.995 else 1}f} {' kMGTP'[power]}"


# --- the drawing ---------------------------------------------------------------------------------------------------

LINE_WIDTH = 1080  # of a drawing at most; longer networks continue in the next line
GAP = 40
LARGEST = 118  # the longer side of the largest map


class Step(NamedTuple):
    """A layer that changes its input, the layers behind it that do not, and how often they are repeated."""

    row: Row | None  # None is the input
    after: tuple[str, ...] = ()
    repeat: int = 1


class Item(NamedTuple):
    """An element of a line: a shape with its size above and its layer below, or a block."""

    box: Box
    above: str = ""
    below: tuple[str, ...] = ()  # the first is the layer
    repeat: int = 1
    window: tuple[float, float] = (0, 0)  # its size, as shares of the map before
    full: bool = False  # fully connected

    @property
    def width(self) -> float:
        below = [drawing.text_width(line, 11 if i == 0 else 10) for i, line in enumerate(self.below)]
        above = drawing.text_width(self.above, 11) + 60 * (self.repeat > 1 and bool(self.above))
        return max([self.box.width, above, *below])

    @property
    def up(self) -> float:
        return self.box.up + (20 if self.above else 4)


def svg(network: Network, title: str) -> str:
    """Returns the network as a self-contained SVG: maps as stacks of sheets, rows of numbers as bars.

    Without a title it has no heading.
    """
    lines = _lines(_items(network))
    width = max(480.0 if title else 0.0, 48 + max(map(_length, lines)), 48 + drawing.text_width(title, 17))
    drawn, y = (_heading(network, title), 78.0) if title else ([], 24.0)
    for index, items in enumerate(lines):
        axis = y + max(item.up for item in items)
        bottom = axis + max(item.box.down for item in items)
        drawn += _line(items, axis, bottom, first=index == 0, last=index == len(lines) - 1, width=width)
        y = bottom + 20 + 14 * max(len(item.below) for item in items) + 22
    width, y = ceil(width), ceil(y)
    size = f'viewBox="0 0 {width} {y}" width="{width}" height="{y}"'
    name = drawing.escaped(title)
    ground = drawing.rect(Rect(0, 0, width, y), Colour(drawing.PAPER, drawing.PAPER), radius=8)
    body = "\n".join([f"<title>{name}</title>", ground, *drawn])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{drawing.FONT}">\n{body}\n</svg>\n'


def _heading(network: Network, title: str) -> list[str]:
    subtitle = f"{network.parameters:,} parameters  ·  {short(network.macs)} multiply-accumulates"
    return [
        drawing.text(24, 34, title, 17, INK, "start", bold=True),
        drawing.text(24, 53, subtitle, 11.5, GREY, "start"),
    ]


def steps(rows: Sequence[Row]) -> list[Step]:
    """Returns the input and each layer that changes it, with the layers behind it that keep the shape at no cost."""
    collected = [Step(None)]
    for row in rows:
        if row.output == row.input and not row.macs and not row.branches and row.window is None:
            collected[-1] = collected[-1]._replace(after=(*collected[-1].after, str(row.layer)))
        else:
            collected.append(Step(row))
    return collected


def folded(unfolded: Sequence[Step]) -> list[Step]:
    """Returns equal neighbours as one step with a count."""
    result: list[Step] = []
    for step in unfolded:
        if result and step.row and result[-1].row and _same(step, result[-1]):
            result[-1] = result[-1]._replace(repeat=result[-1].repeat + 1)
        else:
            result.append(step)
    return result


def _same(a: Step, b: Step) -> bool:
    assert a.row and b.row
    return (a.row.layer, a.row.output, a.after) == (b.row.layer, b.row.output, b.after)


def _items(network: Network) -> list[Item]:
    drawn = steps(network.rows)
    drawn = folded(drawn) if len(drawn) > 10 else drawn
    shapes = [network.input, *(step.row.output for step in drawn if step.row)]
    scale = LARGEST / sqrt(max(max(shape[1:]) for shape in shapes if len(shape) == 3))
    return [item for step in drawn for item in _step(step, network.input, scale)]


def _step(step: Step, shape: Shape, scale: float) -> list[Item]:
    row = step.row
    if row is None:
        return [Item(_figure(shape, PLAIN, scale), _size(shape), ("input", *step.after))]
    figure = _figure(row.output, _colour(row), scale)
    if row.branches:
        block = Item(drawing.card(_block(row)), "", (row.layer.name, *step.after), step.repeat)
        return [block, Item(figure, _size(row.output))]
    window = row.window
    share = (window.span(0) / row.input[1], window.span(1) / row.input[2]) if window else (0, 0)
    below = (*_captions(row, window), *step.after)
    return [Item(figure, _size(row.output), below, step.repeat, share, isinstance(row.layer, Dense))]


def _size(shape: Shape) -> str:
    return times(shape) if len(shape) == 3 else f"{shape[0]:,}"


def _figure(shape: Shape, colour: Colour, scale: float) -> Box:
    if len(shape) == 1:
        return drawing.bar(shape[0], colour)
    height, width = drawing.compressed(shape[1], shape[2], scale)
    if shape[1] == 1 and shape[2] > 1:
        return drawing.strip(shape[0], width, colour)
    return drawing.stack(shape[0], height, width, colour)


def _colour(row: Row) -> Colour:
    if isinstance(row.layer, Filters | Residual | Parallel):
        return BLUE
    if isinstance(row.layer, Dense):
        return VIOLET
    if isinstance(row.layer, Embed):
        return AMBER
    return PLAIN if row.layer.name == "flatten" else GREEN


def _captions(row: Row, window: Window | None) -> tuple[str, ...]:
    """Returns `conv 3×3` and what differs from the defaults, a line each."""
    if window is None:
        return (row.layer.name if isinstance(row.layer, Dense | Embed) else str(row.layer),)
    default_stride = (1, 1) if isinstance(row.layer, Filters) else window.size
    groups = getattr(row.layer, "groups", 1)
    details = (
        ("stride ", _side(window.stride), window.stride != default_stride),
        ("pad ", _pad(window), any(map(any, window.sides))),
        ("dilation ", _side(window.dilation), window.dilation != (1, 1)),
        ("", f"{groups} groups", groups > 1),
    )
    return (f"{row.layer.name} {times(window.size)}", *(name + value for name, value, shown in details if shown))


def _side(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else times(pair)


def _pad(window: Window) -> str:
    (top, bottom), (left, right) = window.sides
    return _side((top, left)) if (top, left) == (bottom, right) else "same"


# --- blocks --------------------------------------------------------------------------------------------------------


def _block(row: Row) -> Box:
    parts = [_sequence(rows) for rows in row.branches]
    if isinstance(row.layer, Residual):
        return drawing.detour(parts[0], parts[1] if row.branches[1] else None)
    if row.layer.shared:
        return drawing.chain([drawing.fan(parts[:-1]), parts[-1]])
    return drawing.fan(parts)


def _sequence(rows: Sequence[Row]) -> Box:
    boxes = [_inner_layer(step) for step in steps(rows) if step.row or step.after]
    return drawing.chain(boxes)


def _inner_layer(step: Step) -> Box:
    row = step.row
    if row is None:
        return drawing.pill(step.after[0], step.after[1:], PLAIN)
    if row.branches:
        return drawing.card(_block(row))
    window = row.window
    caption, *details = _captions(row, window)
    name = f"{caption}, {row.output[0]}" if isinstance(row.layer, Filters | Dense) else caption
    return drawing.pill(
        name, (*(detail for detail in details if not detail.startswith("pad")), *step.after), _colour(row)
    )


# --- lines ---------------------------------------------------------------------------------------------------------


def _length(items: Sequence[Item]) -> float:
    return sum(item.width for item in items) + GAP * (len(items) - 1)


def _lines(items: Sequence[Item]) -> list[list[Item]]:
    """Wraps items into as few lines as possible, and then as narrow ones as possible, so that lines are balanced."""
    width, fewest = float(LINE_WIDTH), _wrapped(items, LINE_WIDTH)
    while len(_wrapped(items, width - 20)) == len(fewest) and width > 400:
        width -= 20
    return _wrapped(items, width)


def _wrapped(items: Sequence[Item], width: float) -> list[list[Item]]:
    lines: list[list[Item]] = [[]]
    for item in items:
        if lines[-1] and _length([*lines[-1], item]) > width:
            lines.append([])
        lines[-1].append(item)
    return lines


def _line(items: Sequence[Item], axis: float, bottom: float, first: bool, last: bool, width: float) -> list[str]:
    x, drawn = 24.0, [] if first else drawing.arrow(4, 22, axis)
    before: tuple[Item, float] | None = None
    for item in items:
        left = x + (item.width - item.box.width) / 2
        drawn += item.box.draw(left, axis) + _labels(item, x + item.width / 2, axis, bottom)
        if before:
            drawn += _link(*before, item, left, axis)
        before, x = (item, left), x + item.width + GAP
    return drawn if last else [*drawn, drawing.line(x - GAP + 4, axis, x - GAP + 20, axis, width=1.2)]


def _labels(item: Item, middle: float, axis: float, bottom: float) -> list[str]:
    drawn = [drawing.text(middle, axis - item.box.up - 8, item.above, 11)] if item.above else []
    for i, line in enumerate(item.below):
        drawn.append(
            drawing.text(middle, bottom + 22 + 14 * i, line, 11 if i == 0 else 10, INK if i == 0 else GREY, bold=i == 0)
        )
    if item.repeat > 1:
        right = drawing.text_width(item.above, 11) / 2 + 4 if item.above else item.box.width / 2 - 14
        drawn += drawing.badge(f"×{item.repeat}", middle + right, axis - item.box.up - 12 * bool(item.above))
    return drawn


def _link(before: Item, left: float, item: Item, here: float, axis: float) -> list[str]:
    """Draws the link between two items: a window narrowing to one number, a full connection, or an arrow."""
    old, new = before.box.face.moved(left, axis), item.box.face.moved(here, axis)
    if item.window != (0, 0) and old.width:
        return _look(old, new, item.window)
    if item.full and old.width:
        corners = (
            *((old.x + old.width, old.y), (new.x, new.y)),
            *((new.x, new.y + new.height), (old.x + old.width, old.y + old.height)),
        )
        return [drawing.polygon(corners, VIOLET.fill, opacity=0.35)]
    return drawing.arrow(left + before.box.width + 3, here - 3, axis)


def _look(old: Rect, new: Rect, share: tuple[float, float]) -> list[str]:
    height, width = (max(5.0, min(1.0, part) * side) for part, side in zip(share, (old.height, old.width), strict=True))
    x = old.x + (old.width - width) * 0.72
    y = old.y + (old.height - height) * 0.4
    to = Rect(new.x + new.width * 0.5 - 1.5, new.y + new.height * 0.5 - 1.5, 3, 3)
    rays = [drawing.line(x + width, corner, to.x, to.y + 1.5, GREY, 0.7) for corner in (y, y + height)]
    return [
        drawing.rect(Rect(x, y, width, height), Colour("#ffffff", INK), radius=0),
        *rays,
        drawing.rect(to, Colour(INK, INK), 0),
    ]
