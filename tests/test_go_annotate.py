"""Annotations of a game by a policy, and boards with moves marked by their probability."""

import json

import numpy as np
import pytest
from go_policies import by_hand, model_file
from neocog.core.problem import DATA, USAGE, Problem
from neocog.go import picture, sgf
from neocog.go.annotate import annotate_moves, annotated_record, least_expected, metrics_by_colour
from neocog.go.coords import place
from neocog.go.diagram import Diagram, diagram, with_best
from neocog.go.terminal import heat_digit, text
from sgfmill.sgf import Sgf_game

RECORD = (
    b"(;GM[1]FF[4]SZ[19]CA[GB2312]PB[\xb6\xad\xc3\xf7]KM[7.5]C[A game.]"
    b";B[aa]C[nice \\] move]LB[ba:x]TR[ca];W[];B[ts];W[pd](;B[dp];W[dd])(;B[cc]C[a branch];W[qq]))"
).replace(b"B[ts]", b"B[ss]")


@pytest.fixture
def game():
    return sgf.read(RECORD, "a.sgf")


def test_each_move_has_its_probability_and_rank(game):
    """With a policy that prefers A19 and finds T1 least likely; passes are not rated."""
    moves = annotate_moves(game, by_hand)
    assert [(move.number, move.colour, move.rank) for move in moves] == [
        (1, 1, 1), (3, 1, 360), (4, 2, place("Q16", 19)), (5, 1, place("D4", 19) - 1), (6, 2, place("D16", 19))
    ]  # fmt: skip
    assert moves[0].probability == pytest.approx(2 / np.linspace(2, 1, 361).sum(), rel=1e-5)
    assert [move.legal for move in moves] == [361, 360, 359, 358, 357]
    assert [best.place for best in moves[1].best] == [1, 2, 3, 4, 5]


def test_metrics_are_computed_from_the_moves(game):
    moves = annotate_moves(game, by_hand)
    metrics = metrics_by_colour(moves)
    assert metrics["black"]["moves"] == 3 and metrics["black"]["top1"] == pytest.approx(1 / 3)
    assert metrics["white"]["top5"] == 0 and metrics["both"]["moves"] == 5
    assert metrics["both"]["log_loss"] == pytest.approx(-np.mean(np.log([move.probability for move in moves])))
    assert [move.number for move in least_expected(moves, 2)] == [3, 5]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (b"(;SZ[19])", r"a\.sgf has no moves; expected a record with moves"),
        (b"(;SZ[19];B[];W[])", r"a\.sgf has no moves; expected a record with moves"),
        (b"(;SZ[13];B[aa])", r"a\.sgf is on 13×13; the network takes 19×19"),
    ],
)
def test_games_without_moves_or_on_other_sizes_are_refused(record, message):
    with pytest.raises(Problem, match=message):
        annotate_moves(sgf.read(record, "a.sgf"), by_hand)


def test_an_annotated_record_with_hidden_delimiters_is_in_utf_8():
    """In Shift_JIS the name 表 ends with the byte of a backslash, which would swallow the bracket behind it."""
    content = "(;GM[1]CA[Shift_JIS]PB[表]PW[ゾロ];B[aa])".encode("shift_jis")
    record = annotated_record(content, annotate_moves(sgf.read(content), by_hand), "go")
    root = Sgf_game.from_bytes(record).get_root()
    assert root.get_encoding() == "UTF-8" and (root.get("PB"), root.get("PW")) == ("表", "ゾロ")


def test_an_annotated_record_keeps_its_content(game):
    """Comments, marks, names in their encoding, and variations stay; annotations are added."""
    written = annotated_record(RECORD, annotate_moves(game, by_hand), "m")
    again = sgf.read(written)
    assert again.moves.tolist() == game.moves.tolist() and again.info == game.info
    tree = Sgf_game.from_bytes(written)
    first, passed, third, *_ = tree.get_main_sequence()[1:]
    assert first.get("C").startswith("nice ] move\n\nneocog: A19 0.4%, rank 1 of 361\nexpected 1 A19 0.4%, 2 B19 0.4%")
    assert first.get_raw_list("LB")[:1] == [b"ba:x"] and first.get_raw_list("TR") == [b"ca"]
    assert first.get_raw_list("LB")[1:] == [b"aa:1", b"da:4", b"ea:5"]  # B19 and C19 have marks of their own
    assert not passed.has_property("C") and third.get_raw_list("LB")[0] == b"ba:1"
    comment = "A game.\n\nneocog: top-1 is the share of moves that m found likeliest\nBlack:"
    assert tree.root.get("C").startswith(comment)
    assert b"C[a branch];W[qq]" in written and b"PB[\xb6\xad\xc3\xf7]" in written


def test_annotating_again_replaces_the_annotations(game):
    annotated = annotated_record(RECORD, annotate_moves(game, by_hand), "m")
    assert annotated_record(annotated, annotate_moves(sgf.read(annotated), by_hand), "m") == annotated


