"""The head of players and `--like`: what it adds to a network's predictions, its file, and wrong names."""

import importlib
import json
import sys
from pathlib import Path

import neocog
import numpy as np
import pytest
import torch
from go_policies import POINTS, model_file
from neocog import load
from neocog.core.condition import Condition
from neocog.core.problem import Problem
from neocog.go import head_file, players
from neocog.go.board import Board
from neocog.go.coords import place
from neocog.go.planes import packed
from neocog.go.play.policy import Policy
from neocog.go.players import PlayersCard, PlayersHead
from neocog.go.sgf_writer import sgf_bytes

LAYERS = 2  # of the network of go_policies before its head
GROUPS = ["fox", "kgs", "kgs-5d"]


def model_with_players(folder: Path, labels=POINTS, corner: float = 0.0, **changes) -> Path:
    """A head beside a model of random weights: KGS, or its rank, is drawn to the corners by `corner`."""
    path = folder / "model.safetensors"
    model_file(path, labels=labels)
    torch.manual_seed(0)
    head = PlayersHead(4, len(GROUPS))
    with torch.no_grad():
        head.places.weight[0, 1], head.places.weight[0, 2] = corner, corner
        head.channels.weight.normal_(0, 0.1)
    state = torch.nn.Sequential(*list(load(str(path), "cpu").words)[:LAYERS]).state_dict()
    card = {"trunk": head_file.digest(state), "layers": LAYERS, "channels": 4, "groups": GROUPS}
    head_file.save(folder / players.FILE, head, PlayersCard(**card | changes))
    return path


def probabilities(path: Path, name: str | None, *boards: Board, symmetries: int = 1):
    model = load(str(path), "cpu", symmetries)
    if name:
        players.apply(model, path, name)
    return Policy(model)(np.stack([packed(board.position) for board in boards or (Board(19),)]))


def test_points_that_a_symmetry_exchanges_are_one_orbit():
    orbits = players.point_orbits().reshape(19, 19)
    assert orbits.max() == 54 and len(orbits.unique()) == 55
    for turned in (orbits.T, orbits.flip(0), orbits.rot90()):
        assert (orbits == turned).all()


def test_a_new_head_changes_nothing(tmp_path):
    path = model_with_players(tmp_path)
    head = PlayersHead(4, len(GROUPS))
    head_file.save(path.with_name(players.FILE), head, players.read_card(path.with_name(players.FILE)))
    assert (probabilities(path, "kgs") == probabilities(path, None)).all()


def test_a_rank_adds_to_its_server_and_other_servers_differ(tmp_path):
    path = model_with_players(tmp_path, corner=3.0)
    alone, kgs, rank, fox = (probabilities(path, name)[0] for name in (None, "kgs", "kgs-5d", "fox"))
    corners = [place(name, 19) for name in ("A1", "A19", "T1", "T19")]
    assert (kgs[corners] > 3 * alone[corners]).all() and (rank[corners] > 3 * kgs[corners]).all()
    assert not np.allclose(fox, alone) and not np.allclose(fox, kgs)
    assert kgs.sum() == pytest.approx(1, abs=1e-5)


def test_illegal_moves_stay_impossible(tmp_path):
    board = Board(19)
    board.play(place("A1", 19))
    (values,) = probabilities(model_with_players(tmp_path, corner=9.0), "kgs", board)
    assert values[place("A1", 19)] == 0


def test_a_turned_board_has_turned_predictions(tmp_path):
    """With all symmetries: the bias of a point is that of its orbit."""
    path = model_with_players(tmp_path, corner=1.0)
    board, turned = Board(19), Board(19)
    for row, column in ((3, 3), (2, 15), (16, 4)):
        board.play(row * 19 + column)
        turned.play(column * 19 + row)
    first, second = probabilities(path, "kgs-5d", board, turned, symmetries=8)
    np.testing.assert_allclose(first.reshape(19, 19), second.reshape(19, 19).T, atol=1e-6)


