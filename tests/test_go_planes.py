"""The 48 planes: compared with a slow, plain version, in drawings, and as bits."""

import random
import zipfile

import numpy as np
import pytest
from drawn_go import board, marked, marks
from hypothesis import given, settings
from hypothesis import strategies as st
from neocog.core.problem import Problem
from neocog.go import planes as planes_of
from neocog.go import sgf
from neocog.go.board import Board
from neocog.go.planes import COUNT, PLANES, SLICES, names, packed, planes, stones, unpacked
from plain_go import Plain


def plane(game: Board, name: str) -> set[int]:
    """The places marked in the plane with a name."""
    (index,) = range(COUNT)[planes_of.find(name)]
    return marked(planes(game.position)[index])


def differences(game: Board, plain: Plain) -> list[str]:
    """The differences between the fast and the plain planes."""
    fast, slow = planes(game.position), plain.planes()
    return [f"{names()[index]} index {row}, {column}" for index, row, column in np.argwhere(fast != slow)]


# --- the table -----------------------------------------------------------------------------------------------------


def test_the_planes_are_48_in_the_order_of_the_paper():
    assert COUNT == 48 and len(names()) == 48 and len(set(names())) == 48
    expected = {"stones": (0, 3), "ones": (3, 4), "turns since": (4, 12), "liberties": (12, 20)}
    expected |= {"capture size": (20, 28), "self-atari size": (28, 36), "liberties after": (36, 44)}
    expected |= {"ladder capture": (44, 45), "ladder escape": (45, 46), "sensible": (46, 47), "zeros": (47, 48)}
    assert {name: (planes_of_group.start, planes_of_group.stop) for name, planes_of_group in SLICES.items()} == expected
    assert list(PLANES) == list(SLICES)


@pytest.mark.parametrize(
    ("name", "index"),
    [
        *(("ladder capture", 44), ("Ladder_Capture", 44), ("liberties 1", 12), ("liberties 8", 19)),
        *(("liberties 8+", 19), ("turns since 0", 4), ("capture size 0", 20), ("own stones", 0), ("47", 47), ("0", 0)),
    ],
)
def test_a_plane_is_found_by_its_name_or_number(name, index):
    assert planes_of.find(name) == slice(index, index + 1)


def test_a_group_name_selects_all_its_planes():
    assert planes_of.find("liberties") == slice(12, 20)


@pytest.mark.parametrize("name", ["lader capture", "48", "liberties 9", ""])
def test_an_unknown_plane_is_an_error_that_lists_the_planes(name):
    with pytest.raises(Problem, match=r"is not a plane.*; expected one of stones, ones, .*, or 0 to 47"):
        planes_of.find(name)
    with pytest.raises(Problem, match=r"did you mean ladder capture\?"):
        planes_of.find("lader capture")


# --- against the plain version -------------------------------------------------------------------------------------


def random_game(seed: int, size: int, max_moves: int):
    """Yields (fast, plain) after each move of random legal play, with few moves into eyes and few passes."""
    rng = random.Random(seed)
    game, plain = Board(size), Plain(size)
    for _ in range(max_moves):
        yield game, plain
        legal = [point for point in plain.points() if plain.played(point) is not None]
        no_eyes = [point for point in legal if not plain.is_eye(point, plain.turn)]
        pool = no_eyes if no_eyes and rng.random() < 0.97 else legal
        if not pool or rng.random() < 0.02:
            game.play(-1)
            plain = plain.passed()
        else:
            row, column = rng.choice(pool)
            game.play(row * size + column)
            plain = plain.played((row, column))


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.integers(2, 7))
def test_planes_match_the_plain_version_in_random_play(seed, size):
    """On crowded boards: snapbacks, ko, shared liberties, suicide threats, false eyes."""
    for number, (game, plain) in enumerate(random_game(seed, size, 70)):
        if number % 4 == 0:
            assert differences(game, plain) == []


@pytest.mark.slow
def test_planes_match_the_plain_version_in_long_random_play():
    """Every plane occurs, so none agrees only by being empty."""
    occurrences = np.zeros(COUNT, int)
    for seed in range(60):
        for number, (game, plain) in enumerate(random_game(seed, (5, 7, 9, 13)[seed % 4], 150)):
            if number % 3 == 0:
                assert differences(game, plain) == []
                occurrences += planes(game.position).any((1, 2))
    assert (occurrences[:47] > 0).all() and occurrences[47] == 0