def test_a_root_with_a_move_has_the_summary_and_the_annotation_once():
    record = b"(;SZ[19]B[aa];W[bb])"
    annotated = annotated_record(record, annotate_moves(sgf.read(record), by_hand), "m")
    again = annotated_record(annotated, annotate_moves(sgf.read(annotated), by_hand), "m")
    assert again == annotated and annotated.count(b"neocog: ") == 2 and b"A19 0.4%" in annotated


# --- boards --------------------------------------------------------------------------------------------------------


def test_the_best_moves_are_marked_in_plain_characters(game):
    marked = with_best(diagram(game), [(place("C3", 19), 0.5), (place("R3", 19), 0.25)])
    lines = text(marked, unicode=False)
    assert " 3 . . 1 . ." in lines and lines.endswith("1 C3 50.0%, 2 R3 25.0%")


def test_likelier_moves_are_painted_stronger():
    marked = with_best(Diagram(np.zeros((9, 9), np.uint8)), [(0, 0.9), (1, 0.3), (2, 0.01)])
    painted = text(marked, colour=True)
    assert [f";48;5;{ground}m{n}" in painted for n, ground in ((1, 34), (2, 112), (3, 186))] == [True] * 3
    green = [picture.mark_colours(marked, colour)[0] for colour in (0, 1, 2)]
    lightness = [sum(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in green]
    assert lightness == sorted(lightness) and len(set(green)) == 3
    drawing, image = picture.svg(marked), picture.png(marked)
    for colour, fill in enumerate(green):
        x, y = picture.centre(colour, 9)
        assert f'fill="{fill}"' in drawing
        near = np.abs(np.array(image.getpixel((x - 9, y))) - [int(fill[i : i + 2], 16) for i in (1, 3, 5)])
        assert near.max() < 12


def test_heat_is_drawn_in_red_and_blue():
    heat = np.zeros((9, 9))
    heat[0, 0], heat[8, 8], heat[4, 4] = 1, -1, 0.01
    heated = Diagram(np.zeros((9, 9), np.uint8), heat=heat)
    plain = text(heated, unicode=False)
    assert plain.startswith("   A B C D E F G H J\n 9 9 .") and " 1 . . . . . . . . i 1" in plain
    assert plain.endswith("1 to 9: for, a to i: against, in tenths of the strongest")
    assert ";48;5;196m" in text(heated, colour=True) and ";48;5;27m" in text(heated, colour=True)
    assert picture.svg(heated).count("fill-opacity") == 2
    red, blue = (picture.png(heated).getpixel(picture.centre(place, 9)) for place in (0, 80))
    assert red[0] > red[2] + 60 and blue[2] > blue[0] + 60


@pytest.mark.parametrize(
    ("heat", "sign"), [(0, ""), (0.04, ""), (0.1, "1"), (0.99, "9"), (1, "9"), (-0.3, "c"), (-1, "i")]
)
def test_heat_as_a_digit(heat, sign):
    assert heat_digit(heat) == sign


# --- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def annotate(command, monkeypatch, tmp_path):
    """`neocog go annotate` in this process: its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.sgf").write_bytes(RECORD)
    (tmp_path / "none.sgf").write_bytes(b"(;SZ[19])")
    model_file(tmp_path / "m.safetensors")

    return lambda *arguments: command("go", "annotate", *arguments, "--model", "m.safetensors", stdin=RECORD)


def test_the_command_lists_the_least_expected_moves_and_writes_a_record(annotate, tmp_path):
    code, out, err = annotate("a.sgf", "--out", "b.sgf", "--top", "2")
    lines = out.splitlines()
    assert code == 0 and err.endswith("wrote b.sgf\n") and len(lines) == 8 and max(map(len, lines)) <= 80
    assert lines[0].strip() == "least expected" and lines[1].split() == ["move", "probability", "rank", "expected"]
    assert lines[-3].startswith("both   top-1") and lines[-1].endswith("(2 moves)")
    assert (tmp_path / "b.sgf").read_bytes().count(b"neocog: ") == 6
    code, _, err = annotate("a.sgf", "--out", "b.sgf")
    assert code == USAGE and "b.sgf exists; name another file, or replace it with --force" in err


def test_the_command_prints_json(annotate):
    code, out, _ = annotate("-", "--json")
    document = json.loads(out)
    assert code == 0 and [move["number"] for move in document["moves"]] == [1, 3, 4, 5, 6]
    assert document["moves"][0]["move"] == "A19" and len(document["moves"][0]["best"]) == 5
    assert document["both"]["moves"] == 5 and 0 < document["black"]["log_loss"] < 20


def test_a_record_without_moves_is_refused(annotate):
    code, out, err = annotate("none.sgf")
    assert code == DATA and not out and "none.sgf has no moves; expected a record with moves" in err
