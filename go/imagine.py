"""Positions for feature visualisation: legal placements of stones of both colours, Black to move."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..core.data import Preprocessing
from ..core.imagine.parameterization import Moves
from .board import Board
from .coords import SIZE
from .planes import packed
from .position import BLACK, WHITE, set_turn


def moves(preprocessing: Preprocessing, frontend: nn.Module) -> Moves:
    """Starts from an empty board and adds stones of either colour wherever legal."""
    device = next(frontend.buffers()).device
    return Moves(Board, add_stone, lambda boards: rows(boards).to(device))


def add_stone(board: Board, rng: torch.Generator) -> Board | None:
    """The board with a random stone added; None if the stone would be illegal."""
    place, colour = (int(torch.randint(0, count, (), generator=rng)) for count in (SIZE * SIZE, 2))
    extended = board.with_turn(BLACK if colour == 0 else WHITE)
    if not extended.legal(place):
        return None
    extended.play(place)
    return extended


def rows(boards: Sequence[Board]) -> Tensor:
    """Packed planes, uint8 (B, 2166), with Black to move."""
    for board in boards:
        set_turn(board.position, BLACK)
    return torch.from_numpy(np.stack([packed(board.position) for board in boards]))
