"""A diagram as a picture: SVG for documents, PNG for everything else. Both are drawn from the same few measures."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from .coords import COLUMNS, star_points
from .diagram import FAINT, Diagram

CELL = 36  # pixels from line to line
MARGIN = 56  # from the edge of the picture to the first line: room for the coordinates
STONE, STAR, DOT, MARKED = 0.478, 0.1, 0.17, 0.22  # radii, in cells
LINE_HEIGHT, PADDING = 24, 14  # of the lines under the board
WOOD, GRID, INK, CREAM, MARK, LAST = "#e8c383", "#5b4322", "#17130d", "#fdfcf8", "#1f7a6d", "#d8352a"
WEAK, HOT, COLD = "#cfe3b4", "#d8352a", "#2a62d8"  # the palest mark; heat for and against
COVER = 0.62  # how much of what is under it the strongest heat hides
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def side(diagram: Diagram) -> int:
    return 2 * MARGIN + CELL * (diagram.size - 1)


def centre(place: int, size: int) -> tuple[int, int]:
    """x and y of a place."""
    return MARGIN + place % size * CELL, MARGIN + place // size * CELL


def labels(size: int) -> list[tuple[float, float, str]]:
    """Where the coordinates stand: x and y of their middle, and what they say."""
    far = 2 * MARGIN + CELL * (size - 1)
    found: list[tuple[float, float, str]] = []
    for i in range(size):
        at, out = MARGIN + i * CELL, MARGIN * 0.4
        found += [(at, out, COLUMNS[i]), (at, far - out, COLUMNS[i])]
        found += [(out, at, str(size - i)), (far - out, at, str(size - i))]
    return found


# --- SVG -----------------------------------------------------------------------------------------------------------


def svg(diagram: Diagram) -> str:
    """A picture of any size, with the lines of the diagram under the board."""
    size, width = diagram.size, side(diagram)
    height = width + LINE_HEIGHT * len(diagram.lines) + PADDING
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="{FONT}" text-anchor="middle">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<rect width="{width}" height="{width}" fill="{WOOD}"/>',
    ]
    end = MARGIN + CELL * (size - 1)
    for i in range(size):
        at = MARGIN + i * CELL
        parts.append(f'<path d="M{MARGIN} {at}H{end}M{at} {MARGIN}V{end}" stroke="{GRID}" stroke-linecap="square"/>')
    parts += [circle(*centre(place, size), STAR, GRID) for place in star_points(size)]
    parts += [words(x, y, text, 14, GRID) for x, y, text in labels(size)]
    for place in range(size * size):
        parts += point(diagram, place)
    parts += [
        f'<rect x="{x - CELL / 2}" y="{y - CELL / 2}" width="{CELL}" height="{CELL}" fill="{fill}" '
        f'fill-opacity="{cover:.3f}"/>'
        for x, y, fill, cover in warm(diagram)
    ]
    parts += [
        f'<text x="{MARGIN - 18}" y="{width + LINE_HEIGHT * (i + 0.85):.0f}" font-size="15" fill="{INK}" '
        f'text-anchor="start">{printable(line)}</text>'
        for i, line in enumerate(caption(diagram))
    ]
    return "\n".join([*parts, "</svg>", ""])


def point(diagram: Diagram, place: int) -> list[str]:
    """The stone on a place, its mark, and whether it was the last move."""
    x, y = centre(place, diagram.size)
    stone, mark = int(diagram.board.flat[place]), diagram.marks.get(place)
    parts = []
    if stone:
        parts.append(circle(x, y, STONE, INK if stone == 1 else CREAM, "#000000" if stone == 1 else "#6b6457"))
    if mark == "" and stone:
        parts.append(circle(x, y, 0.3, "none", "#4fd0bd" if stone == 1 else MARK, 4))
    elif mark == "":
        half = CELL * MARKED
        parts.append(
            f'<rect x="{x - half}" y="{y - half}" width="{2 * half}" height="{2 * half}" rx="4" fill="{MARK}"/>'
        )
    elif mark:
        fill, ink = mark_colours(diagram, place)
        if fill:
            parts.append(circle(x, y, 0.42, fill))
        parts.append(words(x, y, mark, 16, ink, "600"))
    if place == diagram.last and not mark:
        parts.append(circle(x, y, DOT, LAST))
    elif place == diagram.last:
        parts.append(circle(x, y, STONE - 0.04, "none", LAST, 3))
    return parts


def mark_colours(diagram: Diagram, place: int) -> tuple[str, str]:
    """The disc behind a written mark, none on a stone, and the ink of the mark."""
    stone, strength = int(diagram.board.flat[place]), diagram.strength.get(place)
    if stone:
        return "", CREAM if stone == 1 else INK
    if strength is None:
        return WOOD, MARK
    return blended(WEAK, MARK, strength**0.5), "#ffffff" if strength > 0.12 else INK


def blended(first: str, second: str, share: float) -> str:
    """A colour between two, as #rrggbb."""
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * min(share, 1)):02x}" for a, b in pairs)


