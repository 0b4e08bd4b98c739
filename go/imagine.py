"""Positions that a network imagines: stones of both colours, put down as the rules allow, Black to move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..core.data import Preprocessing
from ..core.imagine.canvas import Moves
from .board import Board
from .frontend import SIZE
from .planes import packed
from .position import BLACK, turn_to

WHITE = 2


def moves(preprocessing: Preprocessing, frontend: nn.Module) -> Moves:
    """An empty board, and a stone of either colour anywhere that is legal."""
    device = next(frontend.buffers()).device
    return Moves(Board, after, lambda boards: rows(boards).to(device))


def after(board: Board, rng: torch.Generator) -> Board | None:
    """The board with one stone more; None where it may not lie there."""
    place, colour = (int(torch.randint(0, most, (), generator=rng)) for most in (SIZE * SIZE, 2))
    further = board.copy()
    turn_to(further.position, BLACK if colour == 0 else WHITE)
    if not further.legal(place):
        return None
    further.play(place)
    return further


def rows(boards: Sequence[Board]) -> Tensor:
    """Packed planes, uint8 (B, 2166), with Black to move."""
    for board in boards:
        turn_to(board.position, BLACK)
    return torch.from_numpy(np.stack([packed(board.position) for board in boards]))
