"""The rules, compared with sgfmill's board, published counts of legal positions, and drawings."""

import random
import zipfile

import numpy as np
import pytest
from drawn_go import board, rows
from hypothesis import given, settings
from hypothesis import strategies as st
from neocog.go import position as positions
from neocog.go import sgf
from neocog.go.board import Board
from neocog.go.compiled import compiled
from neocog.go.game import set_up
from neocog.go.position import POSITION, clear, empty_positions, legal, play, point_of, set_turn, undo
from sgfmill import boards

LEGAL = {1: 1, 2: 57, 3: 12_675, 4: 24_318_165}  # Tromp and Farnebäck 2006, table 1
STATE = [
    name
    for name in POSITION.names
    if not name.startswith("log_") and name not in ("reply_count", "moves_read", "scratch_set")
]


# --- counts --------------------------------------------------------------------------------------------------------


@compiled
def unfold(b, number, size):
    """Sets up the position whose points are the base-3 digits of a number. Returns −1 if it is legal."""
    stones, colours = np.empty(size * size, np.int64), np.empty(size * size, np.int64)
    count = 0
    for place in range(size * size):
        if number % 3:
            stones[count], colours[count] = place, number % 3
            count += 1
        number //= 3
    clear(b, size)
    return set_up(b, stones[:count], colours[:count])


@compiled
def count_legal(b, size):
    """Counts the positions, of all 3^(size²), in which every chain has a liberty."""
    count = 0
    for number in range(3 ** (size * size)):
        count += unfold(b, number, size) < 0
    return count


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_number_of_legal_positions_is_the_published_one(size):
    assert count_legal(empty_positions(1, size)[0], size) == LEGAL[size]


@pytest.mark.slow
def test_the_number_of_legal_positions_on_4x4_is_the_published_one():
    assert count_legal(empty_positions(1, 4)[0], 4) == LEGAL[4]


@compiled
def folded(b):
    number = 0
    for place in range(b.size * b.size - 1, -1, -1):
        number = number * 3 + b.colour[point_of(b, place)]
    return number


@compiled
def count_reached(b, size):
    """Counts the positions reachable by legal moves of either colour; −1 if undo does not restore a position."""
    area = size * size
    visited, stack = np.zeros(3**area, np.uint8), np.empty(3**area, np.int64)
    stack[0], visited[0], count, reached = 0, 1, 1, 1
    while count:
        count -= 1
        now = stack[count]
        unfold(b, now, size)
        for colour in (1, 2):
            for place in range(area):
                set_turn(b, colour)
                p = point_of(b, place)
                if legal(b, p):
                    play(b, p)
                    new = folded(b)
                    undo(b)
                    if folded(b) != now:
                        return -1
                    if not visited[new]:
                        visited[new] = 1
                        stack[count] = new
                        count += 1
                        reached += 1
    return reached


@pytest.mark.parametrize("size", [1, 2, 3])
def test_play_reaches_every_legal_position_and_no_other(size):
    assert count_reached(empty_positions(1, size)[0], size) == LEGAL[size]


# --- play and undo -------------------------------------------------------------------------------------------------


def state(b):
    """The fields of a position, with values of chains only at stones."""
    values = {name: b[name].copy() for name in STATE}
    empty = (values["colour"] == 0) | (values["colour"] == 3)
    heads = np.zeros(len(empty), bool)
    heads[values["head"][~empty]] = True
    for name in ("age", "head", "next"):
        values[name][empty] = 0
    for name in ("stones", "liberties", "liberty_set"):
        values[name][~heads] = 0
    for name in ("level_next", "level_end", "level_top", "second_atari", "replies", "eye_points", "eye"):
        del values[name]
    return values


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_undo_restores_the_position(seed, size):
    """In random legal play with captures and passes, after each of up to 60 moves."""
    rng = random.Random(seed)
    b = empty_positions(1, size)[0]
    points = [point_of(b, place) for place in range(size * size)]
    before = []
    for _ in range(rng.randint(1, 60)):
        before.append(state(b))
        moves = [p for p in points if legal(b, p)]
        play(b, rng.choice(moves) if moves and rng.random() < 0.95 else positions.PASS)
    while before:
        undo(b)
        now, then = state(b), before.pop()
        for name in then:
            np.testing.assert_array_equal(now[name], then[name], err_msg=name)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 9))
def test_chains_and_liberties_match_a_flood_fill(seed, size):
    """After random legal play: sizes, liberties and rings, counted again from the stones."""
    rng = random.Random(seed)
    game = Board(size)
    for _ in range(rng.randint(0, 150)):
        moves = [place for place in range(size * size) if game.legal(place)]
        game.play(rng.choice(moves) if moves else -1)
    b, stones = game.position, game.board()
    for place in np.flatnonzero(stones):
        chain, free = flooded(stones, int(place))
        p = point_of(b, place)
        assert game.liberties(int(place)) == len(free)
        assert b["stones"][b["head"][p]] == len(chain)
        ring, point = set(), p
        while point not in ring:
            ring.add(point)
            point = int(b["next"][point])
        assert ring == {point_of(b, row * size + column) for row, column in chain}


def flooded(stones, place):
    size = len(stones)
    start = divmod(place, size)
    chain, free, stack = {start}, set(), [start]
    while stack:
        r, c = stack.pop()
        for y, x in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if not (0 <= y < size and 0 <= x < size):
                continue
            if stones[y, x] == 0:
                free.add((y, x))
            elif stones[y, x] == stones[start] and (y, x) not in chain:
                chain.add((y, x))
                stack.append((y, x))
    return chain, free


