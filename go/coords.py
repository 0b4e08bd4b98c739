"""Names of points: D4 as players say it (A to T without I, rows from below), dd as SGF writes it (from the top left).

A place is row · size + column, rows from the top, both from 0; a pass is −1.
"""

from __future__ import annotations

COLUMNS = "ABCDEFGHJKLMNOPQRST"
PASS = -1


def vertex(place: int, size: int) -> str:
    """The name of a place: "D4", or "pass"."""
    if place == PASS:
        return "pass"
    row, column = divmod(place, size)
    return f"{COLUMNS[column]}{size - row}"


def place(vertex: str, size: int) -> int:
    """The place with a name, in capitals or not. Raises ValueError where there is none on a board of this size."""
    word = vertex.strip().upper()
    if word == "PASS":
        return PASS
    column, row = COLUMNS[:size].find(word[:1] or "?"), word[1:]
    if column < 0 or not row.isdecimal() or not 1 <= int(row) <= size:
        raise ValueError(f"{vertex} is no point of a board of {size}×{size}")
    return (size - int(row)) * size + column


def sgf_places(size: int) -> dict[bytes, int]:
    """Each place of a board by its two letters in SGF, and the two ways to write a pass."""
    letters = [bytes([97 + i]) for i in range(size)]
    found = {letters[column] + letters[row]: row * size + column for row in range(size) for column in range(size)}
    return found | {b"": PASS, b"tt": PASS}


def star_points(size: int) -> list[int]:
    """The places that a board has dots on."""
    if size < 7:
        return [size * size // 2] if size % 2 else []
    near, middle = (2 if size < 13 else 3), size // 2
    lines = [near, size - 1 - near] + ([middle] if size % 2 else [])
    corners_only = size < 13
    return sorted(
        row * size + column
        for row in lines
        for column in lines
        if not corners_only or (row == middle) == (column == middle)
    )
