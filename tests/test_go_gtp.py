"""The Go Text Protocol: commands, errors, and arbitrary input."""

import io
import os
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from go_policies import by_hand, divided_board, model_file
from hypothesis import given, settings
from hypothesis import strategies as st
from neocog.go.play.engine import COMMANDS, Engine
from neocog.go.play.gtp import MAX_LINE, Analysis, Failure, Script, Stream, format_response, parse, serve
from neocog.go.play.player import Player

ISSUE = (
    "protocol_version", "name", "version", "known_command", "list_commands", "quit", "boardsize", "clear_board", "komi",
    "fixed_handicap", "place_free_handicap", "set_free_handicap", "play", "genmove", "reg_genmove", "undo",
    "final_score", "final_status_list", "showboard", "loadsgf", "time_settings", "time_left", "lz-analyze",
    "kata-analyze",
)  # fmt: skip


def send(*lines: str, engine: Engine | None = None) -> list[str]:
    """The responses to some lines, without the blank line that ends each."""
    written: list[str] = []
    serve(engine or Engine(Player(by_hand)), Script(lines), written.append)
    answers = "".join(written)
    assert not answers or answers.endswith("\n\n")
    return answers.split("\n\n")[:-1]


# --- the protocol --------------------------------------------------------------------------------------------------


def test_a_line_is_cleaned_and_split():
    """Control characters are removed, tabs become spaces, a comment ends the line, an id may precede."""
    assert parse("12 play\tb  D4 # good\r\n") == ("12", "play", ["b", "D4"])
    assert parse("\x01na\x7fme\r\n") == ("", "name", [])
    assert parse("12\n") == ("12", "", []) and parse(" # nothing\n") == ("", "", []) and parse("\n") == ("", "", [])
    assert parse("²3 name") == ("", "²3", ["name"])


def test_a_response_ends_with_its_only_blank_line():
    assert format_response("=", "", "") == "= \n\n" and format_response("=", "7", "D4") == "=7 D4\n\n"
    assert format_response("=", "", "\na\n\nb\n") == "=\na\nb\n\n" and format_response("?", "1", "no") == "?1 no\n\n"


def test_required_commands_are_implemented():
    assert set(ISSUE) <= set(COMMANDS)
    (listed,) = send("list_commands")
    assert listed.removeprefix("= ").split("\n") == [*COMMANDS]
    assert send("known_command genmove", "known_command no", "known_command") == ["= true", "= false", "= false"]


def test_identification():
    from neocog.core.versions import neocog_version

    assert send("1 protocol_version", "2 name", "3 version") == ["=1 2", "=2 Neocog", f"=3 {neocog_version()}"]


def test_quit_ends_the_session():
    assert send("quit", "name") == ["= "]


def test_a_short_game():
    """The hand-made policy plays the first legal point from the top left."""
    assert send("boardsize 19", "komi 6.5", "get_komi", "genmove b", "5 genmove w", "play b D4", "reg_genmove w") == [
        "= ", "= ", "= 6.5", "= A19", "=5 B19", "= ", "= C19"
    ]  # fmt: skip


def test_showboard_shows_the_board():
    answer = send("play b D4", "showboard")[1]
    assert answer.startswith("=\n   A B C") and " 4 . . .(X)" in answer and "White to move, 1 move, komi 7.5" in answer


def test_undo_removes_moves():
    assert send("play b D4", "play w D5", "undo", "play w D5", "undo", "undo", "undo") == ["= "] * 6 + ["? cannot undo"]


@pytest.mark.parametrize(
    ("number", "stones"),
    [
        (2, "D4 Q16"),
        (3, "D4 Q16 D16"),
        (4, "D4 Q16 D16 Q4"),
        (5, "D4 Q16 D16 Q4 K10"),
        (6, "D4 Q16 D16 Q4 D10 Q10"),
        (7, "D4 Q16 D16 Q4 D10 Q10 K10"),
        (8, "D4 Q16 D16 Q4 D10 Q10 K4 K16"),
        (9, "D4 Q16 D16 Q4 D10 Q10 K4 K16 K10"),
    ],
)
def test_fixed_handicap_is_where_the_protocol_has_it(number, stones):
    answers = send(f"fixed_handicap {number}", "showboard", "fixed_handicap 2", "undo")
    assert answers[0] == f"= {stones}" and answers[1].count("X") == number and "White to move" in answers[1]
    assert answers[2:] == ["? board not empty", "? cannot undo"]


def test_free_handicap():
    assert send("place_free_handicap 12")[0].count(" ") == 9
    assert send("set_free_handicap D4 Q16 C3", "genmove w") == ["= ", "= A19"]
    refused = send(*(f"set_free_handicap {stones}" for stones in ("D4", "D4 d4", "D4 pass", "X")))
    assert refused == ["? bad vertex list"] * 3 + ["? invalid coordinate"]


