"""A player: chooses moves by a policy, and passes and resigns, which policies do not learn from records.

A player passes if no sensible move is left. After the opponent's pass it passes too if it leads by area without dead
stones, or if the game is finished: no empty point is reached by both colours. Dead stones are estimated by playouts.
It never plays an illegal move, never fills a true eye of its own, and never repeats a position of the game (positional
superko, even if the board plays by simple ko).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...core.problem import USAGE, Problem
from ..board import Board
from ..coords import PASS
from ..planes import packed, sensible_places
from ..position import BLACK, EMPTY, WHITE
from .playouts import PlayoutResult, run_playouts
from .policy import PolicyFunction

Judge = Callable[[Board], PlayoutResult]  # decides which stones are dead
RESIGN = -2  # beside places and PASS
MIN_TURNS = 60  # before a player resigns: playouts know nothing of an opening


class Move(NamedTuple):
    """A move and its probability under the policy."""

    place: int
    probability: float


class Player:
    """Plays by a policy.

    `temperature` 0 plays the likeliest move; otherwise moves are drawn by p^(1/temperature). With `resign`, it resigns
    as soon as it wins less than this share of the playouts from a position. `judge` decides which stones are dead.
    Raises Problem for values out of range.
    """

    def __init__(
        self,
        policy: PolicyFunction,
        temperature: float = 0,
        resign: float | None = None,
        seed: int | None = None,
        judge: Judge = run_playouts,
    ) -> None:
        if not 0 <= temperature <= 100:
            raise Problem(f"--temperature is 0 (the likeliest move) to 100; got {temperature:g}", USAGE)
        if resign is not None and not 0 < resign < 1:
            raise Problem(f"--resign is a share of games between 0 and 1, such as 0.05; got {resign:g}", USAGE)
        self.policy, self.temperature, self.resign = policy, temperature, resign
        self.rng, self.judge = np.random.default_rng(seed), judge

    def choose(self, board: Board, colour: int, komi: float, seconds: float | None = None) -> int:
        """A place, PASS or RESIGN for a colour. A move always takes the same short time, whatever the clock leaves."""
        board = board.with_turn(colour)
        if self.should_pass(board, komi):
            return PASS
        if self.should_resign(board, komi):
            return RESIGN
        return next(
            (move.place for move in self.shuffle(self.candidates(board)) if not board.repeats(move.place)), PASS
        )

    def choose_cleanup(self, board: Board, colour: int) -> int:
        """A move that helps to capture dead stones of the opponent, or PASS if none are left (KGS's clean-up phase).

        It is the likeliest sensible move beside a dead chain, or on one of its liberties.
        """
        board = board.with_turn(colour)
        stones = board.board().ravel()
        dead = {place for place in self.judge(board).dead() if stones[place] == WHITE + BLACK - colour}
        beside = {place for place in range(stones.size) if dead & set(neighbours(place, board.size))}
        moves = (move.place for move in self.candidates(board) if move.place in beside)
        return next((place for place in moves if not board.repeats(place)), PASS)

    def candidates(self, board: Board) -> list[Move]:
        """The sensible moves of the colour to move, the likeliest first."""
        row = packed(board.position)
        (probabilities,) = self.policy(row[None])
        places = sensible_places(row)
        order = places[np.argsort(-probabilities[places], kind="stable")]
        return [Move(int(place), float(probabilities[place])) for place in order]

    def shuffle(self, moves: list[Move]) -> list[Move]:
        """The moves in the order in which they are tried."""
        if self.temperature == 0 or len(moves) < 2:
            return moves
        # Gumbel noise on logarithms draws without replacement by the tempered probabilities (Gumbel 1954).
        weights = np.log(np.maximum([move.probability for move in moves], 1e-30)) / self.temperature
        order = np.argsort(-(weights + self.rng.gumbel(size=len(moves))))
        return [moves[i] for i in order]

    def should_resign(self, board: Board, komi: float) -> bool:
        """Returns True if the player may resign and wins too few playouts."""
        if self.resign is None or len(board.moves) < MIN_TURNS:
            return False
        return run_playouts(board).win_rate(board.turn, komi) < self.resign

    def should_pass(self, board: Board, komi: float) -> bool:
        """Returns True if the opponent has passed and passing too loses nothing."""
        if not board.moves or board.moves[-1] != PASS or board.colours[-1] == board.turn:
            return False
        counted = self.judge(board).without_dead()
        lead = counted.score(komi) * (1 if board.turn == BLACK else -1)
        return lead > 0 or is_finished(counted)


def is_finished(counted: Board) -> bool:
    """Returns True if both colours have stones and no empty point is reached by both."""
    stones = counted.board()
    return {1, 2} <= set(stones.flat) and bool((counted.owners()[stones == EMPTY] > 0).all())


def neighbours(place: int, size: int) -> list[int]:
    """The places beside a place."""
    row, column = divmod(place, size)
    around = ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column))
    return [r * size + c for r, c in around if 0 <= r < size and 0 <= c < size]
