"""Results of records, the value head and its file, and evaluators: the policy stays as it is, bit for bit."""

import importlib.util
import json
import sys
from pathlib import Path

import neocog
import numpy as np
import pytest
import torch
from go_policies import by_hand, divided_board, evaluate_nothing, model_file
from neocog import load
from neocog.core import checkpoint
from neocog.core.problem import Problem
from neocog.go import evaluation, head_file, sgf, value
from neocog.go.board import Board
from neocog.go.coords import place
from neocog.go.games import Games
from neocog.go.outcome import Outcome, handicap, outcome, recorded_area
from neocog.go.planes import packed
from neocog.go.play.playouts import run_playouts
from neocog.go.play.policy import Policy
from neocog.go.search import Batch
from neocog.go.sgf_writer import sgf_bytes
from neocog.go.value import ValueCard, ValueHead
from neocog.go.value_targets import UNKNOWN, ValueTargets

TRUNK = 2  # layers of the network of go_policies: a convolution and a rectifier


def record(moves: str = ";B[dd];W[pp]", **properties: str) -> bytes:
    root = "".join(f"{name}[{text}]" for name, text in ({"SZ": "19"} | properties).items())
    return f"(;GM[1]{root}{moves})".encode()


# --- results ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B+3.5", Outcome(1, "count", 3.5)),
        ("w+0.5", Outcome(2, "count", 0.5)),
        ("B+R", Outcome(1, "resignation")),
        ("W+Resign", Outcome(2, "resignation")),
        ("B+T", Outcome(1, "time")),
        ("W+Forfeit", Outcome(2, "forfeit")),
        ("B+", Outcome(1, "unknown")),
        ("0", None),
        ("Draw", None),
        ("Void", None),
        ("?", None),
        ("", None),
        ("B+0", None),
    ],
)
def test_the_result_of_a_record(text, expected):
    assert outcome(text) == expected


def test_a_lead_is_positive_for_black():
    assert outcome("B+3.5").lead == 3.5 and outcome("W+3.5").lead == -3.5 and outcome("W+R").lead is None


def test_handicap_stones_are_black_stones_before_whites_first_move():
    assert handicap(sgf.read(record(";W[aa]", AB="dd][pp", HA="2"))) == 2
    assert handicap(sgf.read(record())) == 0
    assert handicap(sgf.read(record(";B[aa]", AB="dd][pp", AW="dp"))) == 0


def test_the_area_that_a_territory_count_implies():
    """Black and White placed as many stones, or Black one more; captured stones are prisoners."""
    even = sgf.read(record(";B[dd];W[pp]", RE="W+1.5", KM="6.5", RU="Japanese"))
    assert recorded_area(even, outcome("W+1.5")) == -1.5 + 6.5
    odd = sgf.read(record(";B[dd];W[pp];B[dp]", RE="W+1.5", KM="6.5", RU="Japanese"))
    assert recorded_area(odd, outcome("W+1.5")) == -1.5 + 6.5 + 1
    handicapped = sgf.read(record(";W[aa]", AB="dd][pp", KM="0.5", RU="Japanese"))
    assert recorded_area(handicapped, outcome("B+10.5")) == 10.5 + 0.5 + 1
    chinese = sgf.read(record(KM="7.5", RU="Chinese"))
    assert recorded_area(chinese, outcome("B+2.5")) == 10
    assert recorded_area(sgf.read(record(RU="Chinese")), outcome("B+2.5")) is None


def test_records_without_a_winner_on_the_board_are_left_out_and_counted():
    contents = [record(RE=text) for text in ("B+R", "", "W+T", "Draw", "W+Forfeit", "W+2.5")]
    games = Games.from_list([sgf.read(content, f"{i}.sgf") for i, content in enumerate(contents)])
    targets = ValueTargets.of(games)
    assert targets.usable.tolist() == [True, False, False, False, False, True]
    assert [(bad.file, bad.reason) for bad in targets.left_out] == [
        ("1.sgf", "gives no result"),
        ("2.sgf", "was lost on time"),
        ("3.sgf", "has no winner (RE[Draw])"),
        ("4.sgf", "was lost by forfeit"),
    ]
    assert targets.black_wins[0] and not targets.black_wins[5] and np.isnan(targets.komi).all()


def test_owners_are_kept_only_where_our_count_is_the_records():
    """A finished board: Black has 190 points, White 171, with a dead stone of each colour."""
    board = divided_board(dead=True)
    stones = {1: [], 2: []}
    for stone, colour in enumerate(board.board().ravel()):
        if colour:
            stones[int(colour)].append(f"{chr(97 + stone % 19)}{chr(97 + stone // 19)}")
    sides = {"AB": "][".join(stones[1]), "AW": "][".join(stones[2])}
    results = ("B+11.5", "B+30.5")
    games = [sgf.read(record("", KM="7.5", RU="Chinese", RE=text, **sides), text) for text in results]
    targets = ValueTargets.of(Games.from_list(games))
    assert targets.lead.tolist() == [19, 38]
    assert (targets.owners[0][:190] == 1).all() and (targets.owners[0][190:] == 2).all()
    assert (targets.owners[1] == UNKNOWN).all()


