"""Matches between small programs: results and endings, scoring, saved files, and continuation."""

import json
import math
import re
import sys
import threading
import time
from pathlib import Path

import pytest
from neocog.core.metrics import interval
from neocog.core.problem import DATA, USAGE, Problem
from neocog.go import sgf
from neocog.go.game import Game
from neocog.go.play import match as matches
from neocog.go.play.client import Client, Fault
from neocog.go.play.match import Match, open_folder, openings_of, play_games, read_rows
from neocog.go.play.match_stats import match_stats, remarks, report
from neocog.go.play.referee import Rules

PLAYERS = Path(__file__).with_name("go_players.py")
RULES = Rules(size=5, komi=0.5, timeout=30, max_moves=200)


def program(way: str) -> str:
    return f'"{sys.executable}" "{PLAYERS}" {way}'


def play(folder, a: str, b: str, games: int = 2, rules: Rules = RULES, parallel: int = 1, **more) -> list[dict]:
    match = Match(program(a), program(b), rules, **more)
    rows = open_folder(match, folder, force=False)
    missing = [n for n in range(1, games + 1) if n not in {row["game"] for row in rows}]
    return rows + list(play_games(match, folder, missing, parallel, lambda running: None))


def test_a_game_is_played_to_two_passes_and_scored(tmp_path):
    """Both play until only eyes are left, so the result is the area of the last position."""
    (row,) = play(tmp_path / "m", "first", "first", games=1)
    game = sgf.read((tmp_path / "m/0001.sgf").read_bytes())
    assert row["ending"] == "area" and row["counted"] == "agreed" and row["moves"] == len(game) > 20
    board = matches_board(game)
    assert row["result"] == f"{'B' if board.score(0.5) > 0 else 'W'}+{abs(board.score(0.5)):g}" == game.info.result
    assert game.info.komi == "0.5" and game.info.black == game.info.white == "first"
    assert game.moves[-2:].tolist() == [-1, -1]


def matches_board(game):
    from neocog.go.board import Board

    return Board.from_game(game)


def test_colours_alternate(tmp_path):
    rows = play(tmp_path / "m", "first", "resign", games=4)
    assert [row["black_side"] for row in rows] == ["a", "b", "a", "b"]
    assert [row["result"] for row in rows] == ["B+R", "W+R", "B+R", "W+R"]
    assert all(row["winner"] == "a" and row["ending"] == "resign" for row in rows)
    stats = match_stats(rows)
    assert (stats["wins"], stats["losses"], stats["draws"], stats["share"]) == (4, 0, 0, 1.0)
    assert stats["as_black"] == stats["as_white"] == {"games": 2, "wins": 2}


@pytest.mark.parametrize(
    ("way", "ending", "result", "message"),
    [
        ("illegal", "illegal", "W+F", r"move 3: black A1: the point is occupied"),
        ("crash", "crash", "W+F", r"genmove B: ended with 3 \(out of ideas\)"),
        ("silent", "timeout", "W+T", r"genmove B: no response in 3 s"),
    ],
)
def test_a_fault_loses_the_game_and_is_reported(tmp_path, way, ending, result, message):
    """The next game starts new programs."""
    import re

    rules = Rules(5, 0.5, timeout=3 if way == "silent" else 30)
    rows = play(tmp_path / "m", way, "pass" if way != "crash" else "first", rules=rules)
    assert rows[0]["ending"] == ending and rows[0]["result"] == result and re.fullmatch(message, rows[0]["message"])
    assert [row["winner"] for row in rows] == ["b", "b"]
    assert match_stats(rows)["faults"] == {"a": {ending: 2}, "b": {}}


@pytest.mark.parametrize("side", ["a", "b"])
def test_a_program_that_never_answers_ends_in_its_time(tmp_path, side):
    """The time counts from the start of the program."""
    commands = {"a": program("first"), "b": program("first")} | {
        side: f'{sys.executable} -c "import time; time.sleep(99)"'
    }
    start = time.monotonic()
    with pytest.raises(Problem, match=r"is not a GTP program: name: no response in 5 s"):
        list(play_games(Match(**commands, rules=Rules(5, 0.5, timeout=5)), tmp_path, [1], 1, lambda running: None))
    assert time.monotonic() - start < 30


