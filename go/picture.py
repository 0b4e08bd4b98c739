"""Draws a diagram as SVG and as PNG, with the same dimensions and colours."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from .coords import COLUMNS, star_points
from .diagram import MIN_HEAT, Diagram

CELL = 36  # pixels from line to line
MARGIN = 56  # from the edge of the picture to the first line: room for the coordinates
STONE, STAR, DOT, MARKED = 0.478, 0.1, 0.17, 0.22  # radii, in cells
LINE_HEIGHT, PADDING = 24, 14  # of the lines below the board
WOOD, GRID, INK, CREAM, MARK, LAST = "#e8c383", "#5b4322", "#17130d", "#fdfcf8", "#1f7a6d", "#d8352a"
WEAK, HOT, COLD = "#cfe3b4", "#d8352a", "#2a62d8"  # the weakest mark; heat for and against the move
MAX_OPACITY = 0.62  # of the strongest heat
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def side(diagram: Diagram) -> int:
    """The width and height of the board in pixels."""
    return 2 * MARGIN + CELL * (diagram.size - 1)


def centre(place: int, size: int) -> tuple[int, int]:
    """The x and y of a place."""
    return MARGIN + place % size * CELL, MARGIN + place // size * CELL


def labels(size: int) -> list[tuple[float, float, str]]:
    """The coordinates around the board: x and y of their centre, and their text."""
    far = 2 * MARGIN + CELL * (size - 1)
    result: list[tuple[float, float, str]] = []
    for i in range(size):
        along, across = MARGIN + i * CELL, MARGIN * 0.4
        result += [(along, across, COLUMNS[i]), (along, far - across, COLUMNS[i])]
        result += [(across, along, str(size - i)), (far - across, along, str(size - i))]
    return result


# --- SVG -----------------------------------------------------------------------------------------------------------


def svg(diagram: Diagram) -> str:
    """The diagram as SVG, with its lines below the board."""
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
        line = MARGIN + i * CELL
        parts.append(
            f'<path d="M{MARGIN} {line}H{end}M{line} {MARGIN}V{end}" stroke="{GRID}" stroke-linecap="square"/>'
        )
    parts += [circle(*centre(place, size), STAR, GRID) for place in star_points(size)]
    parts += [text_element(x, y, text, 14, GRID) for x, y, text in labels(size)]
    for place in range(size * size):
        parts += point(diagram, place)
    parts += [
        f'<rect x="{x - CELL / 2}" y="{y - CELL / 2}" width="{CELL}" height="{CELL}" fill="{fill}" '
        f'fill-opacity="{opacity:.3f}"/>'
        for x, y, fill, opacity in heat_squares(diagram)
    ]
    parts += [
        f'<text x="{MARGIN - 18}" y="{width + LINE_HEIGHT * (i + 0.85):.0f}" font-size="15" fill="{INK}" '
        f'text-anchor="start">{printable(line)}</text>'
        for i, line in enumerate(caption(diagram))
    ]
    return "\n".join([*parts, "</svg>", ""])


def point(diagram: Diagram, place: int) -> list[str]:
    """The stone on a place, its mark, and the sign of the last move."""
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
        parts.append(text_element(x, y, mark, 16, ink, "600"))
    if place == diagram.last and not mark:
        parts.append(circle(x, y, DOT, LAST))
    elif place == diagram.last:
        parts.append(circle(x, y, STONE - 0.04, "none", LAST, 3))
    return parts


def mark_colours(diagram: Diagram, place: int) -> tuple[str, str]:
    """The colour of the disc behind a label, empty on a stone, and the colour of the label."""
    stone, strength = int(diagram.board.flat[place]), diagram.strength.get(place)
    if stone:
        return "", CREAM if stone == 1 else INK
    if strength is None:
        return WOOD, MARK
    return blended(WEAK, MARK, strength**0.5), "#ffffff" if strength > 0.12 else INK


def blended(first: str, second: str, share: float) -> str:
    """Interpolates between two colours #rrggbb."""
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * min(share, 1)):02x}" for a, b in pairs)


