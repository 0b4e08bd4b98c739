"""Boards and planes as drawings: X to move, O the opponent, # marks, . empty. Points not drawn are empty."""

import numpy as np
from neocog.go.board import Board

BLACK, WHITE = 1, 2


def rows(drawing: str) -> list[list[str]]:
    return [line.split() for line in drawing.strip().splitlines()]


def board(drawing: str, size: int | None = None, black: str = "X") -> Board:
    """A board with X to move. `black` is the letter of the black stones; a smaller drawing is the top left corner."""
    lines = rows(drawing)
    size = size or len(lines)
    stones = [(r * size + c, sign) for r, row in enumerate(lines) for c, sign in enumerate(row) if sign in "XO"]
    result = Board(
        size,
        stones=[place for place, _ in stones],
        stone_colours=[BLACK if sign == black else WHITE for _, sign in stones],
    )
    result.position["turn"] = BLACK if black == "X" else WHITE
    return result


def marks(drawing: str, size: int | None = None) -> set[int]:
    """The places of the # in a drawing."""
    lines = rows(drawing)
    size = size or len(lines)
    return {r * size + c for r, row in enumerate(lines) for c, sign in enumerate(row) if sign == "#"}


def marked(plane: np.ndarray) -> set[int]:
    """The places where a plane is 1."""
    return {int(place) for place in np.flatnonzero(plane)}
