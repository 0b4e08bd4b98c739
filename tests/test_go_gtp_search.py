"""GTP with a search: moves, analyses that go on, the clock, and the clean-up of dead stones."""

import re

import numpy as np
import pytest
from go_policies import by_hand, divided_board, evaluate_by_area, evaluate_nothing, model_file
from neocog.go import search as searches
from neocog.go.board import Board
from neocog.go.coords import PASS, place
from neocog.go.play.clock import RESERVE, Clock
from neocog.go.play.engine import Engine
from neocog.go.play.gtp import Script, serve
from neocog.go.play.player import RESIGN, Player
from neocog.go.play.search_player import SearchPlayer


def player(visits: int | None = 20, evaluator=evaluate_nothing, **options) -> SearchPlayer:
    return SearchPlayer(by_hand, evaluator, visits, **options)


def send(*lines: str, engine: Engine | None = None) -> list[str]:
    written: list[str] = []
    serve(engine or Engine(player()), Script(lines), written.append)
    return "".join(written).split("\n\n")[:-1]


# --- moves -----------------------------------------------------------------------------------------------------------


def test_genmove_plays_the_move_with_the_most_visits():
    engine = Engine(player())
    (answer,) = send("genmove b", engine=engine)
    search = searches.Search(Board(19), 7.5)
    searches.run(search, evaluate_nothing, 20)
    assert engine.board.moves == [search.result().moves[0].place] and re.fullmatch(r"= [A-T]\d+", answer)


def test_the_tree_is_kept_between_moves():
    """After both moves the position below them has visits before a new one is added."""
    engine = Engine(player(120))
    send("genmove b", engine=engine)
    search = engine.player.search
    search.advance(engine.board.moves[0], 1)
    reply = search.result().moves[0]
    engine.board.play(reply.place, 2)
    kept = engine.player.search_of(engine.board.with_turn(1), 7.5)
    assert kept is search and 0 < kept.visits == reply.visits < 120


@pytest.mark.parametrize("command", ["komi 3.5", "undo", "clear_board"])
def test_a_position_that_does_not_follow_begins_a_new_tree(command):
    engine = Engine(player(30))
    send("genmove b", "genmove w", command, engine=engine)
    before = engine.player.search
    assert engine.player.search_of(engine.board.with_turn(1), engine.komi) is not before


def test_the_seed_decides_what_a_temperature_draws():
    moves = [player(60, temperature=1.0, seed=seed).choose(Board(19), 1, 7.5) for seed in (1, 1, 2, 3, 4)]
    assert moves[0] == moves[1] and len(set(moves)) > 1


def test_a_lost_game_is_resigned_only_if_asked():
    board = divided_board(rows=4)
    board.moves, board.colours = [PASS, 0] * 40, [1, 2] * 40  # so long that a player may resign
    for resign, expected in ((0.05, True), (None, False)):
        move = player(5, evaluate_by_area, resign=resign).choose(board, 1, 7.5)
        assert (move == RESIGN) == expected


def test_a_search_passes_after_the_opponent_where_it_leads():
    board = divided_board(rows=12)
    board.play(PASS, 2)
    assert player(10).choose(board, 1, 7.5) == PASS


# --- analysis --------------------------------------------------------------------------------------------------------


class Waiting(Script):
    """Lines of which the second arrives after a number of looks."""

    def __init__(self, looks: int, *lines: str) -> None:
        super().__init__(lines)
        self.looks = looks

    def wait(self, seconds: float) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize("name", ["lz-analyze", "kata-analyze"])
def test_an_analysis_goes_on_until_the_next_command(name):
    written: list[str] = []
    serve(Engine(player()), Waiting(60, f"{name} b 5 maxmoves 3", "name"), written.append)
    text = "".join(written)
    analysed, _, named = text.partition("\n\n")
    lines = analysed.split("\n")[1:]
    totals = [sum(int(count) for count in re.findall(r"visits (\d+)", line)) for line in lines]
    assert len(lines) > 1 and totals == sorted(totals) and totals[-1] > totals[0]
    assert all(len(re.findall("info move", line)) <= 3 for line in lines) and named == "= Neocog\n\n"


def test_an_analysis_is_of_the_moves_asked_for_and_from_the_players_side():
    line = send("kata-analyze w 1 allow w D4,Q16 1 ownership true", engine=Engine(player(evaluator=evaluate_by_area)))[
        0
    ]
    assert set(re.findall(r"info move (\w+)", line)) <= {"D4", "Q16"}
    assert len(line.partition(" ownership ")[2].split()) == 361
    # So many stones that Black leads whatever White replies, however deep the search reads in its time.
    wall = [f"play b D{row}" for row in range(2, 19)]
    black, white = (
        float(
            re.search(r"scoreLead (-?[\d.]+)", send(*lines, engine=Engine(player(evaluator=evaluate_by_area)))[-1])[1]
        )
        for lines in ((*wall, "kata-analyze b 1"), (*wall, "kata-analyze w 1"))
    )
    assert black > 0 > white