def test_scores_and_stones_at_the_end():
    """Without the dead stones, Black has 190 points and White 171."""
    engine = Engine(Player(by_hand))
    engine.board = divided_board(dead=True)
    told_at_last = send("final_score", "final_status_list dead", "final_status_list seki", engine=engine)
    assert told_at_last == ["= B+11.5", "= B16 B5", "= "]
    commands = [f"final_status_list {status}" for status in ("alive", "black_territory", "white_territory", "lost")]
    alive, black, white, invalid = send(*commands, engine=engine)
    assert alive.count(" ") == 361 - 84 and black.count(" ") == 48 and white.count(" ") == 36
    assert invalid == "? invalid status: expected alive, dead, seki, black_territory or white_territory"


def test_loadsgf_loads_the_position_before_a_move(tmp_path):
    record = tmp_path / "my game.sgf"
    record.write_bytes(b"(;SZ[19]KM[0.5]AB[pp];W[dd];B[dp])")
    answers = send(f"loadsgf {record}", "get_komi", "showboard", f"loadsgf {record} 2", "showboard", "undo", "undo")
    assert answers[:2] == ["= ", "= 0.5"] and "White to move, 2 moves" in answers[2]
    assert "Black to move, 1 move," in answers[4] and answers[5:] == ["= ", "? cannot undo"]


@pytest.mark.parametrize(
    ("root", "komi", "remark"),
    [
        (b"AP[foxwq]KM[375]", "7.5", ""),
        (b"AP[foxwq]KM[50]", "0.5", ""),
        (b"KM[abc]", "7.5", "the record's komi 'abc' is not a number of points; the komi is 7.5"),
        (b"KM[362]", "7.5", "the record's komi '362' is more than the 361 points of the board; the komi is 7.5"),
        (b"", "7.5", "the record gives no komi; the komi is 7.5"),
    ],
)
def test_loadsgf_never_keeps_the_komi_of_an_earlier_game(tmp_path, capsys, root, komi, remark):
    path = tmp_path / "a.sgf"
    path.write_bytes(b"(;SZ[19]" + root + b";B[pd];W[dd])")
    assert send("komi 6.5", f"loadsgf {path}", "get_komi") == ["= ", "= ", f"= {komi}"]
    assert capsys.readouterr().err.strip() == remark


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory"),
        (b"(;SZ[13];B[aa])", "it is a game on 13×13"),
        (b"<html>", "is a web page, not a game record: download the record itself"),
        (b"(;SZ[19];B[aa];W[aa])", "move 2, white A19: the point is occupied"),
    ],
)
def test_loadsgf_reports_errors(tmp_path, content, message):
    path = tmp_path / "a.sgf"
    if content is not None:
        path.write_bytes(content)
    assert send(f"loadsgf {path}") == [f"? cannot load file: {message}"]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("boardsize 25", "? unacceptable size"),
        ("boardsize 9", "? unacceptable size"),
        ("boardsize", "? syntax error: expected a non-negative integer"),
        ("boardsize ²", "? syntax error: expected a non-negative integer"),
        ("7 frobnicate", "?7 unknown command"),
        ("12", "?12 unknown command"),
        ("x" * 10_000, "? unknown command"),
        ("play b " + "D" * 10_000, "? invalid color or coordinate"),
        ("play black", "? invalid color or coordinate"),
        ("play green D4", "? invalid color or coordinate"),
        ("play black I4", "? invalid color or coordinate"),
        ("play black D20", "? invalid color or coordinate"),
        ("play black J10", "? illegal move: the point is occupied"),
        ("genmove", "? invalid color"),
        ("genmove green", "? invalid color"),
        ("komi", "? syntax error: expected a number"),
        ("komi nan", "? syntax error: expected a number of points"),
        ("komi 1e9", "? syntax error: expected a number of points"),
        ("fixed_handicap 1", "? invalid number of stones"),
        ("fixed_handicap 10", "? invalid number of stones"),
        ("place_free_handicap 1", "? invalid number of stones"),
        ("time_settings a b c", "? syntax error: expected a non-negative integer"),
        ("time_settings 1800 30 5", "= "),
        ("time_left b 100 0", "= "),
        ("time_left b", "? syntax error: expected a non-negative integer"),
        ("lz-analyze frequency 10", "? syntax error: expected [color] [interval] and pairs such as maxmoves 10"),
        ("kata-analyze b maxmoves", "? syntax error: expected [color] [interval] and pairs such as maxmoves 10"),
        ("\xa0\x00name\r", "= Neocog"),
    ],
)
def test_commands_respond_as_the_protocol_requires(line, answer):
    """The engine continues afterwards."""
    assert send("play white J10", line + "\r\n", "name")[1:] == [answer, "= Neocog"]


