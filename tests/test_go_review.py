"""The review of a game: losses, mistakes with their better lines, the page, the plot, the record and JSON."""

import io
import json
import re

import numpy as np
import pytest
from go_policies import by_hand, evaluate_by_area, model_file
from neocog.core.problem import Problem
from neocog.go import sgf
from neocog.go.review import page as pages
from neocog.go.review.record import reviewed_record
from neocog.go.review.review import review_game, to_dict
from neocog.go.search import Evaluation
from PIL import Image
from sgfmill import sgf as sgfmill_sgf

RECORD = (
    b"(;GM[1]SZ[19]KM[6.5]PB[Alice <b>]PW[Bob]RE[B+R];B[dd];W[pp]C[a remark];B[pd];W[dp];B[aa];W[qf]"
    b"(;B[nc];W[rd];B[qc])(;B[qe]C[variation]))"
)
BLUNDER = 5  # Black's A19


def evaluate_with_a_blunder(batch):
    """Even, until a black stone is on A19, which costs Black 20 points; the policy by hand prefers A19 to all moves."""
    black = np.array([position["colour"][21] == 1 for position in batch.positions])
    sign = np.where(batch.positions["turn"] == 1, 1, -1)
    lead = (np.where(black, -20, 0) * sign).astype(np.float32)
    ownership = np.zeros((len(lead), 361), np.float32)
    return Evaluation(by_hand(batch.rows), (0.5 + lead / 50).astype(np.float32), lead, ownership)


@pytest.fixture(scope="module")
def review():
    return review_game(sgf.read(RECORD, "game.sgf"), evaluate_with_a_blunder, 30, 3)


def test_a_move_costs_its_player_what_the_values_lose(review):
    losses = {move.number: (round(move.win_loss, 2), round(move.points_lost, 1)) for move in review.moves}
    searched = {move.number for move in review.moves if move.searched}
    assert BLUNDER in searched and review.mistakes[0].number == BLUNDER
    assert losses[BLUNDER] == (pytest.approx(0.4, abs=0.1), pytest.approx(20, abs=3))
    assert all(loss < (0.05, 3) for number, loss in losses.items() if number not in searched)


def test_white_loses_what_black_wins():
    """A first stone owns the board: White's gain is a loss below 0, and Black's first stone takes it away again."""
    swapped = RECORD.translate(bytes.maketrans(b"BW", b"WB")).replace(b"(;GM[1]SZ[19]", b"(;GM[1]SZ[19]PL[W]")
    first, second, *_ = review_game(sgf.read(swapped), evaluate_by_area, 1, 3).moves
    assert (first.colour, first.before.lead, first.after.lead) == (2, -6.5, -367.5) and first.points_lost == -361
    assert (second.colour, second.after.lead, second.points_lost) == (1, -6.5, -361) and second.win_loss < 0


def test_a_mistake_has_a_better_line_that_begins_elsewhere(review):
    (mistake,) = review.mistakes[:1]
    assert mistake.better and mistake.better[0] != mistake.place
    assert all(move.win_loss >= 0.02 for move in review.mistakes)
    assert [move.win_loss for move in review.mistakes] == sorted((m.win_loss for m in review.mistakes), reverse=True)


def test_without_a_search_there_are_losses_but_no_lines():
    result = review_game(sgf.read(RECORD), evaluate_with_a_blunder, 1, 3)
    assert [move.number for move in result.mistakes] == [BLUNDER] and result.mistakes[0].better == ()
    assert result.mistakes[0].points_lost == 20 and result.mistakes[0].win_loss == pytest.approx(0.4)


def test_both_players_agreement_is_that_of_annotate(review):
    from neocog.go.annotate import annotate_moves, metrics_by_colour

    expected = metrics_by_colour(annotate_moves(review.game, by_hand))
    for name in ("black", "white"):
        row = review.agreement()[name]
        assert {key: row[key] for key in expected[name]} == pytest.approx(expected[name], rel=1e-3)
        assert row["points_lost"] >= 0


