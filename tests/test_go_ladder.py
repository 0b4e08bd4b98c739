"""Drawn ladders, each under the eight symmetries and with swapped colours."""

import numpy as np
import pytest
from drawn_go import BLACK, WHITE, marked, rows
from neocog.go import symmetry
from neocog.go.board import Board
from neocog.go.planes import SLICES, planes

# X is to move. c marks a move of X that captures in a ladder, e one that saves a chain of X from ladders.
# What is not drawn is empty.
LADDERS = {
    "it works across an empty board": (
        13,
        """
        . . . . . . .
        . . . . . . .
        . . . X X . .
        . . X O . . .
        . . . c . . .
        """,
    ),
    "a breaker at a distance saves the chain": (
        13,
        """
        . . . . . . . . . . .
        . . . . . . . . . . .
        . . . X X . . . . . .
        . . X O . . . . . . .
        . . . . . . . . . . .
        . . . . . . . . . . .
        . . . . . . . . . . .
        . . . . . . . . . . .
        . . . . . . . . O . .
        . . . . . . . . . . .
        """,
    ),
    "a breaker beside the way does not": (
        13,
        """
        . . . . . . . . . . .
        . . . . . . . . . . .
        . . . X X . . . . . .
        . . X O . . . . . . .
        . . . c . . . . . . .
        . . . . . . . . . . .
        . . . . . . . . . . .
        . . . . . . . . . . .
        . . . . O . . . . . .
        """,
    ),
    "an atari on a chaser breaks it": (
        13,
        """
        . . . . . . .
        . . . O O . .
        . . O X X . .
        . e X O . . .
        . . O . . . .
        """,
    ),
    "to the edge": (
        7,
        """
        . . . . . . .
        . . . . . . .
        . . . . . . .
        . . . . . . .
        . X X . . . .
        . X O c . . .
        . . . . . . .
        """,
    ),
    "into the corner": (
        5,
        """
        . . . . .
        . . . . .
        . . X X .
        . . X O c
        . . . c .
        """,
    ),
    "only a sacrifice captures": (
        5,
        """
        O O X . .
        c . X . .
        O . X X .
        O . . O O
        . . . O .
        """,
    ),
    "a runner gets out where there is room": (
        9,
        """
        . . . . . .
        . . O . . .
        . O X e . .
        . . O . . .
        . . . . . .
        """,
    ),
    "a runner does not get out of a ladder": (
        9,
        """
        . . . . . .
        . . O O O .
        . O X . . .
        . . O . . .
        . . . . . .
        """,
    ),
    "taking a hunter saves": (
        9,
        """
        X O e . . .
        . X O X . .
        . O . . . .
        """,
    ),
}


def read(size: int, drawing: str):
    """Stones (size, size) with X as 1 and O as 2, and the expected ladder planes."""
    stones, capture, escape = (np.zeros((size, size), np.uint8) for _ in range(3))
    for r, row in enumerate(rows(drawing)):
        for c, sign in enumerate(row):
            stones[r, c] = {"X": 1, "O": 2}.get(sign, 0)
            capture[r, c], escape[r, c] = sign == "c", sign == "e"
    return stones, capture, escape


def ladder_planes(stones: np.ndarray, x: int):
    """The ladder planes with X to move, as black (1) or white (2)."""
    places = np.flatnonzero(stones)
    colours = [x if stones.flat[place] == 1 else BLACK + WHITE - x for place in places]
    game = Board(len(stones), stones=places, stone_colours=colours)
    game.position["turn"] = x
    values = planes(game.position)
    return values[SLICES["ladder capture"]][0], values[SLICES["ladder escape"]][0]


@pytest.mark.parametrize("x", [BLACK, WHITE], ids=["black", "white"])
@pytest.mark.parametrize("s", range(8))
@pytest.mark.parametrize("name", LADDERS)
def test_drawn_ladders_are_read_correctly(name, s, x):
    stones, capture, escape = (symmetry.turned(layer, s) for layer in read(*LADDERS[name]))
    marked_planes = ladder_planes(np.ascontiguousarray(stones), x)
    assert marked(marked_planes[0]) == marked(capture), "capture"
    assert marked(marked_planes[1]) == marked(escape), "escape"


def test_the_longest_ladder_is_read_to_its_end():
    """From corner to corner of 19×19, where a stone in the far corner breaks it."""
    stones = np.zeros((19, 19), np.uint8)
    stones[2, 2], stones[1, 2], stones[1, 3], stones[2, 1] = 2, 1, 1, 1
    assert marked(ladder_planes(stones, BLACK)[0]) == {3 * 19 + 2}
    stones[16, 16] = 2
    assert marked(ladder_planes(stones, BLACK)[0]) == set()
