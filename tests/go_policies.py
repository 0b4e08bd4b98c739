"""For tests of players: a hand-written policy, a small network of random weights, and a finished board."""

from pathlib import Path

import numpy as np
import torch
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.initialize import initialize
from neocog.core.network import Network, parse
from neocog.go.board import Board
from neocog.go.coords import vertex
from neocog.go.frontend import LegalMask
from neocog.go.position import BLACK
from neocog.go.search import Batch, Evaluation

POINTS = [vertex(place, 19) for place in range(361)]
NETWORK = "conv(4, 3, pad=1), relu, conv(1, 1, bias=False), bias, flatten"


def by_hand(rows):
    """All legal moves with weights from 2 for A19 down to 1 for T1, normalised."""
    weights = LegalMask()(torch.from_numpy(rows)).numpy() * np.linspace(2, 1, 361)
    total = weights.sum(1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0).astype(np.float32)


def evaluate_by_area(batch: Batch) -> Evaluation:
    """The policy by hand; the value is the area on the board, all stones alive."""
    leads = []
    for position, komi in zip(batch.positions, batch.komi, strict=True):
        board = Board(19)
        board.position = position
        leads.append(board.score(np.nan_to_num(komi)) * (1 if position["turn"] == BLACK else -1))
    lead = np.array(leads, np.float32)
    ownership = np.zeros((len(lead), 361), np.float32)
    return Evaluation(by_hand(batch.rows), 1 / (1 + np.exp(-lead / 5)), lead, ownership)


def evaluate_nothing(batch: Batch) -> Evaluation:
    """The policy by hand; a value that says nothing."""
    zeros = np.zeros(len(batch.rows), np.float32)
    return Evaluation(by_hand(batch.rows), zeros + 0.5, zeros, np.zeros((len(zeros), 361), np.float32))


def model_file(path: Path, labels=POINTS, domain="go", spoil: float | None = None, augment="symmetries") -> str:
    """A model of random weights, whose card says that it was trained with all symmetries, or with `augment`."""
    module = Network((48, 19, 19), parse(NETWORK)).module()
    initialize(module, 0, False)
    weights = module.state_dict()
    if spoil is not None:
        weights = {name: values.fill_(spoil) for name, values in weights.items()}
    settings = {"augment": augment}
    checkpoint.save(path, weights, Card(domain, NETWORK, (48, 19, 19), list(labels), {}, settings=settings))
    return str(path)


def divided_board(rows: int = 10, dead: bool = False) -> Board:
    """Black owns the first `rows` lines, White the others, all full of stones except for many two-point eyes.

    With `dead`, each colour has a dead stone in an eye of the opponent: B5 and B16.
    """
    top = [row for row in range(rows - 1) if row % 2]
    bottom = [row for row in range(rows + 1, 18) if row % 2 == 0]
    holes = {row * 19 + column for row in top + bottom for column in range(19) if column % 3}
    colours = {place: 1 if place < rows * 19 else 2 for place in range(361) if place not in holes}
    if dead:
        colours |= {14 * 19 + 1: 1, 3 * 19 + 1: 2}
    return Board(19, stones=[*colours], stone_colours=[*colours.values()])