def test_labels_in_another_order_keep_their_points(tmp_path):
    (tmp_path / "other").mkdir()
    path = model_with_players(tmp_path / "other", labels=POINTS[::-1], corner=9.0)
    values = probabilities(path, "kgs")[0]
    assert set(np.argsort(-values)[:4]) == {place(name, 19) for name in ("A1", "A19", "T1", "T19")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"trunk": "0" * 32}, "was trained on another network; train it again, or delete the file"),
        ({"format": 9}, "has format 9, this neocog reads up to 1"),
        ({"channels": 4000}, "do not belong to its card: there are too few"),
        ({"channels": 3}, "do not belong to its card"),
        ({"head": "value"}, "holds no players head"),
        ({"groups": 3}, "cannot be read"),
    ],
)
def test_a_head_that_cannot_be_used_is_a_sentence(tmp_path, changes, message):
    path = model_with_players(tmp_path, **changes)
    with pytest.raises(Problem) as problem:
        players.apply(load(str(path), "cpu", 1), path, "kgs")
    assert message in str(problem.value)


# --- the command -----------------------------------------------------------------------------------------------------


def record(folder: Path) -> Path:
    path = folder / "game.sgf"
    path.write_bytes(sgf_bytes(19, [60, 300, 72, 288], {}))
    return path


def test_the_command_predicts_the_moves_of_some_players(command, tmp_path):
    path, game = model_with_players(tmp_path, corner=9.0), record(tmp_path)
    code, out, _ = command("predict", path, game, "--move", "3", "--like", "kgs-5d", "--json")
    (row,) = json.loads(out)
    assert code == 0 and row["predictions"][0]["label"] in ("A1", "A19", "T1", "T19")


def test_evaluation_takes_the_same_name(command, tmp_path):
    path = model_with_players(tmp_path, corner=9.0)
    losses = []
    for arguments in ([], ["--like", "kgs"]):
        code, out, _ = command("evaluate", path, record(tmp_path), "--json", *arguments)
        assert code == 0
        losses.append(json.loads(out)["log_loss"])
    assert losses[1] > losses[0] + 1  # these moves are far from the corners


@pytest.mark.parametrize(
    ("name", "message"), [("kqs", "--like is fox, kgs, kgs-5d (did you mean kgs?); got kqs"), ("", "got ")]
)
def test_a_wrong_name_is_a_sentence_with_those_that_there_are(command, tmp_path, name, message):
    path = model_with_players(tmp_path)
    code, out, err = command("predict", path, record(tmp_path), "--like", name)
    assert code == 2 and not out and message in err and err.count("\n") == 1


def test_a_model_without_such_a_head_says_so(command, tmp_path):
    path = model_file(tmp_path / "m.safetensors")
    code, _, err = command("predict", path, record(tmp_path), "--like", "kgs")
    assert code == 2 and "has no players.safetensors beside it, so --like cannot be used with it" in err


def test_other_domains_have_no_players():
    with pytest.raises(Problem, match="--like is not for text"):
        neocog.domain("text").require(Condition, "--like")


# --- training --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_benchmark_trains_a_head_that_the_package_can_load(tmp_path, monkeypatch, capsys):
    """All its steps, on a few random games of three servers."""
    monkeypatch.syspath_prepend(str(Path(neocog.__file__).parent / "benchmarks"))
    script = importlib.import_module("go_like")

    monkeypatch.setattr(script, "BATCH", 8)
    monkeypatch.setattr(script, "OF_EACH", 30)
    monkeypatch.setattr(script, "PACKAGED", tmp_path / "packaged.safetensors")
    rng = np.random.default_rng(0)
    for number in range(9):
        board = Board(19)
        while len(board.moves) < 60:
            move = int(rng.integers(361))
            if board.legal(move):
                board.play(move)
        folder = tmp_path / "games" / script.SERVERS[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        ranks = {"BR": "5d", "WR": "6d", "RE": "B+R"}
        (folder / f"{number}.sgf").write_bytes(sgf_bytes(19, board.moves, ranks))

    def call(step: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["go_like.py", step, *arguments, "--out", str(tmp_path / "players")])
        script.main()

    call("features", str(tmp_path / "games"))
    call("train", "--steps", "3")
    call("test", str(tmp_path / "games"), "--positions", "20")
    call("pack")
    card = players.read_card(tmp_path / "packaged.safetensors")
    assert card.groups == list(script.GROUPS) and card.data["steps"] == 3 and set(card.metrics) <= set(script.SERVERS)
    assert "kgs-6d" in capsys.readouterr().out