def test_ko_and_suicide_are_illegal():
    (*_, suicide) = send("play b B19", "play b A18", "play w A19")
    assert suicide == "? illegal move: it would be suicide"
    ko = ["b D5", "b C4", "b D3", "w E5", "w F4", "w E3", "b E4", "w D4"]
    assert send(*(f"play {move}" for move in ko), "play b E4") == ["= "] * 8 + ["? illegal move: the ko forbids it"]


def test_an_internal_error_does_not_end_the_session(capsys):
    def broken(rows):
        raise RuntimeError("out of memory")

    assert send("genmove b", "name", engine=Engine(Player(broken))) == ["? internal error", "= Neocog"]
    assert "out of memory" in capsys.readouterr().err


WORDS = st.sampled_from(
    [
        *COMMANDS,
        "b",
        "w",
        "black",
        "D4",
        "A1",
        "T19",
        "pass",
        "0",
        "7",
        "19",
        "25",
        "true",
        "interval",
        "maxmoves",
        "dead",
    ]
)
ANYTHING = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=60)
LINES = st.lists(st.one_of(st.lists(WORDS, max_size=4).map(" ".join), ANYTHING), max_size=12)


@settings(max_examples=60)
@given(LINES)
def test_any_input_gets_a_response(lines):
    """Each line with a command up to `quit` has one response, = or ?; none is an internal error."""
    requests = [parse(line) for line in lines]
    requests = [request for request in requests if request.name or request.id]
    names = [request.name for request in requests]
    expected = names.index("quit") + 1 if "quit" in names else len(names)
    answers = send(*lines)
    assert len(answers) == expected and "? internal error" not in answers
    for request, answer in zip(requests, answers, strict=False):
        assert re.match(rf"[=?]{request.id}(\s|$)", answer)


# --- analysis ------------------------------------------------------------------------------------------------------

LZ = r"info move [A-T]\d+ visits \d+ winrate \d+ prior \d+ lcb \d+ order \d+ pv [A-T]\d+"
NUMBER = r"-?\d+(?:\.\d+)?"
KATA = (
    rf"info move [A-T]\d+ visits \d+ utility {NUMBER} winrate {NUMBER} scoreMean {NUMBER} scoreStdev {NUMBER} "
    rf"scoreLead {NUMBER} scoreSelfplay {NUMBER} prior {NUMBER} lcb {NUMBER} utilityLcb {NUMBER} order \d+ pv [A-T]\d+"
)


def test_lz_analyze_uses_the_format_of_leela_zero():
    (answer,) = send("3 lz-analyze W 50 maxmoves 3")
    head, line = answer.split("\n")
    assert head == "=3" and re.fullmatch(f"{LZ}( {LZ}){{2}}", line)
    assert line.startswith("info move A19 visits 4 winrate ") and " order 2 pv C19" in line


def test_kata_analyze_uses_the_format_of_katago():
    head, line = send("kata-analyze b interval 10 maxmoves 2 ownership true")[0].split("\n")
    infos, _, owned = line.partition(" ownership ")
    assert head == "=" and re.fullmatch(f"{KATA} {KATA}", infos)
    values = np.array(owned.split(), float)
    assert values.shape == (361,) and np.abs(values).max() <= 1


def test_analysis_respects_allow_and_avoid():
    line = send("lz-analyze b allow b D4,Q16 1")[0]
    assert re.findall(r"move (\w+)", line) == ["Q16", "D4"]
    assert re.findall(r"move (\w+)", send("lz-analyze b avoid b A19,B19 1 maxmoves 2")[0]) == ["C19", "D19"]
    assert len(re.findall(r"move (\w+)", send("lz-analyze minmoves 60")[0])) == 50


def test_genmove_analyze_plays_the_move():
    engine = Engine(Player(by_hand))
    head, line, play = send("kata-genmove_analyze b 10 maxmoves 1", engine=engine)[0].split("\n")
    assert head == "=" and re.fullmatch(KATA, line) and play == "play A19" and engine.board.moves == [0]


class Waiting:
    """Lines of which the second arrives after a number of waits."""

    def __init__(self, looks: int, *lines: str) -> None:
        self.looks, self.lines, self.waited = looks, [*lines], []

    def next(self) -> str | None:
        return self.lines.pop(0) if self.lines else None

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.looks -= 1
        return self.looks < 0


def test_an_analysis_repeats_until_the_next_input():
    """A line per interval, and a blank line at the end; an empty line stops it too."""
    lines, written = Waiting(2, "lz-analyze 25 maxmoves 1", "\n"), []
    serve(Engine(Player(by_hand)), lines, written.append)
    output = "".join(written).split("\n")
    assert (
        output[0] == "="
        and output[1] == output[2] == output[3]
        and output[4:] == ["", ""]
        and lines.waited == [0.25] * 3
    )


