"""Names of points: D4 as players write it (A to T without I, rows from below), dd as SGF does (from the top left).

A place is the flat index row · size + column, with rows from the top and both from 0; a pass is −1.
"""

from __future__ import annotations

SIZE = 19  # rows and columns of the board that networks take
COLUMNS = "ABCDEFGHJKLMNOPQRST"
PASS = -1


def vertex(place: int, size: int) -> str:
    """The name of a place: "D4", or "pass"."""
    if place == PASS:
        return "pass"
    row, column = divmod(place, size)
    return f"{COLUMNS[column]}{size - row}"


def place(vertex: str, size: int) -> int:
    """The place with a name, in any case. Raises ValueError if the board has no such point."""
    name = vertex.strip().upper()
    if name == "PASS":
        return PASS
    column, row = COLUMNS[:size].find(name[:1] or "?"), name[1:]
    if column < 0 or not row.isdecimal() or not 1 <= int(row) <= size:
        raise ValueError(f"{vertex} is not a point of a board of {size}×{size}")
    return (size - int(row)) * size + column


def sgf_places(size: int) -> dict[bytes, int]:
    """The places of a board by their two letters in SGF, and both ways to write a pass."""
    letters = [bytes([97 + i]) for i in range(size)]
    places = {letters[column] + letters[row]: row * size + column for row in range(size) for column in range(size)}
    return places | {b"": PASS, b"tt": PASS}


def star_points(size: int) -> list[int]:
    """The places of the dots on a board."""
    if size < 7:
        return [size * size // 2] if size % 2 else []
    edge, middle = (2 if size < 13 else 3), size // 2
    lines = [edge, size - 1 - edge] + ([middle] if size % 2 else [])
    corners_and_centre = size < 13
    return sorted(
        row * size + column
        for row in lines
        for column in lines
        if not corners_and_centre or (row == middle) == (column == middle)
    )