# --- against sgfmill -----------------------------------------------------------------------------------------------


def agrees_with_sgfmill(game):
    """Compares stones and ko point after every move."""
    reference, board = boards.Board(game.size), Board(game.size, stones=game.stones, stone_colours=game.stone_colours)

    def row_and_column(place):
        return game.size - 1 - place // game.size, place % game.size

    stones = zip(game.stones.tolist(), game.stone_colours, strict=True)
    black = [row_and_column(place) for place, colour in stones if colour == 1]
    assert reference.apply_setup(black, [], []) and len(black) == len(game.stones)
    for place, colour in zip(game.moves.tolist(), game.colours.tolist(), strict=True):
        board.play(place, colour)
        ko = None if place < 0 else reference.play(*row_and_column(place), "bw"[colour - 1])
        assert ko == (None if board.ko is None else row_and_column(board.ko))
        expected = np.array([[{None: 0, "b": 1, "w": 2}[stone] for stone in row] for row in reference.board[::-1]])
        assert (board.board() == expected).all()
    assert board.score() == reference.area_score()


def games(shared, count):
    with zipfile.ZipFile(shared / "go/test.sgf.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".sgf")]
        for name in names[:: max(1, len(names) // count)]:
            yield sgf.read(archive.read(name), name)


def test_games_match_sgfmill(shared):
    for game in games(shared, 25):
        agrees_with_sgfmill(game)


@pytest.mark.slow
def test_a_thousand_games_match_sgfmill(shared):
    for game in games(shared, 1000):
        agrees_with_sgfmill(game)


# --- drawings ------------------------------------------------------------------------------------------------------


def test_a_stone_without_liberties_is_captured():
    game = board("""
        . X .
        X O .
        . X .
    """)
    assert game.play(5) == 1
    assert (game.board() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]).all()
    assert game.captured == (0, 1)


def test_a_ko_may_be_retaken_only_after_a_move_elsewhere():
    game = board("""
        . X O . .
        X O . O .
        . X O . .
        . . . . .
        . . . . .
    """)
    game.play(7)
    assert game.ko == 6 and game.illegal_reason(6) == "the ko forbids it"
    game.play(24)
    game.play(20)
    assert game.ko is None and game.legal(6)


def test_a_ko_is_free_again_for_the_colour_that_took_it():
    game = board("""
        . X O .
        X O . O
        . X O .
        . . . .
    """)
    game.play(6)
    assert not game.legal(5)
    game.position["turn"] = 2
    with pytest.raises(ValueError, match="white B3: the ko forbids it"):
        game.play(5)
    set_turn(game.position, 1)
    assert game.legal(5)


def test_suicide_of_one_or_more_stones_is_forbidden():
    game = board("""
        . O X .
        O . O .
        X O . .
        . . . .
    """)
    assert game.illegal_reason(0) == "it would be suicide"
    game = board("""
        . X O .
        O O . .
        . . . .
        . . . .
    """)
    assert game.illegal_reason(0) == "it would be suicide"


def test_capturing_is_not_suicide():
    assert board(". O X\nO X X\nX X .", 3).legal(0)


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_superko_forbids_exactly_the_repetitions(seed):
    """In random play on 3×3, for every place after every move."""
    rng = random.Random(seed)
    game = Board(3, superko=True)
    positions = [game.board().tobytes()]
    for _ in range(60):
        loose = game.copy()
        loose.superko = False
        for place in filter(loose.legal, range(9)):
            after = loose.copy()
            after.play(place)
            repeats = after.board().tobytes() in positions
            assert game.illegal_reason(place) == ("it would repeat a position (superko)" if repeats else "")
        moves = list(filter(game.legal, range(9)))
        game.play(rng.choice(moves) if moves else -1)
        positions.append(game.board().tobytes())


def test_undo_restores_captures_ko_and_turn():
    game = board("""
        . X O .
        X O . O
        . X O .
        . . . .
    """)
    before = game.board()
    game.play(6)
    game.undo()
    assert (game.board() == before).all() and game.turn == 1 and game.ko is None and game.captured == (0, 0)
    with pytest.raises(ValueError, match="no move to take back"):
        game.undo()


def test_a_copy_is_independent():
    game = board(". .\n. .")
    copy = game.copy()
    copy.play(0)
    assert game.board().sum() == 0 and game.moves == [] and copy.moves == [0]


def test_area_counts_stones_and_points_reached_by_one_colour():
    game = board("""
        . X X O .
        . X . O O
        X X . O .
        . X . O O
        . X . O .
    """)
    assert game.score() == 11 - 10 and game.score(komi=0.5) == 0.5
    assert (game.owners() == [[{"X": 1, "O": 2, ".": 0}[s] for s in row] for row in rows("""
        X X X O O
        X X . O O
        X X . O O
        X X . O O
        X X . O O
    """)]).all()  # fmt: skip


def test_stones_that_cannot_be_set_up_are_named():
    with pytest.raises(ValueError, match="the stone at A3 cannot be set up there"):
        Board(3, stones=[0, 0], stone_colours=[1, 2])
    with pytest.raises(ValueError, match="the stone at A3 cannot be set up there"):
        Board(3, stones=[0, 1, 3], stone_colours=[1, 2, 2])
