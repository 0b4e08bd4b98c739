"""SVG from boxes: a box knows its size and draws itself at a position.

Every box lies on an axis, along which a network runs from left to right. This module knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2, sqrt
from typing import NamedTuple
from unicodedata import east_asian_width
from xml.sax.saxutils import escape, quoteattr

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
INK, GREY, LINE, PAPER = "#1f2933", "#6b7785", "#9aa5b1", "#ffffff"


class Colour(NamedTuple):
    fill: str
    edge: str


PLAIN = Colour("#eef1f4", "#8a96a3")
BLUE = Colour("#d3e5f8", "#3f7fbf")
GREEN = Colour("#d6efe2", "#3b9670")
VIOLET = Colour("#e6def6", "#7d62bd")
AMBER = Colour("#fbe8cb", "#c2871f")


class Rect(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    def moved(self, x: float, y: float) -> Rect:
        return Rect(self.x + x, self.y + y, self.width, self.height)


class Box(NamedTuple):
    """A box: `draw(x, y)` returns its elements, with the left end at x on the axis y."""

    width: float
    up: float  # height above the axis
    down: float  # height below it
    draw: Callable[[float, float], list[str]]
    face: Rect = Rect(0, 0, 0, 0)  # the front sheet, in which windows are drawn, relative to the left end of the axis


# --- elements ------------------------------------------------------------------------------------------------------


def number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def element(name: str, **attributes: str | float) -> str:
    texts = {
        key.replace("_", "-"): value if isinstance(value, str) else number(value) for key, value in attributes.items()
    }
    return f"<{name} {' '.join(f'{key}={quoteattr(value)}' for key, value in texts.items())}/>"


def polygon(corners: Sequence[tuple[float, float]], fill: str, opacity: float = 1) -> str:
    return element(
        "polygon", points=" ".join(f"{number(x)},{number(y)}" for x, y in corners), fill=fill, opacity=opacity
    )


def text(
    x: float, y: float, content: str, size: float = 11, fill: str = INK, anchor: str = "middle", bold: bool = False
) -> str:
    weight = ' font-weight="600"' if bold else ""
    attributes = f'x="{number(x)}" y="{number(y)}" font-size="{number(size)}" fill="{fill}" text-anchor="{anchor}"'
    return f"<text {attributes}{weight}>{escaped(content)}</text>"


def escaped(content: str) -> str:
    """Escapes a text for XML; control characters and surrogates, which it may not contain, are replaced."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in content))


def text_width(content: str, size: float) -> float:
    """Estimates the width of a text, rather too large than too small, because fonts differ."""
    return size * sum(_em(c) for c in content)


def _em(character: str) -> float:
    if east_asian_width(character) in "WF":
        return 1.0
    return 0.35 if character in " .,:il|()" else 0.82 if character in "×mwMW" else 0.61


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = LINE, width: float = 1.0) -> str:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width)


def path(d: str, stroke: str = LINE, width: float = 1.2) -> str:
    return element("path", d=d, fill="none", stroke=stroke, stroke_width=width)


def arrow(x1: float, x2: float, y: float) -> list[str]:
    """Returns a line along the axis with an arrowhead that ends at x2."""
    head = polygon(((x2, y), (x2 - 6, y - 3.2), (x2 - 6, y + 3.2)), LINE)
    return [line(x1, y, x2 - 5, y, width=1.2), head]


def rect(bounds: Rect, colour: Colour, radius: float = 1.5, width: float = 1.0) -> str:
    x, y, w, h = bounds
    return element(
        "rect", x=x, y=y, width=w, height=h, rx=radius, fill=colour.fill, stroke=colour.edge, stroke_width=width
    )


def badge(content: str, x: float, y: float) -> list[str]:
    """Returns a few characters on a dark background that starts at x."""
    width = text_width(content, 10.5) + 12
    background = rect(Rect(x, y - 8.5, width, 17), Colour(INK, INK), radius=8.5)
    return [background, text(x + width / 2, y + 3.8, content, 10.5, PAPER, bold=True)]