def test_any_object_with_execute_is_an_engine():
    class Echo:
        ended = False

        def execute(self, name, arguments):
            if name == "fail":
                raise Failure("as asked")
            return Analysis("line", 0.1) if name == "go" else f"{name} {arguments}"

    assert send("1 a b", "fail", "go", engine=Echo()) == ["=1 a ['b']", "? as asked", "=\nline"]


# --- pipes ---------------------------------------------------------------------------------------------------------


def test_a_stream_is_read_as_it_arrives():
    lines = Stream(io.BytesIO(b"one\r\n\xff\xfe\nlast"))
    assert (
        lines.wait(5) and lines.next() == "one\r\n" and lines.next().encode("utf-8", "surrogateescape") == b"\xff\xfe\n"
    )
    assert lines.next() == "last" and lines.next() is None


def test_a_silent_stream_times_out():
    class Silent(io.RawIOBase):
        def readline(self, size=-1):
            time.sleep(0.3)
            return b""

    lines = Stream(Silent())
    assert not lines.wait(0.01) and lines.next() is None


@pytest.fixture
def gtp(command, tmp_path):
    """`neocog go gtp` in this process: its exit code, stdout and stderr."""
    model = model_file(tmp_path / "m.safetensors")

    return lambda stdin, *arguments: command("go", "gtp", *(arguments or [model]), stdin=stdin)


def test_the_command_plays_until_its_input_ends(gtp):
    code, out, err = gtp(b"1 name\r\n2 genmove b\r\n\x07\x00\r\n3 play b A1\r\n")
    answers = out.split("\n\n")
    assert code == 0 and answers[0] == "=1 Neocog" and re.fullmatch(r"=2 [A-T]\d+", answers[1])
    assert answers[2] in ("=3 ", "?3 illegal move: the point is occupied") and "Traceback" not in err


def test_a_model_trained_without_symmetries_plays_without_them(gtp, tmp_path):
    model = model_file(tmp_path / "plain.safetensors", augment="none")
    code, out, err = gtp(b"genmove b\n", model)
    assert code == 0 and re.fullmatch(r"= [A-T]\d+\n\n", out) and not err
    code, _, err = gtp(b"", model, "--symmetries", "8")
    assert code == 2 and "--symmetries is from 1 to 1 for this model" in err


def test_quit_ends_the_engine_while_its_input_stays_open(tmp_path):
    """As Sabaki's client library drives an engine: it waits for the end and closes the pipes afterwards."""
    command = [sys.executable, "-m", "neocog", "go", "gtp", model_file(tmp_path / "m.safetensors")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as engine:
        engine.stdin.write(b"1 name\n\n2 quit\n")
        engine.stdin.flush()
        assert engine.wait(120) == 0
        assert engine.stdout.read() == b"=1 Neocog\n\n=2 \n\n"
        assert engine.stderr.read() == b""


def test_a_pipe_is_read_in_lines_of_a_limited_length():
    """A line that ends in a later read is whole; a longer one than MAX_LINE is several."""
    receiver, sender = os.pipe()
    with os.fdopen(receiver, "rb") as stream:
        lines = Stream(stream)
        os.write(sender, b"one\ntw")
        assert lines.next() == "one" and not lines.wait(0.1)
        os.write(sender, b"o\n\n")
        assert [lines.next(), lines.next()] == ["two", ""]
        threading.Thread(target=lambda: (os.write(sender, b"x" * (MAX_LINE + 9) + b"\nend"), os.close(sender))).start()
        assert [len(lines.next()), len(lines.next())] == [MAX_LINE, 9]
        assert [lines.next(), lines.next()] == ["end", None]


def test_a_closed_input_is_a_sentence(command, tmp_path, monkeypatch, capsys):
    from neocog import cli

    monkeypatch.setattr(sys, "argv", ["neocog", "go", "gtp", str(model_file(tmp_path / "m.safetensors"))])
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("neocog: standard input is closed")


def test_a_closed_pipe_ends_the_engine_silently(gtp, monkeypatch, capsys):
    class Closed(io.TextIOBase):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert gtp(b"name\nname\n")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-model"], "no-such-model does not exist"),
        (["m.safetensors", "--temperature", "-1"], "--temperature is 0 (the likeliest move) to 100; got -1"),
        (["m.safetensors", "--resign", "2"], "--resign is a share of games between 0 and 1, such as 0.05; got 2"),
    ],
)
def test_wrong_usage_is_an_error(gtp, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = gtp(b"", *arguments)
    assert code == 2 and message in err and not out
