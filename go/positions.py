"""The positions of many games by number, with planes computed when a batch is fetched: 2 bytes a move on disk."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled
from .game import set_up
from .games import Games
from .planes import bytes_of, write
from .position import PASS, clear, empty_positions, play_without_undo, point_of, set_turn


class Positions:
    """The positions before each move of some games on boards of one size, in order; passes are left out."""

    def __init__(self, games: Games, size: int = 19) -> None:
        assert (games.sizes == size).all(), f"games on {size}×{size} only"
        self.games, self.size = games, size
        self.move_indices = np.flatnonzero(games.moves >= 0)  # of each position's move among all moves
        self.moves = games.moves[self.move_indices]  # int16 (N,): row · size + column
        self.game = np.searchsorted(games.starts, self.move_indices, side="right") - 1

    def __len__(self) -> int:
        return len(self.move_indices)

    def rows(self, indices: Any) -> Any:
        """The packed planes of the positions at `indices`, uint8 (len(indices), 2166) for 19×19.

        Replays each game from its start. Releases the interpreter, so threads work in parallel.
        """
        games, indices = self.games, np.asarray(indices, np.int64)
        out = np.empty(len(indices) * bytes_of(self.size), np.uint8)
        position = empty_positions(1, self.size)[0]
        arrays = games.stone_starts, games.stones, games.stone_colours, games.starts, games.moves, games.colours
        write_positions(position, *arrays, self.game[indices], self.move_indices[indices], out)
        return out.reshape(len(indices), bytes_of(self.size))


@compiled
def write_positions(b, stone_starts, stones, stone_colours, starts, moves, colours, game, move_indices, out):  # type: ignore[no-untyped-def]
    """Packs the positions before the moves with some indices, of the games `game`."""
    for row in range(len(move_indices)):
        clear(b, b.size)
        first, last = stone_starts[game[row]], stone_starts[game[row] + 1]
        set_up(b, stones[first:last], stone_colours[first:last])
        for i in range(starts[game[row]], move_indices[row]):
            set_turn(b, colours[i])
            play_without_undo(b, PASS if moves[i] < 0 else point_of(b, moves[i]))
        set_turn(b, colours[move_indices[row]])
        write(b, out, row * (len(out) // len(move_indices)))