def through(game, step: int, first: int = 0):
    """Yields (fast, plain) at every `step`-th position of a record."""
    colours = {1: "b", 2: "w"}
    fast, plain = Board(game.size, stones=game.stones, stone_colours=game.stone_colours), Plain(game.size)
    for place, colour in zip(game.stones.tolist(), game.stone_colours.tolist(), strict=True):
        plain = plain.set_up(divmod(place, game.size), colours[colour])
    for number, (place, colour) in enumerate(zip(game.moves.tolist(), game.colours.tolist(), strict=True)):
        plain = plain.to_move(colours[colour])
        fast.position["turn"] = colour
        if number % step == first:
            yield fast, plain
        fast.play(place, colour)
        plain = plain.played(divmod(place, game.size)) if place >= 0 else plain.passed()


def some_games(shared, step):
    with zipfile.ZipFile(shared / "go/test.sgf.zip") as archive:
        listed = [name for name in archive.namelist() if name.endswith(".sgf")]
        return [sgf.read(archive.read(name), name) for name in listed[7::step]]


def test_planes_match_the_plain_version_in_games(shared):
    for number, game in enumerate(some_games(shared, 100)):
        for fast, plain in through(game, 90, 29 + 5 * number):
            assert differences(fast, plain) == []


@pytest.mark.slow
def test_planes_match_the_plain_version_in_many_games(shared):
    occurrences = np.zeros(COUNT, int)
    for number, game in enumerate(some_games(shared, 10)):
        for fast, plain in through(game, 30, number % 30):
            assert differences(fast, plain) == []
            occurrences += planes(fast.position).any((1, 2))
    assert (occurrences[:47] > 0).all()


# --- drawings ------------------------------------------------------------------------------------------------------


def test_a_stone_in_atari_is_on_the_first_liberty_plane():
    game = board("""
        . X .
        X O X
        . . .
    """)
    assert plane(game, "liberties 1") == marks("""
        . . .
        . # .
        . . .
    """)


def test_stone_planes_are_relative_to_the_colour_to_move():
    for black in "XO":
        game = board("X . .\nO O .\n. . X", black=black)
        assert plane(game, "own stones") == {0, 8} and plane(game, "opponent's stones") == {3, 4}
        assert plane(game, "empty") == {1, 2, 5, 6, 7}


def test_stones_age_by_turns_and_a_pass_is_a_turn():
    game = Board(3)
    for place in (0, 8, -1, 4):
        game.play(place)
    assert [plane(game, f"turns since {age}") for age in range(4)] == [{4}, set(), {8}, {0}]


def test_the_oldest_share_the_last_plane():
    game = Board(5)
    for place in range(0, 20, 2):
        game.play(place)
    assert plane(game, "turns since 7+") == {0, 2, 4} and plane(game, "turns since 6") == {6}


def test_handicap_stones_age_like_moves():
    game = Board(5, stones=[0, 24, 4], stone_colours=[1, 1, 1])
    assert [plane(game, f"turns since {age}") for age in range(3)] == [{4}, {24}, {0}]


def test_a_point_retaken_shows_the_age_of_the_new_stone():
    game = board("""
        . X O .
        X O . O
        . X O .
        . . . .
    """)
    game.play(6)
    game.play(15)
    game.play(12)
    assert game.play(5) == 1
    assert plane(game, "turns since 0") == {5} and 6 not in plane(game, "turns since 3")


def test_capture_size_counts_all_captured_chains():
    game = board("""
        O . O O X
        X X X X .
        . . . . .
        . . . . .
        . . . . .
    """)
    assert plane(game, "capture size 3") == {1} and plane(game, "liberties after 8+") >= {1}
    assert 1 not in plane(game, "capture size 0")


def test_self_atari_size_counts_the_stones_of_the_chain():
    game = board("""
        X . O . .
        X O . . .
        O . . . .
        . . . . .
        . . . . .
    """)
    assert plane(game, "self-atari size 3") == set() and plane(game, "capture size 0").isdisjoint({1})
    game = board("""
        X . . O .
        X O O . .
        O . . . .
        . . . . .
        . . . . .
    """)
    assert plane(game, "self-atari size 3") == {1} and plane(game, "liberties after 1") == {1, 2, 4}
    assert plane(game, "self-atari size 1") == {2, 4}