# --- the head --------------------------------------------------------------------------------------------------------


def model_with_head(folder, **changes):
    """A head of random weights beside a model of random weights; the model's path."""
    model_path = folder / "model.safetensors"
    model_file(model_path)
    torch.manual_seed(0)
    head = ValueHead(4, 8, 1).eval()
    state = torch.nn.Sequential(*list(load(str(model_path), "cpu").words)[:TRUNK]).state_dict()
    shape = {"layers": TRUNK, "channels": 4, "width": 8, "blocks": 1}
    card = ValueCard(**{"trunk": head_file.digest(state), "temperature": 1.5} | shape | changes)
    head_file.save(folder / value.FILE, head, card)
    return model_path


def batch_of(*boards: Board, komi: float = 6.5) -> Batch:
    positions = np.concatenate(
        [board.position.reshape(1) if board.position.shape else board.position[None] for board in boards]
    )
    rows = np.stack([packed(position) for position in positions])
    return Batch(positions, rows, np.full(len(boards), komi, np.float32))


@pytest.fixture
def boards():
    board = Board(19)
    for move in ("D4", "Q16", "Q4", "D16", "C6"):
        board.play(place(move, 19))
    return [Board(19), board, divided_board()]


@pytest.mark.parametrize("symmetries", [1, 8])
def test_the_head_leaves_the_policy_as_it_is(tmp_path, boards, symmetries):
    path = model_with_head(tmp_path)
    model = load(str(path), "cpu", symmetries)
    evaluator = evaluation.NetworkEvaluator(model, path.with_name(value.FILE), "float32")
    batch = batch_of(*boards)
    expected = Policy(model)(batch.rows)
    found = evaluator(batch).policy
    if symmetries == 1:
        assert (found == expected).all()
    else:  # the same views in batches of another size: sums in another order
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_bfloat16_changes_an_evaluation_little_and_the_model_not(tmp_path, boards):
    path = model_with_head(tmp_path)
    model = load(str(path), "cpu", 1)
    exact, fast = (
        evaluation.NetworkEvaluator(model, path.with_name(value.FILE), precision)(batch_of(*boards))
        for precision in ("float32", "bfloat16")
    )
    assert (exact.policy != fast.policy).any()
    np.testing.assert_allclose(fast.policy, exact.policy, rtol=0.1, atol=1e-4)
    for name in ("win", "ownership"):
        np.testing.assert_allclose(getattr(fast, name), getattr(exact, name), atol=0.02)
    np.testing.assert_allclose(fast.lead, exact.lead, atol=1)
    assert all(weight.dtype == torch.float32 for weight in model.words.state_dict().values())


def test_the_evaluator_of_a_model_with_a_head_uses_it(tmp_path):
    path = model_with_head(tmp_path)
    evaluator = evaluation.evaluator_of(load(str(path), "cpu", 1), path)
    assert isinstance(evaluator, evaluation.NetworkEvaluator)
    fast = torch.cpu._is_avx512_bf16_supported()
    assert evaluator.dtype == (torch.bfloat16 if fast else torch.float32)


def test_values_are_probabilities_points_and_owners(tmp_path, boards):
    path = model_with_head(tmp_path)
    result = evaluation.evaluator_of(load(str(path), "cpu", 1), path)(batch_of(*boards))
    assert result.win.shape == result.lead.shape == (3,) and ((result.win > 0) & (result.win < 1)).all()
    assert result.ownership.shape == (3, 361) and (np.abs(result.ownership) <= 1).all()


def test_a_point_of_komi_is_a_point_of_the_lead(tmp_path, boards):
    """Of White's lead, whoever is to move; a missing komi is an input of its own."""
    path = model_with_head(tmp_path)
    evaluator = evaluation.evaluator_of(load(str(path), "cpu", 1), path)
    leads = [evaluator(batch_of(*boards, komi=komi)).lead for komi in (0.5, 7.5, float("nan"))]
    signs = [1 if board.turn == 2 else -1 for board in boards]
    np.testing.assert_allclose(leads[1] - leads[0], 7 * np.array(signs), atol=1e-3)
    np.testing.assert_allclose(leads[2] - leads[0], 6 * np.array(signs), atol=1e-3)  # 6.5 before training
    wins = [evaluator(batch_of(*boards, komi=komi)).win for komi in (6.5, float("nan"))]
    assert (wins[0] != wins[1]).all()


def test_values_do_not_depend_on_the_batch(tmp_path, boards):
    path = model_with_head(tmp_path)
    evaluator = evaluation.evaluator_of(load(str(path), "cpu", 1), path)
    together = evaluator(batch_of(*boards * 7))
    alone = [evaluator(batch_of(board)) for board in boards]
    np.testing.assert_allclose(together.win[:3], [one.win[0] for one in alone], rtol=1e-5)


