"""A player that searches: it plays the move with the most visits, and keeps the tree between moves."""

from __future__ import annotations

import math

import numpy as np

from ..board import Board
from ..coords import PASS
from ..search import Evaluator, Restriction, Search, SearchResult, run
from .player import MIN_TURNS, RESIGN, Judge, Player
from .playouts import run_playouts
from .policy import PolicyFunction


class SearchPlayer(Player):
    """Searches up to `visits` positions, and at most `seconds`, for each move; passes as `Player` does.

    `temperature` 0 plays the move with the most visits; otherwise moves are drawn by visits^(1/temperature). With
    `resign` it resigns if its win rate is below this share.
    """

    def __init__(
        self,
        policy: PolicyFunction,
        evaluator: Evaluator,
        visits: int | None,
        seconds: float | None = None,
        temperature: float = 0,
        resign: float | None = None,
        seed: int | None = None,
        judge: Judge = run_playouts,
    ) -> None:
        super().__init__(policy, temperature, resign, seed, judge)
        self.evaluator, self.visits, self.seconds = evaluator, visits, seconds
        self.search: Search | None = None

    def choose(self, board: Board, colour: int, komi: float, seconds: float | None = None) -> int:
        """A place, PASS or RESIGN; `seconds` are what the clock leaves for it."""
        board = board.with_turn(colour)
        if self.should_pass(board, komi):
            return PASS
        result = self.think(board, komi, seconds)
        own_win = result.win if result.turn == 1 else 1 - result.win
        if self.resign is not None and len(board.moves) >= MIN_TURNS and own_win < self.resign:
            return RESIGN
        return self.draw(result)

    def think(self, board: Board, komi: float, seconds: float | None = None) -> SearchResult:
        """Searches a position as long as a move may take, and returns what was found."""
        search = self.search_of(board, komi)
        limits = [limit for limit in (self.seconds, seconds) if limit is not None]
        run(search, self.evaluator, self.limit, min(limits) if limits else None)
        return search.result()

    @property
    def limit(self) -> int:
        """The number of visits of a move; practically none if only the time is limited."""
        return self.visits if self.visits is not None else 10**9

    def search_of(self, board: Board, komi: float, restriction: Restriction | None = None) -> Search:
        """The search of a position: that of an earlier one, if moves lead from there to this."""
        search = self.search
        played = None if search is None or restriction else moves_between(search, board, komi)
        if search is None or played is None:
            search = Search(board, komi, restriction=restriction)
        else:
            for place, colour in played:
                search.advance(place, colour)
        self.search = None if restriction else search
        return search

    def draw(self, result: SearchResult) -> int:
        """The move with the most visits, or one drawn by them."""
        if self.temperature == 0 or len(result.moves) < 2:
            return result.moves[0].place
        weights = np.log([max(move.visits, 0.1) for move in result.moves]) / self.temperature
        return result.moves[int((weights + self.rng.gumbel(size=len(weights))).argmax())].place


def moves_between(search: Search, board: Board, komi: float) -> list[tuple[int, int]] | None:
    """The moves, with their colours, from the position of a search to a board; None if none lead there."""
    before, count = search.board, len(search.board.moves)
    same_stones = all(np.array_equal(before.stones[i], board.stones[i]) for i in (0, 1))
    same_start = board.moves[:count] == before.moves and board.colours[:count] == before.colours and same_stones
    if not same_start or not math.isclose(search.komi, komi):
        return None
    played = list(zip(board.moves[count:], board.colours[count:], strict=True))
    turns = [before.turn, *(3 - colour for _, colour in played)]
    expected = [colour for _, colour in played] + [board.turn]
    return played if turns == expected else None