def test_a_capture_adds_liberties():
    game = board("""
        . O X . .
        O X . . .
        X . . . .
        . . . . .
        . . . . .
    """)
    assert plane(game, "capture size 2") == {0} and plane(game, "liberties after 2") >= {0}


def test_illegal_moves_are_not_marked():
    game = board("""
        . O X . .
        O O . . .
        X . . . .
        . . . . .
        . . . . .
    """)
    assert not planes(game.position)[20:47, 0, 0].any()


def test_a_ko_point_is_not_marked():
    game = board("""
        . X O .
        X O . O
        . X O .
        . . . .
    """)
    game.play(6)
    assert not planes(game.position)[20:47, 1, 1].any()
    game.play(15)
    game.play(-1)
    assert planes(game.position)[21, 1, 1] == 1


@pytest.mark.parametrize(
    ("drawing", "eyes"),
    [
        ("# X . .\nX X . .\n. . . .\n. . . .", "corner"),
        ("# X . .\nX . . .\n. . . .\n. . . .", "a corner whose diagonal is empty: false"),
        (". X # X .\n. X X X .\n. . . . .\n. . . . .\n. . . . .", "edge"),
        (". X # X .\n. X X O .\n. . . . .\n. . . . .\n. . . . .", "edge, one bad diagonal: false"),
        (". . . . .\n. X X X .\n. X # X .\n. X X O .\n. . . . .", "middle, one bad diagonal"),
        (". . . . .\n. X X O .\n. X # X .\n. X X O .\n. . . . .", "middle, two bad diagonals: false"),
        (". . . . .\n. X X . .\n. X # X .\n. X X O .\n. . . . .", "middle, an empty diagonal is bad too: false"),
        ("# X X .\nX # X .\n. X X .\n. . . .", "two eyes that need each other"),
    ],
)
def test_true_eyes_are_not_sensible(drawing, eyes):
    points = marks(drawing)
    game = board(drawing.replace("#", "."))
    sensible = plane(game, "sensible")
    legal = {place for place in range(game.size**2) if game.legal(place)}
    assert legal - sensible == (set() if "false" in eyes else points)


def test_the_opponents_eyes_are_sensible_points():
    game = board(". O . .\nO O . .\n. . . .\n. X . .")
    assert plane(game, "sensible") == {place for place in range(16) if game.legal(place)}


def test_a_checkerboard_of_eyes_is_fast():
    """Every eye depends on four others: recursion would take exponential time."""
    size = 19
    places = [place for place in range(size * size) if (place // size + place % size) % 2]
    game = Board(size, stones=places, stone_colours=[1] * len(places))
    game.position["turn"] = 1
    assert plane(game, "sensible") == set()


# --- as bits, and the smaller input --------------------------------------------------------------------------------


def test_a_packed_position_is_numpys_packed_bits_in_2166_bytes():
    game = Board(19)
    for place in (60, 300, 72, 288, 180):
        game.play(place)
    row = packed(game.position)
    assert row.shape == (2166,) and row.dtype == np.uint8
    assert (row == np.packbits(planes(game.position))).all()
    assert (unpacked(row) == planes(game.position)).all()
    assert unpacked(np.stack([row] * 3)).shape == (3, 48, 19, 19)


@pytest.mark.parametrize("size", [1, 2, 5, 9, 13, 19])
def test_planes_of_other_sizes_pack_and_unpack(size):
    game = Board(size)
    if size > 1:
        game.play(size)
    values = planes(game.position)
    assert values.shape == (48, size, size) and values[3].all() and not values[47].any()
    assert values[:3].sum() == size * size


def test_computing_planes_does_not_change_the_position(shared):
    for game in some_games(shared, 250):
        position = game.position(len(game) // 2)
        before = {name: position[name].copy() for name in ("colour", "age", "ko", "turn", "moves", "hash", "depth")}
        first = planes(position)
        assert (planes(position) == first).all()
        for name, value in before.items():
            assert (position[name] == value).all(), name


def test_the_matrix_is_black_white_and_empty():
    values = stones(board("X . O\n. . .\n. X .").position)
    assert values.dtype == np.int8 and values.tolist() == [[[1, 0, -1], [0, 0, 0], [0, 1, 0]]]
