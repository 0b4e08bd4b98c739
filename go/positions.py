"""Positions of many games by their number, with planes computed when they are asked for: 2 bytes a move on the disk."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import compiled
from .game import point_at, set_up
from .games import Games
from .planes import bytes_of, write
from .position import PASS, clear, empty_positions, play, turn_to


class Positions:
    """The positions of games on one size of board in which a move was played, in their order; passes are left out."""

    def __init__(self, games: Games, size: int = 19) -> None:
        assert (games.sizes == size).all(), f"games on {size}×{size} only"
        self.games, self.size = games, size
        self.at = np.flatnonzero(games.moves >= 0)  # the place of each position's move among all moves
        self.moves = games.moves[self.at]  # int16 (N,): row · size + column
        self.game = np.searchsorted(games.starts, self.at, side="right") - 1

    def __len__(self) -> int:
        return len(self.at)

    def rows(self, indices: Any) -> Any:
        """The packed planes of the positions at `indices`, uint8 (len(picks), 2166) for 19×19.

        Each game is played from its beginning. The interpreter is let go of, so threads share the work.
        """
        games, indices = self.games, np.asarray(indices, np.int64)
        out = np.empty(len(indices) * bytes_of(self.size), np.uint8)
        position = empty_positions(1, self.size)[0]
        flat = games.stone_starts, games.stones, games.stone_colours, games.starts, games.moves, games.colours
        write_picks(position, *flat, self.game[indices], self.at[indices], out)
        return out.reshape(len(indices), bytes_of(self.size))


@compiled
def write_picks(b, stone_starts, stones, stone_colours, starts, moves, colours, game, at, out):  # type: ignore[no-untyped-def]
    """Packs the positions before the moves `at`, of the games `game`."""
    for pick in range(len(at)):
        clear(b, b.size)
        begin, end = stone_starts[game[pick]], stone_starts[game[pick] + 1]
        set_up(b, stones[begin:end], stone_colours[begin:end])
        for i in range(starts[game[pick]], at[pick]):
            turn_to(b, colours[i])
            play(b, PASS if moves[i] < 0 else point_at(b, moves[i]))
        turn_to(b, colours[at[pick]])
        write(b, out, pick * (len(out) // len(at)))