def warm(diagram: Diagram) -> list[tuple[int, int, str, float]]:
    """The heat worth showing: the middle of each point, its colour and how much it covers."""
    if diagram.heat is None:
        return []
    there = [(place, float(heat)) for place, heat in enumerate(diagram.heat.flat) if abs(heat) >= FAINT]
    return [
        (*centre(place, diagram.size), HOT if heat > 0 else COLD, min(abs(heat), 1) * COVER) for place, heat in there
    ]


def circle(x: float, y: float, radius: float, fill: str, edge: str = "none", width: float = 1) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius * CELL:.1f}" fill="{fill}" stroke="{edge}" stroke-width="{width}"/>'


def words(x: float, y: float, text: str, size: float, fill: str, weight: str = "400") -> str:
    return (
        f'<text x="{x}" y="{y + size * 0.36:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}">{text}</text>'
    )


def printable(line: str) -> str:
    """As XML takes it: no control characters, which names may hold."""
    return escape("".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in line))


def caption(diagram: Diagram) -> list[str]:
    """The lines under a picture, where colours need no signs."""
    return [line.removeprefix("X ").replace(" – O ", " – ", 1) for line in diagram.lines]


# --- PNG -----------------------------------------------------------------------------------------------------------


def png(diagram: Diagram) -> Any:
    """A Pillow picture, drawn three times as large and made smaller, so that stones are round.

    Under the board stand the lines that Pillow's own font can write.
    """
    from PIL import Image, ImageDraw, ImageFont

    times, size, width = 3, diagram.size, side(diagram)
    lines = [line for line in caption(diagram) if line.replace("–", "-").isascii()]
    image = Image.new("RGB", (width * times, (width + LINE_HEIGHT * len(lines) + PADDING) * times), "#ffffff")
    draw = ImageDraw.Draw(image)
    font = {points: ImageFont.load_default(points * times) for points in (14, 15, 16)}

    def disc(x: float, y: float, radius: float, fill: str | None, edge: str | None = None, line: float = 1) -> None:
        r = radius * CELL * times
        box = (x * times - r, y * times - r, x * times + r, y * times + r)
        draw.ellipse(box, fill, edge, round(line * times))

    def write(x: float, y: float, text: str, points: int, fill: str, anchor: str = "mm") -> None:
        draw.text((x * times, y * times), text, fill, font[points], anchor)

    draw.rectangle((0, 0, width * times, width * times), WOOD)
    end = MARGIN + CELL * (size - 1)
    for i in range(size):
        at = MARGIN + i * CELL
        for ends in ((MARGIN, at, end, at), (at, MARGIN, at, end)):
            draw.line([each * times for each in ends], GRID, times)
    for place in star_points(size):
        disc(*centre(place, size), STAR, GRID)
    for x, y, text in labels(size):
        write(x, y, text, 14, GRID)
    for place in range(size * size):
        stone, mark = int(diagram.board.flat[place]), diagram.marks.get(place)
        x, y = centre(place, size)
        if stone:
            disc(x, y, STONE, INK if stone == 1 else CREAM, "#000000" if stone == 1 else "#6b6457")
        if mark == "" and stone:
            disc(x, y, 0.3, None, "#4fd0bd" if stone == 1 else MARK, 4)
        elif mark == "":
            half = CELL * MARKED
            corners = [each * times for each in (x - half, y - half, x + half, y + half)]
            draw.rounded_rectangle(corners, 4 * times, MARK)
        elif mark:
            fill, ink = mark_colours(diagram, place)
            if fill:
                disc(x, y, 0.42, fill)
            write(x, y, mark, 16, ink)
        if place == diagram.last:
            disc(*((x, y, STONE - 0.04, None, LAST, 3) if mark else (x, y, DOT, LAST)))
    for x, y, colour, cover in warm(diagram):
        sheet = Image.new("RGB", (CELL * times, CELL * times), colour)
        corner = x * times - sheet.width // 2, y * times - sheet.height // 2
        image.paste(sheet, corner, Image.new("L", sheet.size, round(cover * 255)))
    for i, line in enumerate(lines):
        write(MARGIN - 18, width + LINE_HEIGHT * (i + 0.7), line.replace("–", "-"), 15, INK, "lm")
    return image.resize((image.width // times, image.height // times), Image.Resampling.LANCZOS)