def heat_squares(diagram: Diagram) -> list[tuple[int, int, str, float]]:
    """The heat above MIN_HEAT: centre of each point, colour and opacity."""
    if diagram.heat is None:
        return []
    return [
        (*centre(place, diagram.size), HOT if heat > 0 else COLD, min(abs(float(heat)), 1) * MAX_OPACITY)
        for place, heat in enumerate(diagram.heat.flat)
        if abs(heat) >= MIN_HEAT
    ]


def circle(x: float, y: float, radius: float, fill: str, edge: str = "none", width: float = 1) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius * CELL:.1f}" fill="{fill}" stroke="{edge}" stroke-width="{width}"/>'


def text_element(x: float, y: float, text: str, size: float, fill: str, weight: str = "400") -> str:
    return (
        f'<text x="{x}" y="{y + size * 0.36:.1f}" font-size="{size}" font-weight="{weight}" fill="{fill}">{text}</text>'
    )


def printable(line: str) -> str:
    """Escapes a line for XML and replaces control characters, which names may contain."""
    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line))


def caption(diagram: Diagram) -> list[str]:
    """The lines below a picture, without the X and O that stand for the colours in a terminal."""
    return [line.removeprefix("X ").replace(" – O ", " – ", 1) for line in diagram.lines]


# --- PNG -----------------------------------------------------------------------------------------------------------


def png(diagram: Diagram) -> Any:
    """The diagram as a Pillow image, drawn at three times the size and scaled down, so that stones are smooth.

    Leaves out lines that Pillow's default font cannot write.
    """
    from PIL import Image, ImageDraw, ImageFont

    scale, size, width = 3, diagram.size, side(diagram)
    lines = [line for line in caption(diagram) if line.replace("–", "-").isascii()]
    image = Image.new("RGB", (width * scale, (width + LINE_HEIGHT * len(lines) + PADDING) * scale), "#ffffff")
    draw = ImageDraw.Draw(image)
    font = {points: ImageFont.load_default(points * scale) for points in (14, 15, 16)}

    def disc(x: float, y: float, radius: float, fill: str | None, edge: str | None = None, line: float = 1) -> None:
        r = radius * CELL * scale
        box = (x * scale - r, y * scale - r, x * scale + r, y * scale + r)
        draw.ellipse(box, fill, edge, round(line * scale))

    def write(x: float, y: float, text: str, points: int, fill: str, anchor: str = "mm") -> None:
        draw.text((x * scale, y * scale), text, fill, font[points], anchor)

    draw.rectangle((0, 0, width * scale, width * scale), WOOD)
    end = MARGIN + CELL * (size - 1)
    for i in range(size):
        line = MARGIN + i * CELL
        for ends in ((MARGIN, line, end, line), (line, MARGIN, line, end)):
            draw.line([value * scale for value in ends], GRID, scale)
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
            corners = [value * scale for value in (x - half, y - half, x + half, y + half)]
            draw.rounded_rectangle(corners, 4 * scale, MARK)
        elif mark:
            fill, ink = mark_colours(diagram, place)
            if fill:
                disc(x, y, 0.42, fill)
            write(x, y, mark, 16, ink)
        if place == diagram.last:
            disc(*((x, y, STONE - 0.04, None, LAST, 3) if mark else (x, y, DOT, LAST)))
    for x, y, colour, opacity in heat_squares(diagram):
        square = Image.new("RGB", (CELL * scale, CELL * scale), colour)
        corner = x * scale - square.width // 2, y * scale - square.height // 2
        image.paste(square, corner, Image.new("L", square.size, round(opacity * 255)))
    for i, text in enumerate(lines):
        write(MARGIN - 18, width + LINE_HEIGHT * (i + 0.7), text.replace("–", "-"), 15, INK, "lm")
    return image.resize((image.width // scale, image.height // scale), Image.Resampling.LANCZOS)
