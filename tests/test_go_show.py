"""Boards in the terminal and as images, and the commands of Go with their messages."""

import json
import zipfile

import numpy as np
import pytest
from neocog.core.problem import DATA, USAGE, Problem
from neocog.go import picture, sgf
from neocog.go.diagram import Diagram, diagram
from neocog.go.terminal import text
from PIL import Image

GAME = b"(;SZ[9]HA[2]AB[cg][gc]PB[Ann]PW[<Bo>]BR[3d]WR[4d]KM[0.5]RE[W+R];W[ee];B[cc];W[gg];B[];W[fc])"


@pytest.fixture
def game():
    return sgf.read(GAME, "a.sgf")


def test_a_board_in_plain_characters(game):
    assert (
        text(diagram(game, 3), unicode=False)
        == """\
   A B C D E F G H J
 9 . . . . . . . . . 9
 8 . . . . . . . . . 8
 7 . . X . . . X . . 7
 6 . . . . . . . . . 6
 5 . . . . O . . . . 5
 4 . . . . . . . . . 4
 3 . . X . . .(O). . 3
 2 . . . . . . . . . 2
 1 . . . . . . . . . 1
   A B C D E F G H J

X Ann (3d) – O <Bo> (4d), handicap 2, komi 0.5, W+R
move 3 of 5: white G3, black to move"""
    )


def test_the_caption_has_the_komi_in_points():
    caption = diagram(sgf.read(b"(;SZ[19]KM[375]AP[foxwq];B[pd])", "a.sgf")).lines[0]
    assert caption == "X black – O white, komi 7.5"


def test_a_board_before_the_first_move_has_star_points(game):
    drawing = text(diagram(game, 0), unicode=False).splitlines()
    assert drawing[5] == " 5 . . . . + . . . . 5" and drawing[-1] == "before the first of 5 moves, white to move"


def test_a_pass_is_reported_without_a_mark(game):
    drawing = text(diagram(game, 4), unicode=False)
    assert "move 4 of 5: black pass, white to move" in drawing and "(O)" not in drawing and "(X)" not in drawing


def test_a_plane_is_marked_in_plain_characters(game):
    drawing = text(diagram(game, 3, "own stones"), unicode=False)
    assert " 7 . . # . . . # . . 7" in drawing and drawing.endswith(
        "own stones: 3 points (marked: * empty, # black, @ white)"
    )
    drawing = text(diagram(game, 3, "empty"), unicode=True)
    assert " 7 * * ● * * * ● * * 7" in drawing


def test_a_group_of_planes_shows_its_numbers(game):
    drawing = text(diagram(game, 3, "liberties"), unicode=True)
    assert " 7 . . 4 . . . 4 . . 7" in drawing and drawing.endswith("liberties: 5 points")


def test_colours_paint_the_same_board(game):
    painted = text(diagram(game, 3, "own stones"), colour=True)
    assert painted.count("\x1b[38;5;16;48;5;77m●\x1b[0m") == 3
    assert painted.count("\x1b[38;5;231;48;5;179m●\x1b[0m") == 2


@pytest.mark.parametrize("size", [1, 2, 9, 13, 19])
@pytest.mark.parametrize("colour", [False, True])
def test_every_board_fits_80_columns(size, colour):
    import re

    drawing = text(Diagram(np.zeros((size, size), np.uint8), last=0), colour)
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in drawing.splitlines()]
    assert max(map(len, lines)) <= 44 and len({len(line.rstrip()) for line in lines[1 : size + 1]}) <= 2


def test_captures_and_ko_are_reported():
    game = sgf.read(b"(;SZ[5]AB[ba][ab][bc]AW[ca][bb][db][cc];B[cb])")
    assert diagram(game).lines[1] == "move 1 of 1: black C4, white to move, ko at B4; captured: 0 black, 1 white"


def test_a_move_number_beyond_the_game_is_an_error(game):
    with pytest.raises(Problem, match=r"a\.sgf has 5 moves; --move is 0 to 5, got 6"):
        diagram(game, 6)


def test_a_picture_is_the_same_as_svg_and_png(game):
    """Stones, the last move in red, the marks of a plane; names are escaped."""
    marked = diagram(game, 3, "ladder capture")
    image = picture.png(marked)
    assert image.width == picture.side(marked) and image.height > image.width
    for place, stone in enumerate(marked.board.ravel()):
        x, y = picture.centre(place, 9)
        red, green, blue = image.getpixel((x + 10, y + 5))
        if stone:
            assert (red > 200 and blue > 200) if stone == 2 else red < 60
        else:
            assert red > blue + 50
    red, green, _ = image.getpixel(picture.centre(marked.last, 9))
    assert red > 180 and green < 90
    drawing = picture.svg(marked)
    assert drawing.count(f'fill="{picture.INK}" stroke="#000000"') == 3 and drawing.count(picture.LAST) == 1
    assert "&lt;Bo&gt; (4d)" in drawing and "ladder capture: no point" in drawing


def test_marks_of_planes_are_drawn(game):
    empties = diagram(game, 3, "empty")
    assert picture.svg(empties).count(f'rx="4" fill="{picture.MARK}"') == 76
    x, y = picture.centre(0, 9)
    red, green, _ = picture.png(empties).getpixel((x, y))
    assert red < 60 < green
    numbers = picture.svg(diagram(game, 3, "liberties"))
    assert numbers.count('font-weight="600"') == 5


# --- the commands --------------------------------------------------------------------------------------------------


