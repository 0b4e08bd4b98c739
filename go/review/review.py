"""Reviews a game: values and policy of every position, then a search at the moves that seem to have cost the most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...core.problem import DATA, Problem
from ..annotate import BEST, AnnotatedMove, metrics_by_colour
from ..board import Board
from ..coords import PASS, SIZE, vertex
from ..game import COLOURS, Game
from ..outcome import handicap, record_komi
from ..play.player import Move
from ..position import BLACK
from ..search import BATCH, Evaluator, Search, SearchResult, grow

SEARCHED = 16  # positions at the same time
CANDIDATES = 2  # times the number of mistakes: positions that are searched
LEAST_LOSS = 0.02  # of the win rate: smaller losses are no mistakes
Progress = Callable[[int, int], object]


@dataclass(frozen=True)
class Value:
    """The value of a position, Black's."""

    win: float
    lead: float


@dataclass(frozen=True)
class ReviewedMove:
    """A played move: the values before and after it, its probability and rank, and a better line if there is one."""

    number: int  # from 1
    colour: int
    place: int
    before: Value
    after: Value
    probability: float
    rank: int  # 1 for the likeliest; 0 for a pass, which the policy does not predict
    best: tuple[Move, ...]
    better: tuple[int, ...] = ()  # the line that the search prefers, for a mistake
    searched: bool = False

    @property
    def win_loss(self) -> float:
        """What the move cost its player, as a share of the win rate."""
        sign = 1 if self.colour == BLACK else -1
        return sign * (self.before.win - self.after.win)

    @property
    def points_lost(self) -> float:
        """What the move cost its player in points."""
        sign = 1 if self.colour == BLACK else -1
        return sign * (self.before.lead - self.after.lead)


@dataclass(frozen=True)
class Review:
    """A reviewed game. `mistakes` are moves that cost win rate, the costliest first."""

    game: Game
    komi: float | None
    moves: list[ReviewedMove]
    mistakes: list[ReviewedMove]
    caveats: tuple[str, ...]

    @property
    def start(self) -> Value:
        """The value before the first move."""
        return self.moves[0].before

    def agreement(self) -> dict[str, dict[str, Any]]:
        """How well the policy predicts both players, and each; and what a move cost them on average."""
        rated = [annotated(move) for move in self.moves if move.rank]
        result = metrics_by_colour(rated)
        for colour, name in COLOURS.items():
            losses = [move.points_lost for move in self.moves if move.colour == colour]
            result[name]["points_lost"] = float(np.mean(np.maximum(losses, 0))) if losses else None
        return result


def annotated(move: ReviewedMove) -> AnnotatedMove:
    """A move as `neocog go annotate` rates it."""
    return AnnotatedMove(move.number, move.colour, move.place, move.probability, move.rank, 0, move.best)


def review_game(
    game: Game,
    evaluator: Evaluator,
    visits: int,
    mistakes: int,
    caveats: Sequence[str] = (),
    progress: Progress | None = None,
) -> Review:
    """Reviews a game: one visit for each position, `visits` at those around possible mistakes.

    Raises Problem for a game without moves or on another board.
    """
    if game.size != SIZE:
        raise Problem(f"{game.name} is on {game.size}×{game.size}; the network takes {SIZE}×{SIZE}", DATA)
    if not len(game):
        raise Problem(f"{game.name} has no moves; expected a record with moves", DATA)
    komi = record_komi(game)
    remarks = [
        *caveats,
        *(["the record gives no komi: the values are those of a game with the usual one"] * (komi is None)),
    ]
    results = evaluate(game, range(len(game) + 1), komi, evaluator, 1, progress)
    moves = [reviewed(game, number, results[number], results[number + 1]) for number in range(len(game))]
    candidates = sorted(moves, key=lambda move: -move.win_loss)[: CANDIDATES * mistakes]
    numbers = sorted({turn for move in candidates for turn in (move.number - 1, move.number)})
    deeper = evaluate(game, numbers, komi, evaluator, visits, progress) if visits > 1 else {}
    for move in candidates:
        if move.number - 1 in deeper:
            moves[move.number - 1] = searched(move, deeper[move.number - 1], deeper[move.number])
    worst = sorted((move for move in moves if move.win_loss >= LEAST_LOSS), key=lambda move: -move.win_loss)
    if deeper:
        worst = [move for move in worst if move.better]
    return Review(game, komi, moves, worst[:mistakes], tuple(remarks))


def evaluate(
    game: Game,
    numbers: Sequence[int],
    komi: float | None,
    evaluator: Evaluator,
    visits: int,
    progress: Progress | None,
) -> dict[int, SearchResult]:
    """Searches the positions after some numbers of moves, several at the same time."""
    waiting, results = list(numbers), dict[int, SearchResult]()
    running: dict[int, Search] = {}
    while waiting or running:
        while waiting and len(running) < SEARCHED:
            number = waiting.pop(0)
            running[number] = Search(Board.from_game(game, number), komi, handicap(game))
        grow([(search, visits) for search in running.values()], evaluator, 2 * BATCH)
        for number, search in list(running.items()):
            if search.visits >= visits or search.is_full:
                results[number] = running.pop(number).result()
        if progress:
            progress(len(results), len(numbers))
    return results


def reviewed(game: Game, number: int, before: SearchResult, after: SearchResult) -> ReviewedMove:
    """The move after `number` others, with values of the evaluator alone."""
    place = int(game.moves[number])
    points = before.policy[:-1]
    order = np.argsort(-points, kind="stable")[:BEST]
    best = tuple(Move(int(index), float(points[index])) for index in order if points[index] > 0)
    probability = float(points[place]) if place != PASS else 0.0
    rank = 0 if place == PASS else int((points > probability).sum()) + 1
    return ReviewedMove(
        number + 1,
        int(game.colours[number]),
        place,
        Value(before.raw_win, before.raw_lead),
        Value(after.raw_win, after.raw_lead),
        max(probability, 0.0),
        rank,
        best,
    )


def searched(move: ReviewedMove, before: SearchResult, after: SearchResult) -> ReviewedMove:
    """A move with the values of a search, and the better line if the search prefers another move."""
    choice = before.moves[0]
    better = choice.pv if choice.place != move.place else ()
    return replace(
        move,
        before=Value(choice.win, choice.lead),
        after=Value(after.win, after.lead),
        better=better,
        searched=True,
    )


def to_dict(review: Review) -> dict[str, Any]:
    """A review for JSON; shares and points are Black's, losses those of the player."""
    return {
        "game": review.game.name,
        "komi": review.komi,
        "caveats": list(review.caveats),
        "start": {"win": review.start.win, "lead": review.start.lead},
        "agreement": review.agreement(),
        "mistakes": [move.number for move in review.mistakes],
        "moves": [move_dict(move) for move in review.moves],
    }


def move_dict(move: ReviewedMove) -> dict[str, Any]:
    return {
        "number": move.number,
        "colour": COLOURS[move.colour],
        "move": vertex(move.place, SIZE),
        "win": move.after.win,
        "lead": move.after.lead,
        "win_loss": move.win_loss,
        "points_lost": move.points_lost,
        "probability": move.probability,
        "rank": move.rank or None,
        "best": [{"move": vertex(best.place, SIZE), "probability": best.probability} for best in move.best],
        "better": [vertex(place, SIZE) for place in move.better],
        "searched": move.searched,
    }
