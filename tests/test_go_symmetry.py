"""The eight symmetries are a group, and planes and moves turn with the board."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neocog.go import symmetry
from neocog.go.board import Board
from neocog.go.planes import planes
from neocog.go.symmetry import COUNT, INVERSE, PRODUCT, moved, turned

ALL = range(COUNT)
BOARD = np.arange(35 * 35).reshape(35, 35)


def test_the_eight_are_different_and_the_first_changes_nothing():
    assert len({turned(BOARD, s).tobytes() for s in ALL}) == 8
    assert (turned(BOARD, 0) == BOARD).all()


@pytest.mark.parametrize("s", ALL)
def test_products_inverses_and_associativity(s):
    assert PRODUCT[s][0] == PRODUCT[0][s] == s and PRODUCT[s][INVERSE[s]] == PRODUCT[INVERSE[s]][s] == 0
    for t in ALL:
        assert (turned(turned(BOARD, t), s) == turned(BOARD, PRODUCT[s][t])).all()
        for u in ALL:
            assert PRODUCT[PRODUCT[s][t]][u] == PRODUCT[s][PRODUCT[t][u]]


@given(st.integers(1, 19), st.integers(0, 7), st.data())
def test_a_move_turns_with_the_board(size, s, data):
    place = data.draw(st.integers(0, size * size - 1))
    board = np.zeros((size, size), int)
    board.flat[place] = 1
    assert turned(board, s).ravel()[moved(place, s, size)] == 1
    assert moved(moved(place, s, size), INVERSE[s], size) == place


def test_a_pass_stays_a_pass():
    assert all(moved(-1, s) == -1 for s in ALL)
    assert moved(np.array([-1, 0, 360]), 2).tolist() == [-1, 360, 0]


def test_the_table_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        symmetry.table(9)[0, 0] = 5


@pytest.mark.parametrize("size", [5, 9])
def test_planes_turn_with_the_board(size):
    """Turned games have turned planes, including ladders."""
    rng = random.Random(size)
    games = [Board(size) for _ in ALL]
    for number in range(80):
        legal = [place for place in range(size * size) if games[0].legal(place)]
        place = rng.choice(legal) if legal else -1
        for s, game in enumerate(games):
            game.play(int(moved(place, s, size)))
        if number % 3 == 0:
            first = planes(games[0].position)
            for s, game in enumerate(games):
                np.testing.assert_array_equal(planes(game.position), turned(first, s))
