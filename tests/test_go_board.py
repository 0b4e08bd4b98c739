"""The rules, against sgfmill's board, known counts of legal positions, and drawings."""

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
    """Sets up the position whose points are the digits of a number, base 3. Gives −1 if it is legal."""
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
    """How many of the 3^(size²) ways to put stones on a board leave every chain a liberty."""
    found = 0
    for number in range(3 ** (size * size)):
        found += unfold(b, number, size) < 0
    return found


@pytest.mark.parametrize("size", [1, 2, 3])
def test_there_are_as_many_legal_positions_as_others_counted(size):
    assert count_legal(empty_positions(1, size)[0], size) == LEGAL[size]


@pytest.mark.slow
def test_there_are_as_many_legal_positions_on_4x4_as_others_counted():
    assert count_legal(empty_positions(1, 4)[0], 4) == LEGAL[4]


@compiled
def folded(b):
    number = 0
    for place in range(b.size * b.size - 1, -1, -1):
        number = number * 3 + b.colour[point_of(b, place)]
    return number


@compiled
def count_reached(b, size):
    """How many positions play reaches from the empty board, both colours moving where they may; −1 if undo errs."""
    area = size * size
    seen, waiting = np.zeros(3**area, np.uint8), np.empty(3**area, np.int64)
    waiting[0], seen[0], count, found = 0, 1, 1, 1
    while count:
        count -= 1
        now = waiting[count]
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
                    if not seen[new]:
                        seen[new] = 1
                        waiting[count] = new
                        count += 1
                        found += 1
    return found


@pytest.mark.parametrize("size", [1, 2, 3])
def test_play_reaches_every_legal_position_and_no_other(size):
    assert count_reached(empty_positions(1, size)[0], size) == LEGAL[size]


# --- play and undo -------------------------------------------------------------------------------------------------


def state(b):
    """All that a position is, chains only where there are stones."""
    told = {name: b[name].copy() for name in STATE}
    empty = (told["colour"] == 0) | (told["colour"] == 3)
    heads = np.zeros(len(empty), bool)
    heads[told["head"][~empty]] = True
    for name in ("age", "head", "next"):
        told[name][empty] = 0
    for name in ("stones", "liberties", "liberty_set"):
        told[name][~heads] = 0
    for name in ("level_next", "level_end", "level_top", "second_atari", "replies", "eye_points", "eye"):
        del told[name]
    return told


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_taking_moves_back_leaves_the_position_as_it_was(seed, size):
    """On random legal play with captures and passes, after each of up to 60 moves."""
    rng = random.Random(seed)
    b = empty_positions(1, size)[0]
    points = [point_of(b, place) for place in range(size * size)]
    before = []
    for _ in range(rng.randint(1, 60)):
        before.append(state(b))
        may = [p for p in points if legal(b, p)]
        play(b, rng.choice(may) if may and rng.random() < 0.95 else positions.PASS)
    while before:
        undo(b)
        now, then = state(b), before.pop()
        for name in then:
            np.testing.assert_array_equal(now[name], then[name], err_msg=name)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 9))
def test_chains_and_liberties_are_those_that_are_on_the_board(seed, size):
    """After random legal play: sizes, liberties and rings, counted anew from the stones."""
    rng = random.Random(seed)
    game = Board(size)
    for _ in range(rng.randint(0, 150)):
        may = [place for place in range(size * size) if game.legal(place)]
        game.play(rng.choice(may) if may else -1)
    b, stones = game.position, game.board()
    for place in np.flatnonzero(stones):
        chain, free = flooded(stones, int(place))
        p = point_of(b, place)
        assert game.liberties(int(place)) == len(free)
        assert b["stones"][b["head"][p]] == len(chain)
        ring, at = set(), p
        while at not in ring:
            ring.add(at)
            at = int(b["next"][at])
        assert ring == {point_of(b, row * size + column) for row, column in chain}


def flooded(stones, place):
    size = len(stones)
    start = divmod(place, size)
    chain, free, waiting = {start}, set(), [start]
    while waiting:
        r, c = waiting.pop()
        for y, x in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
            if not (0 <= y < size and 0 <= x < size):
                continue
            if stones[y, x] == 0:
                free.add((y, x))
            elif stones[y, x] == stones[start] and (y, x) not in chain:
                chain.add((y, x))
                waiting.append((y, x))
    return chain, free


# --- against sgfmill -----------------------------------------------------------------------------------------------


def agrees_with_sgfmill(game):
    """Stones and ko point after every move."""
    other, own = boards.Board(game.size), Board(game.size, stones=game.stones, stone_colours=game.stone_colours)

    def theirs(place):
        return game.size - 1 - place // game.size, place % game.size

    black = [theirs(int(place)) for place, colour in zip(game.stones, game.stone_colours, strict=True) if colour == 1]
    assert other.apply_setup(black, [], []) and len(black) == len(game.stones)
    for place, colour in zip(game.moves.tolist(), game.colours.tolist(), strict=True):
        own.play(place, colour)
        ko = None if place < 0 else other.play(*theirs(place), "bw"[colour - 1])
        assert ko == (None if own.ko is None else theirs(own.ko))
        drawn = np.array([[{None: 0, "b": 1, "w": 2}[each] for each in row] for row in other.board[::-1]])
        assert (own.board() == drawn).all()
    assert own.score() == other.area_score()


def games(shared, count):
    with zipfile.ZipFile(shared / "go/test.sgf.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".sgf")]
        for name in names[:: max(1, len(names) // count)]:
            yield sgf.read(archive.read(name), name)


def test_games_go_as_on_sgfmills_board(shared):
    for game in games(shared, 25):
        agrees_with_sgfmill(game)


@pytest.mark.slow
def test_a_thousand_games_go_as_on_sgfmills_board(shared):
    for game in games(shared, 1000):
        agrees_with_sgfmill(game)


# --- drawings ------------------------------------------------------------------------------------------------------


def test_a_stone_without_liberties_is_taken():
    game = board("""
        . X .
        X O .
        . X .
    """)
    assert game.play(5) == 1
    assert (game.board() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]).all()
    assert game.captured == (0, 1)


def test_a_ko_may_not_be_retaken_at_once_and_may_after_a_move_elsewhere():
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


def test_taking_is_no_suicide():
    assert board(". O X\nO X X\nX X .", 3).legal(0)


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_superko_forbids_just_what_brings_a_position_back(seed):
    """Random play on 3×3, every place asked after every move."""
    rng = random.Random(seed)
    game = Board(3, superko=True)
    seen = [game.board().tobytes()]
    for _ in range(60):
        loose = game.copy()
        loose.superko = False
        for place in filter(loose.legal, range(9)):
            after = loose.copy()
            after.play(place)
            repeats = after.board().tobytes() in seen
            assert game.illegal_reason(place) == ("it would repeat a position (superko)" if repeats else "")
        may = list(filter(game.legal, range(9)))
        game.play(rng.choice(may) if may else -1)
        seen.append(game.board().tobytes())


def test_undo_takes_back_captures_ko_and_turn():
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


def test_a_copy_has_a_life_of_its_own():
    game = board(". .\n. .")
    other = game.copy()
    other.play(0)
    assert game.board().sum() == 0 and game.moves == [] and other.moves == [0]


def test_area_is_stones_and_what_only_they_reach():
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
