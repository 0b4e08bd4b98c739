"""Evaluators of a search: a trained policy with its value head, or, for a model without one, with playouts."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core.device import number_format
from ..core.model import NEVER, Model
from ..core.problem import FAILED, Problem
from . import value
from .board import Board
from .coords import SIZE
from .frontend import Unpack
from .planes import packed
from .play.player import Judge
from .play.playouts import PlayoutResult, run_playouts
from .play.policy import Policy
from .position import BLACK, POSITION, WHITE
from .search import Batch, Evaluation, Evaluator

AT_ONCE = 16  # positions that go through the network together
HEAD_SHARE = 0.3  # of the value head in the ownership that decides about dead stones (docs/go.md)
PLAYOUTS = 50  # of a position, for a model without a value head


class NetworkEvaluator:
    """A policy and its value head in one pass: the trunk is computed once for both.

    The logits of the policy, and the values, are means over the model's views of the board. With `precision` auto, the
    network computes in bfloat16 on a CPU that multiplies it faster (half the time; docs/go.md has what it changes), the
    head in float32. Raises Problem if the model is not of Go, or its value head cannot be used.
    """

    def __init__(self, model: Model, path: Path, precision: str = "auto") -> None:
        self.policy = Policy(model)  # checks the model
        self.model = model
        card = value.read_card(path)
        layers = list(model.words)  # type: ignore[call-overload]
        trunk, rest = nn.Sequential(*layers[: card.layers]), nn.Sequential(*layers[card.layers :])
        self.head, self.card = value.load(path, trunk.state_dict())
        is_cpu = model.device.type == "cpu"  # elsewhere a forward pass of a few positions is not the slow part
        self.dtype = number_format(model.device, precision) if is_cpu else torch.float32
        if self.dtype != torch.float32:
            trunk, rest = (copy.deepcopy(part).to(self.dtype) for part in (trunk, rest))
        self.trunk, self.rest = trunk, rest
        self.head.to(model.device)
        self.stones = Unpack(slice(0, value.STONES)).to(model.device)

    def __call__(self, batch: Batch) -> Evaluation:
        """Raises Problem if the network's weights are damaged."""
        starts = range(0, len(batch.rows), AT_ONCE)
        parts = [self._evaluate(Batch(*(part[start : start + AT_ONCE] for part in batch))) for start in starts]
        evaluation = Evaluation(*(np.concatenate(values) for values in zip(*parts, strict=True)))
        if not np.isfinite(evaluation.policy).all() or not np.isfinite(evaluation.win).all():
            raise Problem("the network predicts numbers that are not finite: its weights are damaged", FAILED)
        return evaluation

    def _evaluate(self, batch: Batch) -> Evaluation:
        model, device = self.model, self.model.device
        with model.inference():
            rows = torch.from_numpy(batch.rows).to(device)
            komi = torch.from_numpy(batch.komi).to(device)
            is_white = torch.from_numpy((batch.positions["turn"] == WHITE).astype(np.float32)).to(device)
            maps, stones = model.module.frontend(rows), self.stones(rows)
            views = [self._view(view, maps, stones, komi, is_white) for view in model.module.views]
            logits, win, lead, ownership = (torch.stack(values).mean(0) for values in zip(*views, strict=True))
            logits = model.module.masked(logits, rows).float()
            policy = (logits.softmax(1) * (logits != NEVER))[:, self.policy.label_indices]
            win = (win / self.card.temperature).sigmoid()
            return Evaluation(*(values.float().cpu().numpy() for values in (policy, win, lead, ownership)))

    def _view(self, view: Any, maps: Tensor, stones: Tensor, komi: Tensor, is_white: Tensor) -> tuple[Tensor, ...]:
        """Logits of the policy, logit of winning, lead and ownership of one view of the positions."""
        seen = view.transform(maps).contiguous(memory_format=torch.channels_last)
        trunk = self.trunk(seen.to(self.dtype))
        win, lead, owner = self.head(trunk.float(), view.transform(stones), komi, is_white)
        return view.inverse(self.rest(trunk).float()), win, lead, view.inverse((owner / 2).tanh())


class PlayoutEvaluator:
    """A policy whose values are those of random games: for models that have no value head."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy

    def __call__(self, batch: Batch) -> Evaluation:
        probabilities = self.policy(batch.rows)
        values = [
            playout_value(position, float(komi)) for position, komi in zip(batch.positions, batch.komi, strict=True)
        ]
        win, lead, ownership = (np.array(part, np.float32) for part in zip(*values, strict=True))
        return Evaluation(probabilities, win, lead, ownership)


def playout_value(position: Any, komi: float) -> tuple[float, float, Any]:
    """The share of playouts that the player to move wins, its mean lead, and its ownership (361,)."""
    board = Board(SIZE)
    board.position = position
    playouts = run_playouts(board, PLAYOUTS)
    turn, points = int(position["turn"]), 0.0 if np.isnan(komi) else komi
    sign = 1 if turn == BLACK else -1
    return playouts.win_rate(turn, points), playouts.mean_lead(turn, points), sign * playouts.ownership.ravel()


def judge_of(evaluator: Evaluator) -> Judge:
    """Decides which stones are dead: playouts, averaged with the ownership of the value head if there is one.

    Playouts know what two colours that play at random make of the position, the head what players made of such ones.
    """
    if isinstance(evaluator, PlayoutEvaluator):
        return run_playouts

    def judge(board: Board) -> PlayoutResult:
        playouts = run_playouts(board)
        sign = 1 if board.turn == BLACK else -1
        positions = np.empty(1, POSITION)
        positions[0] = board.position
        batch = Batch(positions, packed(board.position)[None], np.full(1, np.nan, np.float32))
        owners = sign * evaluator(batch).ownership[0].reshape(SIZE, SIZE)
        ownership = (1 - HEAD_SHARE) * playouts.ownership + HEAD_SHARE * owners
        return replace(playouts, ownership=ownership.astype(np.float32))

    return judge


def evaluator_of(model: Model, path: Path) -> NetworkEvaluator | PlayoutEvaluator:
    """The evaluator of a model whose file is `path`: with the value head beside it, if there is one."""
    head = path.with_name(value.FILE)
    return NetworkEvaluator(model, head) if head.is_file() else PlayoutEvaluator(Policy(model))