def test_genmove_analyze_reports_the_search_of_its_move():
    engine = Engine(player(40))
    head, line, play = send("kata-genmove_analyze b 10", engine=engine)[0].split("\n")
    assert head == "=" and play.startswith("play ") and (line.startswith("info move ") or not line)


# --- the clock -------------------------------------------------------------------------------------------------------


def test_without_settings_time_is_unlimited():
    assert Clock().budget(1, 0) is None
    assert Clock.of(100, 30, 0).budget(1, 0) is None  # a byo-yomi time for no stones


def test_main_time_is_spread_over_the_game_and_byo_yomi_over_its_stones():
    clock = Clock.of(1200, 0, 0)
    assert clock.budget(1, 0) == pytest.approx(RESERVE * 10)
    assert clock.budget(1, 500) == pytest.approx(RESERVE * 40)  # the least number of moves
    clock.set_left(1, 50, 5)
    assert clock.budget(1, 0) == pytest.approx(RESERVE * 10) and clock.budget(2, 0) == pytest.approx(RESERVE * 10)


def test_a_clock_without_time_left_counts_its_own_moves():
    clock = Clock.of(10, 30, 1)
    clock.use(1, 10)
    assert clock.budget(1, 3) == pytest.approx(RESERVE * 30)
    assert clock.budget(2, 3) > RESERVE * 10  # the opponent has main time, and byo-yomi behind it
    clock.set_left(1, 8, 0)
    clock.use(1, 20)
    assert clock.left[1] == (0, 0)


def test_a_move_never_takes_more_than_is_left():
    for seconds in (0, 1, 7, 600):
        clock = Clock.of(600, 0, 0)
        clock.set_left(1, seconds, 0)
        assert clock.budget(1, 110) <= seconds


@pytest.mark.parametrize(
    ("line", "main", "byo_time", "byo_stones"),
    [
        ("time_settings 600 30 5", 600, 30, 5),
        ("kgs-time_settings none", None, 0, 0),
        ("kgs-time_settings absolute 300", 300, 0, 0),
        ("kgs-time_settings byoyomi 300 30 5", 300, 30, 1),
        ("kgs-time_settings canadian 300 600 25", 300, 600, 25),
    ],
)
def test_time_settings_are_kept(line, main, byo_time, byo_stones):
    engine = Engine(player())
    assert send(line, engine=engine) == ["= "]
    assert (engine.clock.main, engine.clock.byo_time, engine.clock.byo_stones) == (main, byo_time, byo_stones)


@pytest.mark.parametrize("line", ["kgs-time_settings", "kgs-time_settings dance 1", "kgs-time_settings absolute"])
def test_wrong_time_settings_are_an_error(line):
    (answer,) = send(line)
    assert answer == "? syntax error: expected none, absolute, byoyomi or canadian with their times"


def test_with_no_time_left_a_move_still_comes():
    """A search of one pass: the policy's move."""
    engine = Engine(player(100_000))
    answers = send("time_settings 0 0 0", "time_left b 0 0", "genmove b", engine=engine)
    assert re.fullmatch(r"= [A-T]\d+", answers[2]) and engine.player.search.visits == 1


def test_the_clock_ends_a_search():
    engine = Engine(player(None, seconds=60))
    answers = send("time_left b 1 10", "genmove b", engine=engine)
    assert re.fullmatch(r"= [A-T]\d+", answers[1]) and 1 <= engine.player.search.visits < 20_000


# --- dead stones -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", [Player(by_hand), player(5)], ids=["policy", "search"])
def test_cleanup_captures_the_dead_stones_and_then_passes(chosen):
    """Black's dead stone is B5, White's B16; each in an eye of two points."""
    engine = Engine(chosen)
    engine.board = divided_board(dead=True)
    for _ in range(6):
        (answer,) = send("kgs-genmove_cleanup b", engine=engine)
        if answer == "= pass":
            break
        engine.board.play(PASS, 2)
    board = engine.board.board()
    assert answer == "= pass" and board.ravel()[place("B16", 19)] != 2
    assert engine.board.captured == (0, 1) and (board.ravel()[:190] != 2).all()
    assert np.count_nonzero(board.ravel()[190:] == 1) == 1  # its own dead stone stays


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_searches_with_visits(command, tmp_path):
    model = model_file(tmp_path / "m.safetensors")
    code, out, err = command("go", "gtp", model, "--visits", "3", stdin=b"genmove b\nquit\n")
    assert code == 0 and re.match(r"= [A-T]\d+\n\n", out) and "Traceback" not in err
    code, out, err = command("go", "gtp", model, "--visits", "0", stdin=b"quit\n")
    assert code == 2 and "--visits" in err and not out
