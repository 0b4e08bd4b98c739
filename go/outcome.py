"""The result of a game: who won, by what, and by how many points; from records and from counting the final board."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import numpy as np

from .board import Board
from .coords import PASS
from .game import Game
from .komi import UnusableKomi, komi_in_points
from .position import BLACK, WHITE

RESULT = re.compile(r"([BW])\+(?:(\d{1,3}(?:\.\d{1,2})?)|([RTF]))?", re.IGNORECASE)
HOW: dict[str, Literal["resignation", "time", "forfeit"]] = {"R": "resignation", "T": "time", "F": "forfeit"}
TOLERANCE = 1.0  # points: neutral points that were never filled, and stones passed for


class Outcome(NamedTuple):
    """The winner of a game, and the margin in points if the game was counted."""

    winner: int  # BLACK or WHITE
    how: Literal["count", "resignation", "time", "forfeit", "unknown"]
    margin: float | None = None

    @property
    def lead(self) -> float | None:
        """Black's points minus White's, komi included; None if the game was not counted."""
        if self.margin is None:
            return None
        return self.margin if self.winner == BLACK else -self.margin


def outcome(result: str) -> Outcome | None:
    """The outcome that a record's RE gives: B+3.5, W+R, B+Resign, W+T; None for a draw or without a winner."""
    match = RESULT.match(result.strip())
    if match is None:
        return None
    winner = BLACK if match[1].upper() == "B" else WHITE
    if match[2]:
        return Outcome(winner, "count", float(match[2])) if float(match[2]) else None
    return Outcome(winner, HOW[match[3].upper()] if match[3] else "unknown")


def handicap(game: Game) -> int:
    """The number of handicap stones: black stones set up before a game without white ones, White to move first."""
    stones = len(game.stones)
    is_handicap = stones > 1 and (game.stone_colours == BLACK).all() and game.to_move(0) == WHITE
    return stones if is_handicap else 0


def area_komi(komi: float, handicap: int) -> float:
    """The points that White gets in an area count that corresponds to the record's.

    A black stone more on the board is a point more of area, though not of territory; rules that count area
    give White these points back (as the Chinese ones do).
    """
    return komi + handicap


def record_komi(game: Game) -> float | None:
    """The komi of a record in points, None if the record gives none or an unusable one."""
    try:
        return komi_in_points(game.info, game.size)
    except UnusableKomi:
        return None


def recorded_area(game: Game, outcome: Outcome) -> float | None:
    """Black's area minus White's on the final board, as the recorded count implies; None without a count or a komi.

    Under territory rules the area lead is the territory lead plus the stones that Black placed more than White
    (captured stones are prisoners), if no neutral point is left.
    """
    komi = record_komi(game)
    if outcome.lead is None or komi is None:
        return None
    if "chin" in game.info.rules.lower():
        return outcome.lead + area_komi(komi, handicap(game))
    return outcome.lead + komi + stones_placed(game, BLACK) - stones_placed(game, WHITE)


def stones_placed(game: Game, colour: int) -> int:
    """The number of stones that a colour set up and played."""
    return int((game.stone_colours == colour).sum() + ((game.colours == colour) & (game.moves != PASS)).sum())


def final_owners(game: Game, area: float) -> Any | None:
    """The owner of each point at the end, uint8 (size, size): 0 neither, 1 black, 2 white.

    Dead stones are decided by playouts. None if this count differs from the recorded `area` lead.
    """
    from .play.playouts import run_playouts

    counted = run_playouts(Board.from_game(game)).without_dead()
    if abs(counted.score() - area) > TOLERANCE:
        return None
    return counted.owners().astype(np.uint8)
