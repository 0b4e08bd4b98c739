"""A diagram in a terminal: in colours on wood, or in plain signs, never wider than 44 columns."""

from __future__ import annotations

from .coords import COLUMNS, star_points
from .diagram import FAINT, Diagram

WOOD, MARKED = 179, 77  # of the 256 colours of a terminal
STRONG = (186, 149, 112, 76, 34)  # the ground of a mark, from weak to strong
HOT, COLD = (222, 216, 209, 203, 196), (152, 116, 75, 33, 27)  # the ground under heat, from weak to strong
INK = {0: 94, 1: 16, 2: 231}
SIGNS = {"unicode": ".●○", "ascii": ".XO"}
MARKED_SIGNS = {"unicode": "*◆◇", "ascii": "*#@"}


def text(diagram: Diagram, colour: bool = False, unicode: bool = True) -> str:
    """The board with coordinates on all sides. The last move stands in brackets."""
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
        line = "".join(gap + each for gap, each in zip(gaps, cells, strict=False)) + gaps[-1]
        rows.append(f"{size - row:2}{line}{size - row}")
    return "\n".join([letters, *rows, letters, *legend(diagram, colour, unicode)])


def cell(diagram: Diagram, place: int, stars: set[int], colour: bool, unicode: bool) -> str:
    """One point: a stone, a number, a star point or nothing."""
    stone = int(diagram.board.flat[place])
    number = diagram.marks.get(place)
    signs = SIGNS["unicode" if unicode else "ascii"]
    if colour:
        sign = number[:1] if number else "●" if unicode and stone else signs[stone] if stone else empty(place, stars)
        return painted(sign, INK[stone], ground(diagram, place))
    if number is None and diagram.heat is not None and (sign := degree(float(diagram.heat.flat[place]))):
        return sign
    if number is None:
        return signs[stone] if stone else empty(place, stars)
    return number[:1] or MARKED_SIGNS["unicode" if unicode else "ascii"][stone]


def ground(diagram: Diagram, place: int) -> int:
    """The colour behind a point."""
    if place in diagram.marks:
        strength = diagram.strength.get(place)
        return MARKED if strength is None else STRONG[min(int(strength**0.5 * len(STRONG)), len(STRONG) - 1)]
    heat = 0.0 if diagram.heat is None else float(diagram.heat.flat[place])
    if abs(heat) < FAINT:
        return WOOD
    ramp = HOT if heat > 0 else COLD
    return ramp[min(int(abs(heat) * len(ramp)), len(ramp) - 1)]


def degree(heat: float) -> str:
    """Heat as a sign: 1 to 9 in tenths, a to i where it is negative, nothing where it is faint."""
    tenths = min(int(abs(heat) * 10 + 1e-9), 9)
    return "" if abs(heat) < FAINT or not tenths else str(tenths) if heat > 0 else "abcdefghi"[tenths - 1]


def empty(place: int, stars: set[int]) -> str:
    return "+" if place in stars else "."


def painted(sign: str, ink: int, ground: int = WOOD) -> str:
    return f"\x1b[38;5;{ink};48;5;{ground}m{sign}\x1b[0m"


def legend(diagram: Diagram, colour: bool, unicode: bool) -> list[str]:
    """What is said of the position, and what the signs of a plane mean where colours do not tell."""
    black, white = ("●", "○") if unicode else ("X", "O")
    lines = [line.replace("X ", f"{black} ", 1).replace(" – O ", f" – {white} ", 1) for line in diagram.lines]
    if diagram.marks and not colour and not any(diagram.marks.values()):
        signs = MARKED_SIGNS["unicode" if unicode else "ascii"]
        lines[-1] += f" (marked: {signs[0]} empty, {signs[1]} black, {signs[2]} white)"
    if diagram.heat is not None and not colour:
        lines.append("1 to 9: for, a to i: against, in tenths of the strongest")
    return ["", *lines]