def test_without_lists_of_dead_stones_playouts_decide(tmp_path):
    (row,) = play(tmp_path / "m", "pass", "first", games=1)
    assert row["counted"] == "disputed" and row["winner"] == "b"


def test_a_referee_decides_which_stones_are_dead(tmp_path):
    (row,) = play(tmp_path / "m", "pass", "first", games=1, referee=program("first"))
    assert row["counted"] == "referee"


def test_an_endless_game_is_scored_at_the_limit(tmp_path):
    (row,) = play(tmp_path / "m", "first", "first", games=1, rules=Rules(5, 0.5, 30, max_moves=7))
    assert row["ending"] == "limit" and row["moves"] == 7


def test_openings_are_played_with_both_colours(tmp_path):
    openings = ((12, 6), (0, 24))
    rows = play(tmp_path / "m", "first", "first", games=4, openings=openings)
    assert [row["line"].split()[:2] for row in rows] == [["C3", "B4"]] * 2 + [["A5", "E1"]] * 2


def test_openings_come_from_records():
    games = [Game.from_moves(5, moves) for moves in ([1, 2, 3, 4], [1, 2, 9], [5, -1, 6], [7])]
    assert openings_of(games, 2, 5) == ((1, 2),)
    assert openings_of(games, 3, 5) == ((1, 2, 3), (1, 2, 9))
    with pytest.raises(Problem, match=r"none of the 4 openings is 2 moves on an empty board of 19×19"):
        openings_of(games, 2, 19)


def test_parallel_games_are_all_played(tmp_path):
    rows = play(tmp_path / "m", "first", "resign", games=6, parallel=3)
    assert sorted(row["game"] for row in rows) == [1, 2, 3, 4, 5, 6]
    assert sorted(path.name for path in (tmp_path / "m").glob("*.sgf")) == [f"000{n}.sgf" for n in range(1, 7)]


def test_the_same_match_continues(tmp_path):
    """Finished games are not played again, and an incomplete line is dropped."""
    first = play(tmp_path / "m", "first", "resign", games=2)
    with (tmp_path / "m/games.jsonl").open("a") as lines:
        lines.write('{"game": 3, "resu')
    again = play(tmp_path / "m", "first", "resign", games=4)
    assert again[:2] == first and [row["game"] for row in again] == [1, 2, 3, 4]
    assert [row["game"] for row in read_rows(tmp_path / "m")] == [1, 2, 3, 4]


def test_a_different_match_in_the_folder_is_refused(tmp_path):
    open_folder(Match("x", "y"), tmp_path / "m", force=False)
    with pytest.raises(Problem, match=r"m holds a match with other settings; name another folder, or replace it"):
        open_folder(Match("x", "z"), tmp_path / "m", force=False)
    assert open_folder(Match("x", "z"), tmp_path / "m", force=True) == []
    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("years of work")
    for force in (False, True):
        with pytest.raises(Problem, match=r"other holds other files, not a match; name another folder"):
            open_folder(Match("x", "y"), tmp_path / "other", force)
    assert (tmp_path / "other/thesis.txt").exists()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("no-such-program --mode gtp", r"no-such-program --mode gtp cannot be started: No such file or directory"),
        ('"unclosed', r'"unclosed: no closing quotation; expected a command that starts a GTP program'),
        (" ", r"a command is empty; expected one that starts a GTP program"),
    ],
)
def test_a_command_that_cannot_be_started_is_an_error(command, message):
    with pytest.raises(Problem, match=message) as problem:
        Client(command)
    assert problem.value.code == USAGE


def test_a_command_that_is_not_a_gtp_program_is_an_error(tmp_path):
    with pytest.raises(Problem, match=r"is not a GTP program: name: ended with 0"):
        list(play_games(Match(f'"{sys.executable}" -c ""', program("first")), tmp_path, [1], 1, lambda running: None))


def test_a_program_that_refuses_the_board_size_is_an_error(tmp_path):
    with pytest.raises(Problem, match=r"deaf refuses boardsize 5: \? unknown command; the match needs it"):
        play(tmp_path / "m", "first", "deaf", games=1)


