"""A player: what a policy plays, and what it takes to finish a game, which a policy does not know.

Records end with passes that networks are not trained on. So a player passes where nothing sensible is left, and where
the opponent has passed and either it is ahead by area, dead stones taken off, or the game is finished: no point is
left that both colours reach. Dead is what random games say (playouts.py). It never plays what the rules forbid, never
fills a true eye of its own, never brings a position of the game back (positional superko, whether in force or not).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...core.problem import USAGE, Problem
from ..board import Board
from ..coords import PASS
from ..planes import packed
from ..position import BLACK, EMPTY
from .playouts import outlook
from .policy import Opinion, legal_moves, sensible_moves

RESIGN = -2  # beside places and PASS
EARLIEST = 60  # turns before a player resigns: random games know nothing of an opening


class Move(NamedTuple):
    """A move and what the policy gives it."""

    place: int
    probability: float


class Player:
    """Plays by a policy.

    `temperature` 0 plays the likeliest move; otherwise moves are drawn by p^(1/temperature). With `resign`, it gives up
    once it wins less than this share of random games from a position. Raises Problem for numbers that cannot be.
    """

    def __init__(
        self, policy: Opinion, temperature: float = 0, resign: float | None = None, seed: int | None = None
    ) -> None:
        if not 0 <= temperature <= 100:
            raise Problem(f"--temperature is 0 (the likeliest move) to 100, got {temperature:g}", USAGE)
        if resign is not None and not 0 < resign < 1:
            raise Problem(f"--resign is a share of games between 0 and 1, as in 0.05; got {resign:g}", USAGE)
        self.policy, self.temperature, self.resign = policy, temperature, resign
        self.rng = np.random.default_rng(seed)

    def choose(self, board: Board, colour: int, komi: float) -> int:
        """A place, PASS or RESIGN for a colour."""
        if self.may_pass(board, colour, komi):
            return PASS
        if self.gives_up(board.turned_to(colour), colour, komi):
            return RESIGN
        for move in self.drawn(self.candidates(board, colour)):
            if not board.turned_to(colour).repeats(move.place):
                return move.place
        return PASS

    def candidates(self, board: Board, colour: int, sensible: bool = True) -> list[Move]:
        """The sensible moves of a colour, or all legal ones, the likeliest first."""
        row = packed(board.turned_to(colour).position)[None]
        (probabilities,) = self.policy(row)
        (there,) = (sensible_moves if sensible else legal_moves)(row)
        places = np.flatnonzero(there)
        order = places[np.argsort(-probabilities[places], kind="stable")]
        return [Move(int(place), float(probabilities[place])) for place in order]

    def drawn(self, moves: list[Move]) -> list[Move]:
        """The moves in the order in which they are to be tried."""
        if self.temperature == 0 or len(moves) < 2:
            return moves
        # Gumbel noise on logarithms draws without replacement by the tempered probabilities (Gumbel 1954).
        weights = np.log(np.maximum([move.probability for move in moves], 1e-30)) / self.temperature
        order = np.argsort(-(weights + self.rng.gumbel(size=len(moves))))
        return [moves[i] for i in order]

    def gives_up(self, board: Board, colour: int, komi: float) -> bool:
        """Whether it is asked to resign, and has reason to."""
        if self.resign is None or len(board.moves) < EARLIEST:
            return False
        return outlook(board).share(colour, komi) < self.resign

    def may_pass(self, board: Board, colour: int, komi: float) -> bool:
        """Whether the opponent has passed and nothing is lost by passing too."""
        if not board.moves or board.moves[-1] != PASS or board.colours[-1] == colour:
            return False
        counted = outlook(board.turned_to(colour)).settled()
        lead = counted.score(komi) * (1 if colour == BLACK else -1)
        return lead > 0 or is_finished(counted)


def is_finished(counted: Board) -> bool:
    """Whether no empty point reaches both colours, and there are both."""
    stones = counted.board()
    return {1, 2} <= set(stones.flat) and bool((counted.owners()[stones == EMPTY] > 0).all())