def test_eight_symmetries_give_a_turned_board_the_same_value(tmp_path, boards):
    path = model_with_head(tmp_path)
    evaluator = evaluation.evaluator_of(load(str(path), "cpu", 8), path)
    turned = Board(19)
    for move in boards[1].moves:
        row, column = divmod(move, 19)
        turned.play(column * 19 + row)
    first, second = evaluator(batch_of(boards[1])), evaluator(batch_of(turned))
    assert first.win[0] == pytest.approx(second.win[0], abs=1e-4)
    np.testing.assert_allclose(first.ownership[0].reshape(19, 19), second.ownership[0].reshape(19, 19).T, atol=1e-4)


def test_the_card_is_json_and_comes_back(tmp_path):
    path = model_with_head(tmp_path, data={"positions": 7}, metrics={"brier": 0.2}).with_name(value.FILE)
    card = value.read_card(path)
    assert card.temperature == 1.5 and card.data == {"positions": 7} and card.metrics == {"brier": 0.2}
    assert json.loads(checkpoint.header(path)[head_file.KEY])["head"] == "value"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trunk": "0" * 32}, "was trained on another network; train it again, or delete the file"),
        ({"temperature": 0.0}, "temperature is from 0.01 to 100; got 0"),
        ({"format": 9}, "has format 9, this neocog reads up to 1"),
        ({"blocks": 99}, "do not belong to its card: there are too few"),
        ({"width": 7}, "do not belong to its card"),
        ({"layers": 0}, "layers is from 1 to 10000; got 0"),
    ],
)
def test_a_head_that_cannot_be_used_is_a_sentence(tmp_path, changes, message):
    path = model_with_head(tmp_path, **changes)
    with pytest.raises(Problem) as problem:
        evaluation.evaluator_of(load(str(path), "cpu", 1), path)
    assert message in str(problem.value)


def test_a_file_without_a_head_is_refused(tmp_path):
    path = model_with_head(tmp_path)
    path.with_name(value.FILE).write_bytes(path.read_bytes())
    with pytest.raises(Problem, match="holds no value head"):
        evaluation.evaluator_of(load(str(path), "cpu", 1), path)


@pytest.mark.parametrize("turn", [1, 2])
def test_dead_stones_are_decided_by_playouts_and_the_head(tmp_path, turn):
    """The mean of both ownerships, Black's, whoever is to move; a model without a head has playouts alone."""
    path = model_with_head(tmp_path)
    evaluator = evaluation.evaluator_of(load(str(path), "cpu", 1), path)
    board = divided_board(dead=True).with_turn(turn)
    judged = evaluation.judge_of(evaluator)(board)
    owners = evaluator(batch_of(board, komi=float("nan"))).ownership[0].reshape(19, 19) * (1 if turn == 1 else -1)
    share = evaluation.HEAD_SHARE
    expected = (1 - share) * run_playouts(board).ownership + share * owners
    np.testing.assert_allclose(judged.ownership, expected, atol=1e-6)
    assert evaluation.judge_of(evaluation.PlayoutEvaluator(by_hand)) is run_playouts


# --- without a head --------------------------------------------------------------------------------------------------


def test_a_model_without_a_head_has_the_values_of_playouts():
    board = divided_board()  # 190 points of Black's, 171 of White's
    black, white = (evaluation.PlayoutEvaluator(by_hand)(batch_of(board.with_turn(turn), komi=7.5)) for turn in (1, 2))
    assert black.win[0] > 0.9 and white.win[0] == pytest.approx(1 - black.win[0])
    assert black.lead[0] == pytest.approx(11.5, abs=3) and white.lead[0] == -black.lead[0]
    assert (black.ownership[0][:150] > 0.5).all() and (white.ownership[0] == -black.ownership[0]).all()
    assert evaluate_nothing(batch_of(board)).win[0] == 0.5


# --- training --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_benchmark_trains_a_head_that_the_package_can_load(tmp_path, monkeypatch):
    """All its steps, on a few random games: a head of the packaged network comes out, with its metrics."""
    source = Path(neocog.__file__).parent / "benchmarks" / "go_value.py"
    monkeypatch.syspath_prepend(str(source.parent))
    spec = importlib.util.spec_from_file_location("go_value", source)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(script, "BATCH", 4)
    monkeypatch.setattr(script, "PACKAGED", tmp_path / "packaged.safetensors")
    rng, records = np.random.default_rng(0), tmp_path / "games"
    records.mkdir()
    for number in range(4):
        board = Board(19)
        while len(board.moves) < 60:
            move = int(rng.integers(361))
            if board.legal(move):
                board.play(move)
        result = "BW"[number % 2] + "+R"
        (records / f"{number}.sgf").write_bytes(sgf_bytes(19, board.moves, {"RE": result, "KM": "6.5"}))

    def call(step: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["go_value.py", step, *arguments, "--out", str(tmp_path / "value")])
        script.main()

    call("features", str(records))
    call("train", "--steps", "3", "--width", "8", "--blocks", "1")
    call("test", str(records), "--every", "20")
    call("pack")
    card = value.read_card(tmp_path / "packaged.safetensors")
    assert card.layers == 13 and card.data["steps"] == 3 and 0 <= card.metrics["valid_brier"] <= 1
