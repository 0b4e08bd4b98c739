"""Positions that a network imagines: what the rules allow, and what a planted filter looks for."""

import json

import neocog
import torch
from neocog.cli import app
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.explain import places
from neocog.core.imagine import imagined
from neocog.core.imagine.growth import Growth, by_chance
from neocog.core.model import Model
from neocog.core.network import Network, parse
from neocog.go.data import LABELS
from neocog.go.imagine import add_stone, moves, rows
from neocog.go.planes import unpacked
from typer.testing import CliRunner

STONES = {"planes": "stones"}  # own, the opponent's, empty


def player():
    """A model whose first filter looks for an own stone between two of the opponent's, side by side."""
    network = Network((3, 19, 19), parse("conv(1, (1, 3), pad=(0, 1), bias=False), relu, flatten, dense(361)"))
    words = network.module()
    with torch.no_grad():
        for value in words.parameters():
            value.zero_()
        words[0].weight[0, :, 0] = torch.tensor([[0.0, 2.0, 0.0], [2.0, 0.0, 2.0], [-1.0, -1.0, -1.0]])
        words[3].weight[LABELS.index("D4")] = 1.0
    card = Card("go", str(network), network.input, LABELS, STONES)
    return Model(neocog.domain("go"), card, words.state_dict(), "cpu")


def test_stones_lie_as_the_rules_allow():
    """No chain without a liberty, one stone more unless stones were captured; None where one may not lie."""
    found = moves(STONES, player().frontend)
    for board in by_chance(found, 10, 120, torch.Generator().manual_seed(0)):
        stones = board.board()
        assert all(board.liberties(place) > 0 for place in range(361) if stones.flat[place])
        assert int((stones > 0).sum()) == len(board.moves) - sum(board.captured)
    full = by_chance(found, 1, 300, torch.Generator().manual_seed(1))[0]
    tried = [add_stone(full, torch.Generator().manual_seed(seed)) for seed in range(60)]
    assert any(each is None for each in tried) and any(each is not None for each in tried)


def test_black_is_to_move():
    """Whoever put down the last stone, Black's are the own ones."""
    board = moves(STONES, player().frontend).start()
    board.play(60, 1)
    assert unpacked(rows([board]).numpy())[0, 0].flat[60] == 1
    board.play(61, 2)
    planes = unpacked(rows([board]).numpy())[0]
    assert planes[0].flat[60] == 1 and planes[1].flat[61] == 1


def test_a_planted_pattern_is_grown():
    """The position answers as no position by chance does, and what the filter looks for stands in it."""
    found = player()
    place = places.layer(found.network, "0")
    (each,) = imagined.imagine_units(found, place, [0], Growth(40))
    planes = unpacked(each.input.numpy())
    own, theirs = planes[0], planes[1]
    assert int((theirs[:, :-2] & own[:, 1:-1] & theirs[:, 2:]).sum()) >= 3
    kind = imagined.kind_of(found)
    chance = imagined.noise(found, kind, 50, torch.Generator().manual_seed(0))
    goal = found.words[:2](found.frontend(chance)).sum((1, 2, 3))
    assert each.activation > float(goal.max())


def test_the_command_shows_the_position(tmp_path):
    found = player()
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, found.words.state_dict(), found.card)
    asked = ["imagine", str(path), "--label", "D4", "--steps", "5", "--out", str(tmp_path / "a.png"), "--json"]
    told = json.loads(CliRunner().invoke(app, asked, catch_exceptions=False).stdout)
    assert told["rows"][0]["inputs"][0]["what"] == "D4" and told["noise"]["inputs"] == 1000
    assert (tmp_path / "a.png").exists()
    result = CliRunner().invoke(app, [*asked[:4], "--jitter", "1", "--json"])
    assert "--jitter is not for positions, whose stones are put down one by one; leave it out" in str(result.exception)
