"""Feature visualisation on positions: legality, and the pattern of a planted filter."""

import json

import neocog
import torch
from neocog.cli import app
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.explain import places
from neocog.core.imagine import imagined
from neocog.core.imagine.move_search import MoveSearch, random_states
from neocog.core.model import Model
from neocog.core.network import Network, parse
from neocog.go.data import LABELS
from neocog.go.imagine import add_stone, moves, rows
from neocog.go.planes import unpacked
from typer.testing import CliRunner

STONES = {"planes": "stones"}  # own, the opponent's, empty


def player():
    """A model whose first filter detects an own stone between two of the opponent's."""
    network = Network((3, 19, 19), parse("conv(1, (1, 3), pad=(0, 1), bias=False), relu, flatten, dense(361)"))
    words = network.module()
    with torch.no_grad():
        for value in words.parameters():
            value.zero_()
        words[0].weight[0, :, 0] = torch.tensor([[0.0, 2.0, 0.0], [2.0, 0.0, 2.0], [-1.0, -1.0, -1.0]])
        words[3].weight[LABELS.index("D4")] = 1.0
    card = Card("go", str(network), network.input, LABELS, STONES)
    return Model(neocog.domain("go"), card, words.state_dict(), "cpu")


def test_stones_are_placed_legally():
    """Every chain has a liberty, and a stone is added unless stones were captured; None if it would be illegal."""
    kind = moves(STONES, player().frontend)
    for board in random_states(kind, 10, 120, torch.Generator().manual_seed(0)):
        stones = board.board()
        assert all(board.liberties(place) > 0 for place in range(361) if stones.flat[place])
        assert int((stones > 0).sum()) == len(board.moves) - sum(board.captured)
    full = random_states(kind, 1, 300, torch.Generator().manual_seed(1))[0]
    boards = [add_stone(full, torch.Generator().manual_seed(seed)) for seed in range(60)]
    assert any(extended is None for extended in boards) and any(extended is not None for extended in boards)


def test_black_is_to_move():
    """Black's stones are the own ones, whoever played the last stone."""
    board = moves(STONES, player().frontend).start()
    board.play(60, 1)
    assert unpacked(rows([board]).numpy())[0, 0].flat[60] == 1
    board.play(61, 2)
    planes = unpacked(rows([board]).numpy())[0]
    assert planes[0].flat[60] == 1 and planes[1].flat[61] == 1


def test_a_planted_pattern_is_found():
    """The position activates the filter more than random ones, and contains its pattern."""
    model = player()
    place = places.layer(model.network, "0")
    (unit,) = imagined.imagine_units(model, place, [0], MoveSearch(40))
    planes = unpacked(unit.input.numpy())
    own_stones, opponent_stones = planes[0], planes[1]
    assert int((opponent_stones[:, :-2] & own_stones[:, 1:-1] & opponent_stones[:, 2:]).sum()) >= 3
    kind = imagined.parameterization_of(model)
    chance = imagined.noise(model, kind, 50, torch.Generator().manual_seed(0))
    goal = model.words[:2](model.frontend(chance)).sum((1, 2, 3))
    assert unit.activation > float(goal.max())


def test_the_command_shows_the_position(tmp_path):
    model = player()
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, model.words.state_dict(), model.card)
    arguments = ["imagine", str(path), "--label", "D4", "--steps", "5", "--out", str(tmp_path / "a.png"), "--json"]
    document = json.loads(CliRunner().invoke(app, arguments, catch_exceptions=False).stdout)
    assert document["rows"][0]["inputs"][0]["what"] == "D4" and document["noise"]["inputs"] == 1000
    assert (tmp_path / "a.png").exists()
    result = CliRunner().invoke(app, [*arguments[:4], "--jitter", "1", "--json"])
    assert "--jitter is not for positions, whose moves are searched one by one; leave it out" in str(result.exception)