def test_a_missing_komi_is_a_caveat(review):
    assert review.caveats == ()
    result = review_game(sgf.read(RECORD.replace(b"KM[6.5]", b"")), evaluate_with_a_blunder, 1, 1)
    assert result.komi is None and result.caveats == (
        "the record gives no komi: the values are those of a game with the usual one",
    )
    assert result.caveats[0] in pages.page(result, "go") and result.caveats[0] in to_dict(result)["caveats"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"(;GM[1]SZ[19])", "has no moves; expected a record with moves"),
        (b"(;GM[1]SZ[9];B[aa])", "is on 9×9; the network takes 19×19"),
    ],
)
def test_a_game_that_cannot_be_reviewed_is_a_problem(content, message):
    with pytest.raises(Problem, match=message):
        review_game(sgf.read(content, "x.sgf"), evaluate_by_area, 1, 1)


# --- the files -------------------------------------------------------------------------------------------------------


def page_data(html: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


def test_the_page_holds_every_position_and_escapes_names(review):
    html = pages.page(review, "go")
    values = page_data(html)
    assert "Alice &lt;b&gt;" in html and "<b>]" not in html and "http" not in html.replace("http://www.w3.org", "")
    assert [sum(digit != "0" for digit in position["board"]) for position in values["positions"]] == [*range(10)]
    assert values["positions"][5]["board"][0] == "1" and values["positions"][5]["last"] == 0
    assert values["mistakes"][0] == BLUNDER and values["positions"][BLUNDER - 1]["better"]


def test_json_in_the_page_cannot_end_its_element():
    assert "<" not in pages.embedded({"a": "</script><b>"}) and json.loads(pages.embedded({"a": "</x>"})) == {
        "a": "</x>"
    }


def test_the_graph_is_a_picture(review):
    picture = Image.open(io.BytesIO(pages.graph(review)))
    assert picture.format == "PNG" and picture.width > 600


def test_the_record_keeps_its_content_and_gains_variations(review):
    content = reviewed_record(RECORD, review, "go")
    game = sgfmill_sgf.Sgf_game.from_bytes(content)
    nodes = game.get_main_sequence()
    assert sgf.read(content).moves.tolist() == review.game.moves.tolist()
    assert b"a remark\n\nneocog: Black wins" in content and b"C[variation]" in content
    before = nodes[BLUNDER - 1]
    assert len(before) == 2  # the game, and the better line
    colour, point = before[1].get_move()
    row, column = divmod(review.mistakes[0].better[0], 19)
    assert colour == "b" and point == (18 - row, column)
    assert b"neocog: better than A19" in content
    assert nodes[0].get("C").startswith("neocog: reviewed with go")


def test_a_second_review_replaces_the_first(review):
    once = reviewed_record(RECORD, review, "go")
    assert reviewed_record(once, review, "go") == once


def test_the_command_writes_the_files_and_one_document(command, tmp_path):
    model, record = model_file(tmp_path / "m.safetensors"), tmp_path / "game.sgf"
    record.write_bytes(RECORD)
    out = tmp_path / "review"
    code, text, err = command("go", "review", record, "--model", model, "--visits", 3, "--out", out, "--json")
    document = json.loads(text)
    assert (
        code == 0 and len(document["moves"]) == 9 and document["caveats"][0].startswith("the model has no value head")
    )
    assert sorted(path.name for path in out.iterdir()) == ["graph.png", "review.html", "review.json", "review.sgf"]
    assert json.loads((out / "review.json").read_text()) == document and "mean little before the endgame" in err
    assert document["caveats"][0] in (out / "review.html").read_text()
    code, text, err = command("go", "review", record, "--model", model, "--out", out)
    assert code == 2 and "review.html exists; name another file, or replace it with --force" in err
    code, text, err = command("go", "review", record, "--model", model, "--visits", 1, "--quiet")
    assert code == 0 and "top-1" in text and "points lost a move" in text


def test_a_file_in_place_of_the_folder_is_wrong_use(command, tmp_path):
    record, out = tmp_path / "game.sgf", tmp_path / "full"
    record.write_bytes(RECORD)
    out.mkdir()
    (out / "x").write_text("")
    code, text, err = command("go", "review", record, "--out", out / "x")
    assert code == 2 and not text and "Traceback" not in err
