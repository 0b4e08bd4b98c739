"""Boards and planes as pictures: X is to move, O the other, # marks, . nothing. What is not drawn is empty."""

import numpy as np
from neocog.go.board import Board

BLACK, WHITE = 1, 2


def rows(drawing: str) -> list[list[str]]:
    return [line.split() for line in drawing.strip().splitlines()]


def board(drawing: str, size: int | None = None, black: str = "X") -> Board:
    """A board with X to move. `black` says which of X and O is black; a smaller drawing is the top left corner."""
    drawn = rows(drawing)
    size = size or len(drawn)
    stones = [(r * size + c, sign) for r, row in enumerate(drawn) for c, sign in enumerate(row) if sign in "XO"]
    found = Board(
        size,
        stones=[place for place, _ in stones],
        stone_colours=[BLACK if sign == black else WHITE for _, sign in stones],
    )
    found.position["turn"] = BLACK if black == "X" else WHITE
    return found


def marks(drawing: str, size: int | None = None) -> set[int]:
    """The places of the # in a drawing."""
    drawn = rows(drawing)
    size = size or len(drawn)
    return {r * size + c for r, row in enumerate(drawn) for c, sign in enumerate(row) if sign == "#"}


def marked(plane: np.ndarray) -> set[int]:
    """The places where a plane is 1."""
    return {int(place) for place in np.flatnonzero(plane)}