@pytest.fixture
def neocog(command, monkeypatch, tmp_path):
    """A command in this process: its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sgf").write_bytes(GAME)
    (tmp_path / "b.sgf").write_bytes(b"(;SZ[19];B[pd];W[dd];B[pq])(;SZ[19];B[aa];W[aa])")
    return command


def test_show_draws_on_stdout(neocog):
    code, out, err = neocog("go", "show", "a.sgf", "--move", "3", "--plane", "ladder capture")
    assert code == 0 and "move 3 of 5: white G3" in out and "ladder capture: no point" in out and err == ""
    assert neocog("go", "show", "-", stdin=GAME)[1].count("move 5 of 5") == 1


def test_show_writes_images_and_overwrites_none(neocog, tmp_path):
    assert neocog("go", "show", "a.sgf", "--svg", "a.svg", "--png", "a.png") == (0, "", "wrote a.svg, a.png\n")
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    code, _, err = neocog("go", "show", "a.sgf", "--png", "a.png")
    assert (code, err) == (USAGE, "neocog: a.png exists; name another file, or replace it with --force\n")
    assert neocog("go", "show", "a.sgf", "--png", "a.png", "--force")[0] == 0


def test_show_prints_json(neocog):
    code, out, _ = neocog("go", "show", "a.sgf", "--move", "3", "--plane", "own stones", "--json")
    document = json.loads(out)
    assert (
        code == 0
        and document["size"] == 9
        and document["last"] == "G3"
        and document["marked"] == dict.fromkeys(("C3", "C7", "G7"), "")
    )
    assert document["board"][6][6] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["show", "gone.sgf"], USAGE, "neocog: gone.sgf does not exist"),
        (
            ["show", "a.sgf", "--plane", "lader capture"],
            USAGE,
            "lader capture is not a plane (did you mean ladder",
        ),
        (["show", "a.sgf", "--move", "99"], USAGE, "a.sgf has 5 moves; --move is 0 to 5, got 99"),
        (["show", "page.sgf"], DATA, "page.sgf is a web page, not a game record: download the record itself"),
        (["show", "ko.sgf"], DATA, "ko.sgf move 2, white B4: the ko forbids it"),
        (["planes", "a.sgf", "--out", "o.npz"], DATA, "a.sgf is on 9×9; --size 9 takes those"),
        (["planes", "b.sgf", "--out", "o.npz", "--moves", "x"], USAGE, "--moves is every, last or a number of moves"),
        (
            ["pack", "b.sgf", "--out", "o", "--valid", "2"],
            USAGE,
            "--valid is a share from 0 to 1, and both together",
        ),
        (["pack", "a.sgf", "--out", "o"], DATA, "none of 1 records can be packed, first: a.sgf is on 9×9"),
    ],
)
def test_wrong_usage_has_a_message(neocog, tmp_path, arguments, code, sentence):
    (tmp_path / "page.sgf").write_bytes(b"<html>")
    (tmp_path / "ko.sgf").write_bytes(b"(;SZ[5]AB[ba][ab][bc]AW[ca][bb][db][cc];B[cb];W[bb])")
    exit_code, out, err = neocog("go", *arguments)
    assert exit_code == code and out == "" and sentence in err and "Traceback" not in err


def test_planes_lists_the_records_left_out(neocog, tmp_path):
    code, out, err = neocog("go", "planes", "b.sgf", "--out", "o.npz")
    assert (code, out) == (0, "3 positions of 1 games in o.npz\n")
    assert err == "left out 1 record:\n  b.sgf#2 move 2, white A19: the point is occupied\n"
    with np.load(tmp_path / "o.npz") as file:
        assert file["planes"].shape == (3, 48, 19, 19) and file["move"].tolist() == [72, 60, 319]


def test_pack_reports_games_and_positions_and_reuses_a_pack(neocog, tmp_path):
    with zipfile.ZipFile(tmp_path / "games.zip", "w") as archive:
        for i, first in enumerate(("pd", "cc", "ee", "jj")):
            archive.writestr(f"{i}.sgf", f"(;SZ[19];B[{first}];W[qq];B[ab])")
    for _ in range(2):
        code, out, _ = neocog("go", "pack", "games.zip", "--out", "packed", "--workers", "1")
        assert code == 0 and out.startswith("12 positions of 4 games (") and out.endswith(" in packed/\n")
    assert json.loads(neocog("go", "pack", "games.zip", "--out", "packed", "--json")[1])["positions"] == 12


def test_an_interrupted_pack_says_how_to_continue(neocog, monkeypatch):
    from neocog.go import pack

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pack, "rows_of", stopped)
        code, out, err = neocog("go", "pack", "b.sgf", "--out", "packed")
    assert (code, out) == (130, "") and err.endswith("stopped; run the same command again to continue packed/\n")
    assert neocog("go", "pack", "b.sgf", "--out", "packed")[0] == 0


def test_check_go_prints_the_report(neocog):
    code, out, _ = neocog("check", "go", "b.sgf")
    assert code == 0 and "games: 1" in out and "b.sgf#2" in out
    document = json.loads(neocog("check", "go", "a.sgf", "--json")[1])
    assert document["examples"] == 0 and document["problems"] == ["there is no game on 19×19 to train on"]


def test_show_uses_the_first_of_several_games_with_a_remark(neocog):
    code, out, err = neocog("go", "show", "b.sgf")
    assert code == 0 and "move 3 of 3: black Q3" in out and err == "b.sgf holds several games; this is b.sgf#1\n"