# --- shapes --------------------------------------------------------------------------------------------------------


def stack(channels: int, height: float, width: float, colour: Colour) -> Box:
    """Returns maps as overlapping sheets, whose number grows with the logarithm of the channels."""
    sheets, step = 1 + round(1.3 * log2(channels)), 3.2
    depth = (sheets - 1) * step
    half = (height + depth) / 2
    face = Rect(depth, half - height, width, height)

    def draw(x: float, y: float) -> list[str]:
        back = face.moved(x - depth, y - depth)
        return [rect(back.moved(i * step, i * step), colour) for i in range(sheets)]

    return Box(width + depth, half, half, draw, face)


def strip(channels: int, width: float, colour: Colour) -> Box:
    """Returns maps of height 1 as one sheet with a line for each channel, up to 24 of them."""
    lines, thick = min(channels, 24), 12.0 if channels == 1 else 5.0
    half = lines * thick / 2
    face = Rect(0, -half, width, 2 * half)

    def draw(x: float, y: float) -> list[str]:
        rows = [
            line(x, y - half + i * thick, x + width, y - half + i * thick, colour.edge, 0.4) for i in range(1, lines)
        ]
        return [rect(face.moved(x, y), colour), *rows]

    return Box(width, half, half, draw, face)


def bar(numbers: int, colour: Colour) -> Box:
    """Returns a row of numbers as a vertical bar: a cell for each, or cells above and below three dots."""
    all_shown = numbers <= 16
    height = 9.0 * numbers if all_shown else 30 + 15 * log2(numbers)
    half, width = height / 2, 13.0
    cell = 9.0 if all_shown else 7.5
    shown = numbers if all_shown else int((half - 13) / cell)

    def draw(x: float, y: float) -> list[str]:
        top, bottom = y - half, y + half
        cuts = [top + i * cell for i in range(1, shown + (not all_shown))]
        cuts += [] if all_shown else [bottom - i * cell for i in range(1, shown + 1)]
        dots = [element("circle", cx=x + width / 2, cy=y + d, r=1.3, fill=colour.edge) for d in (-5, 0, 5)]
        outline = rect(Rect(x, top, width, height), colour, radius=3)
        return [
            outline,
            *(line(x, cut, x + width, cut, colour.edge, 0.5) for cut in cuts),
            *([] if all_shown else dots),
        ]

    return Box(width, half, half, draw, Rect(0, -half, width, height))


def compressed(height: int, width: int, scale: float) -> tuple[float, float]:
    """Returns the sides of a map in the drawing: the square root of the longer, the shorter in proportion."""
    longer, shorter = max(height, width), min(height, width)
    long_side = max(9.0, scale * sqrt(longer))
    short_side = max(6.0, long_side * shorter / longer)
    return (long_side, short_side) if height >= width else (short_side, long_side)


# --- blocks --------------------------------------------------------------------------------------------------------


def pill(title: str, below: Sequence[str], colour: Colour) -> Box:
    """Returns a layer of a block, with the lines below it."""
    width = max([text_width(title, 9.5) + 12] + [text_width(line, 8) for line in below])
    half = 10.0

    def draw(x: float, y: float) -> list[str]:
        lines = [text(x + width / 2, y + half + 10 + 10 * i, content, 8, GREY) for i, content in enumerate(below)]
        shape = rect(Rect(x, y - half, width, 2 * half), colour, radius=5)
        return [shape, text(x + width / 2, y + 3.4, title, 9.5), *lines]

    return Box(width, half, half + 2 + 10 * len(below), draw)


