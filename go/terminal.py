"""Draws a diagram in a terminal, in colours or in plain characters, at most 44 columns wide."""

from __future__ import annotations

from ..core.format import visible
from .coords import COLUMNS, star_points
from .diagram import MIN_HEAT, Diagram

WOOD, MARKED = 179, 77  # among the 256 colours of a terminal
STRONG = (186, 149, 112, 76, 34)  # background of a mark, from weak to strong
HOT, COLD = (222, 216, 209, 203, 196), (152, 116, 75, 33, 27)  # background of heat, from weak to strong
INK = {0: 94, 1: 16, 2: 231}
CHARACTERS = {"unicode": ".●○", "ascii": ".XO"}
MARKED_CHARACTERS = {"unicode": "*◆◇", "ascii": "*#@"}


def text(diagram: Diagram, colour: bool = False, unicode: bool = True) -> str:
    """The board with coordinates on all sides, and the last move in brackets."""
    size = diagram.size
    letters = "   " + " ".join(COLUMNS[:size])
    stars = set(star_points(size))
    rows = []
    for row in range(size):
        cells = [cell(diagram, row * size + column, stars, colour, unicode) for column in range(size)]
        gaps = [" "] * (size + 1)
        if diagram.last is not None and diagram.last // size == row:
            gaps[diagram.last % size], gaps[diagram.last % size + 1] = "(", ")"
        gaps = [painted(gap, INK[1]) if colour else gap for gap in gaps]
        line = "".join(gap + point for gap, point in zip(gaps, cells, strict=False)) + gaps[-1]
        rows.append(f"{size - row:2}{line}{size - row}")
    return "\n".join([letters, *rows, letters, *legend(diagram, colour, unicode)])


def cell(diagram: Diagram, place: int, stars: set[int], colour: bool, unicode: bool) -> str:
    """A point: a stone, a label, a star point or an empty point."""
    stone = int(diagram.board.flat[place])
    label = diagram.marks.get(place)
    characters = CHARACTERS["unicode" if unicode else "ascii"]
    plain = characters[stone] if stone else empty(place, stars)
    if colour:
        character = label[:1] if label else "●" if unicode and stone else plain
        return painted(character, INK[stone], background(diagram, place))
    if label is None and diagram.heat is not None and (digit := heat_digit(float(diagram.heat.flat[place]))):
        return digit
    return plain if label is None else label[:1] or MARKED_CHARACTERS["unicode" if unicode else "ascii"][stone]


def background(diagram: Diagram, place: int) -> int:
    """The background colour of a point."""
    if place in diagram.marks:
        strength = diagram.strength.get(place)
        return MARKED if strength is None else STRONG[min(int(strength**0.5 * len(STRONG)), len(STRONG) - 1)]
    heat = 0.0 if diagram.heat is None else float(diagram.heat.flat[place])
    if abs(heat) < MIN_HEAT:
        return WOOD
    ramp = HOT if heat > 0 else COLD
    return ramp[min(int(abs(heat) * len(ramp)), len(ramp) - 1)]


def heat_digit(heat: float) -> str:
    """Heat as a character: 1 to 9 in tenths, a to i if negative, empty if it is weak."""
    tenths = min(int(abs(heat) * 10 + 1e-9), 9)
    return "" if abs(heat) < MIN_HEAT or not tenths else str(tenths) if heat > 0 else "abcdefghi"[tenths - 1]


def empty(place: int, stars: set[int]) -> str:
    return "+" if place in stars else "."


def painted(character: str, ink: int, background: int = WOOD) -> str:
    return f"\x1b[38;5;{ink};48;5;{background}m{character}\x1b[0m"


def legend(diagram: Diagram, colour: bool, unicode: bool) -> list[str]:
    """The lines under the board, with the meaning of the characters if there are no colours."""
    black, white = ("●", "○") if unicode else ("X", "O")
    lines = [
        line.replace("X ", f"{black} ", 1).replace(" – O ", f" – {white} ", 1) for line in map(visible, diagram.lines)
    ]
    if diagram.marks and not colour and not any(diagram.marks.values()):
        characters = MARKED_CHARACTERS["unicode" if unicode else "ascii"]
        lines[-1] += f" (marked: {characters[0]} empty, {characters[1]} black, {characters[2]} white)"
    if diagram.heat is not None and not colour:
        lines.append("1 to 9: for, a to i: against, in tenths of the strongest")
    return ["", *lines]
