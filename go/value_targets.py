"""What a value head learns from records: the winner, the lead where the game was counted, and the final ownership."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.problem import Bad
from .coords import SIZE
from .games import Games
from .outcome import Outcome, area_komi, final_owners, handicap, outcome, record_komi, recorded_area
from .position import BLACK

UNKNOWN = 3  # of an owner, beside 0 neither, 1 black, 2 white


@dataclass(frozen=True)
class ValueTargets:
    """The targets of each game, from Black's side; NaN and UNKNOWN where a record does not give one."""

    usable: Any  # bool (G,): the game has a winner on the board
    black_wins: Any  # bool (G,)
    komi: Any  # float32 (G,): White's points in an area count
    lead: Any  # float32 (G,): Black's area minus White's, without komi
    owners: Any  # uint8 (G, 361)
    left_out: list[Bad]

    @classmethod
    def of(cls, games: Games) -> ValueTargets:
        """Reads the results of games. Those without a winner, and those lost on time or by forfeit, are left out."""
        count = len(games)
        usable, black_wins = np.zeros(count, bool), np.zeros(count, bool)
        komi, lead = np.full(count, np.nan, np.float32), np.full(count, np.nan, np.float32)
        owners = np.full((count, SIZE * SIZE), UNKNOWN, np.uint8)
        left_out: list[Bad] = []
        for i in range(count):
            game = games[i]
            result = outcome(game.info.result)
            if reason := unusable(game.info.result, result):
                left_out.append(Bad(game.name, reason))
                continue
            assert result is not None
            usable[i], black_wins[i] = True, result.winner == BLACK
            if (points := record_komi(game)) is not None:
                komi[i] = area_komi(points, handicap(game))
            if (area := recorded_area(game, result)) is not None:
                lead[i] = area
                if (final := final_owners(game, area)) is not None:
                    owners[i] = final.ravel()
        return cls(usable, black_wins, komi, lead, owners, left_out)


def unusable(text: str, result: Outcome | None) -> str:
    """Returns why the result of a record tells nothing of its positions; an empty string if it does."""
    if not text.strip():
        return "gives no result"
    if result is None:
        return f"has no winner (RE[{text.strip()[:20]}])"
    if result.how in ("time", "forfeit"):
        return "was lost on time" if result.how == "time" else "was lost by forfeit"
    return ""