def chain(boxes: Sequence[Box], gap: float = 14) -> Box:
    """Returns boxes in a row, with arrows between them."""

    def draw(x: float, y: float) -> list[str]:
        drawn = []
        for i, box in enumerate(boxes):
            drawn += box.draw(x, y)
            x += box.width
            drawn += arrow(x + 1, x + gap - 1, y) if i + 1 < len(boxes) else []
            x += gap
        return drawn

    width = sum(box.width for box in boxes) + gap * max(0, len(boxes) - 1)
    return Box(width, max((b.up for b in boxes), default=4), max((b.down for b in boxes), default=4), draw)


def detour(body: Box, shortcut: Box | None) -> Box:
    """Returns a body and an arc over it to a plus sign; the shortcut lies on the arc."""
    lead, plus = 16.0, 7.0
    width = max(body.width, shortcut.width if shortcut else 0) + 2 * lead + 2 * plus
    rise = body.up + 12 + (shortcut.down if shortcut else 0)

    def draw(x: float, y: float) -> list[str]:
        x, y = round(x, 1), round(y, 1)
        end, top, r = round(x + width - plus, 1), round(y - rise, 1), 10
        start = x + (width - 2 * plus - body.width) / 2
        over = f"V {top + r} q 0 {-r} {r} {-r} H {end - r} q {r} 0 {r} {r} V {y - plus - 5}"
        tip = polygon(((end, y - plus), (end - 3.2, y - plus - 6), (end + 3.2, y - plus - 6)), LINE)
        drawn = [path(f"M {x} {y} {over}"), tip, *arrow(x, start - 1, y), *body.draw(start, y)]
        drawn += arrow(start + body.width + 1, end - plus, y)
        drawn += shortcut.draw(x + (width - plus - shortcut.width) / 2, top) if shortcut else []
        return [*drawn, element("circle", cx=x, cy=y, r=2, fill=LINE), *_plus(end, y, plus)]

    return Box(width, rise + (shortcut.up if shortcut else 0), body.down, draw)


def _plus(x: float, y: float, r: float) -> list[str]:
    circle = element("circle", cx=x, cy=y, r=r, fill=PAPER, stroke=GREY, stroke_width=1.2)
    return [circle, line(x - 3.5, y, x + 3.5, y, GREY, 1.3), line(x, y - 3.5, x, y + 3.5, GREY, 1.3)]


def fan(branches: Sequence[Box]) -> Box:
    """Returns branches above each other, from one point to a bar that joins them."""
    spread, gap = 22.0, 9.0
    inner = max(box.width for box in branches)
    width, half = inner + 2 * spread + 3, (sum(b.up + b.down for b in branches) + gap * (len(branches) - 1)) / 2

    def draw(x: float, y: float) -> list[str]:
        x, y = round(x, 1), round(y, 1)
        join, top = x + width - 3, y - half
        drawn, ends = [], []
        for box in branches:
            axis, start = round(top + box.up, 1), x + spread + (inner - box.width) / 2
            drawn += [path(f"M {x} {y} C {x + 13} {y} {x + 9} {axis} {x + spread - 1} {axis} H {number(start)}")]
            drawn += [line(start + box.width, axis, join, axis, width=1.2), *box.draw(start, axis)]
            ends.append(axis)
            top += box.up + box.down + gap
        bar = Rect(join - 1, min(*ends, y) - 6, 4, max(*ends, y) - min(*ends, y) + 12)
        return [*drawn, element("circle", cx=x, cy=y, r=2, fill=LINE), rect(bar, Colour(GREY, GREY), 2)]

    return Box(width, half, half, draw)


def card(content: Box) -> Box:
    """Returns a block on a background."""
    pad = 12.0

    def draw(x: float, y: float) -> list[str]:
        background = Rect(x, y - content.up - pad, content.width + 2 * pad, content.up + content.down + 2 * pad)
        middle = line(x, y, x + pad, y, width=1.2), line(x + pad + content.width, y, x + background.width, y, width=1.2)
        return [rect(background, Colour("#f8fafb", "#dbe2e8"), radius=9), *middle, *content.draw(x + pad, y)]

    return Box(content.width + 2 * pad, content.up + pad, content.down + pad, draw)