def test_a_stopped_match_ends_its_programs(tmp_path):
    match = Match(program("first"), program("silent"), RULES)
    open_folder(match, tmp_path / "m", force=False)
    games = play_games(match, tmp_path / "m", [1, 2, 3], 1, lambda running: threading_stop(running))
    with pytest.raises(KeyboardInterrupt):
        next(games)
    deadline = time.monotonic() + 10
    while any("go-match" in thread.name for thread in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any("go-match" in thread.name for thread in threading.enumerate())
    assert read_rows(tmp_path / "m") == []


def test_the_files_of_a_match_are_checked_as_a_whole(tmp_path):
    folder = tmp_path / "m"
    play(folder, "first", "first", games=2)
    match = Match(program("first"), program("first"), RULES)
    rows = [json.loads(line) for line in (folder / "games.jsonl").read_text().splitlines()]
    for changes, reason in (
        ({"winner": "c"}, "winner is one of a, b; got 'c'"),
        ({"times": {"a": {}, "b": {}}}, "times.a.moves is missing"),
        ({"game": "1"}, "game is a whole number; got '1'"),
    ):
        (folder / "games.jsonl").write_text(json.dumps(rows[0]) + "\n" + json.dumps(rows[1] | changes) + "\n{\n")
        with pytest.raises(Problem) as error:
            open_folder(match, folder, force=False)
        expected = f"{folder / 'games.jsonl'}, line 2, is no game ({reason}); replace the match with --force"
        assert (str(error.value), error.value.code) == (expected, DATA)
    for content, reason in (
        ("{", "Expecting property name"),
        ("[]", "the content is a table; got []"),
        ("{}", "a is missing"),
    ):
        (folder / "match.json").write_text(content)
        with pytest.raises(
            Problem, match=rf"match\.json is damaged \({re.escape(reason)}.*\); name another folder, or re"
        ):
            open_folder(match, folder, force=False)


def threading_stop(running: dict[int, int]) -> None:
    """Simulates Ctrl-C during a game."""
    if running:
        raise KeyboardInterrupt


def test_a_response_may_have_several_lines_after_remarks():
    script = r"print('warming up\n= a\nb\n', flush=True); input(); input(); print('?7 no\n', flush=True); input()"
    client = Client(f'"{sys.executable}" -c "{script}"')
    try:
        assert client.send("showboard", 30) == "a\nb"
        with pytest.raises(Fault, match=r"final_score: [?]7 no"):
            client.send("final_score", 30)
    finally:
        client.close()


@pytest.mark.parametrize(
    ("wins", "games", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (90, 100, 0.8256, 0.9448)],
)
def test_the_interval_of_wins_is_wilsons(wins, games, low, high):
    """Figures from statsmodels' proportion_confint(method="wilson")."""
    assert interval(wins, games) == pytest.approx((low, high), abs=1e-4)


def row(winner, black_side="a", line="A1", ending="area", mean=0.5, moves=10):
    times = {side: {"moves": moves, "mean": mean, "longest": 1} for side in "ab"}
    return {
        "winner": winner, "black_side": black_side, "line": line, "ending": ending, "counted": "agreed", "times": times
    }  # fmt: skip


def test_the_report_lists_the_statistics():
    rows = [row("a"), row("b", "b", "B1", "crash"), row(None, "a", "C1"), row("a", "b", "A1")]
    stats = match_stats(rows)
    assert stats["share"] == 0.625 and stats["copies"] == 1 and math.isclose(stats["seconds_a_move"]["a"], 0.5)
    assert report(stats, {"a": "one", "b": "two"})[2:] == [
        "A won 2 of 4, 1 drawn: 62.5% (95% interval 21.9% to 90.8%)",
        "as black 1 of 2, as white 1 of 2",
        "games ended by area 3, crash 1",
        "dead stones: agreed 4",
        "A lost by crash 1",
        "time per move: A 0.50 s, B 0.50 s",
    ]
    assert remarks(stats)[0].startswith("1 of 4 games repeat another game")
    assert remarks(match_stats(rows[:3])) == []


def test_match_settings_are_json():
    match = Match("x", "y", openings=((1, 2),))
    assert json.loads(json.dumps(match.to_dict())) == match.to_dict()
    assert matches.program_names([{"black": "X", "white": "Y", "black_side": "b"}]) == {"a": "Y", "b": "X"}
