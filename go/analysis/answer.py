"""The answers of the analysis protocol: what a search found, in KataGo's fields.

`scoreStdev` and the fields about uncertainty are 0: nothing here estimates them. `lcb` is the lower end of a 95%
interval of the win rate, as if visits were independent.
"""

from __future__ import annotations

from typing import Any

from ..coords import SIZE, vertex
from ..position import BLACK
from ..search import MoveStats, SearchResult
from .query import Query


def answer(query: Query, turn: int, result: SearchResult, position_hash: int, during: bool) -> dict[str, Any]:
    """The answer about a position; `during` while its search continues."""
    sign = side_sign(query, result.turn)
    entries: dict[str, Any] = {
        "id": query.id,
        "isDuringSearch": during,
        "moveInfos": [move_info(query, stats, order, sign) for order, stats in enumerate(result.moves)],
        "rootInfo": root_info(result, sign, position_hash),
        "turnNumber": turn,
    }
    if query.ownership:
        entries["ownership"] = rounded(sign * result.ownership)
    if query.policy:
        entries["policy"] = rounded(result.policy)
    return entries


def side_sign(query: Query, turn: int) -> int:
    """1 where values are reported as Black's, −1 where as White's."""
    black = query.side == "BLACK" or (query.side == "SIDETOMOVE" and turn == BLACK)
    return 1 if black else -1


def share(win: float, sign: int) -> float:
    """A probability of the reported side, given Black's."""
    return round(win if sign > 0 else 1 - win, 6)


def move_info(query: Query, stats: MoveStats, order: int, sign: int) -> dict[str, Any]:
    visits, win, lead = max(stats.visits, 1), share(stats.win, sign), round(sign * stats.lead, 4)
    margin = 1.96 * (max(win * (1 - win), 0) / visits) ** 0.5
    entries: dict[str, Any] = {
        "edgeVisits": visits,
        "edgeWeight": float(visits),
        "lcb": round(win - margin, 6),
        "move": vertex(stats.place, SIZE),
        "order": order,
        "prior": round(stats.prior, 6),
        "pv": [vertex(place, SIZE) for place in stats.pv[: query.pv_length]],
        "scoreLead": lead,
        "scoreMean": lead,
        "scoreSelfplay": lead,
        "scoreStdev": 0.0,
        "utility": round(2 * win - 1, 6),
        "utilityLcb": round(2 * (win - margin) - 1, 6),
        "visits": visits,
        "weight": float(visits),
        "winrate": win,
    }
    if query.pv_visits:
        entries["pvVisits"] = list(stats.pv_visits[: query.pv_length])
        entries["pvEdgeVisits"] = entries["pvVisits"]
    if query.moves_ownership and stats.ownership is not None:
        entries["ownership"] = rounded(sign * stats.ownership)
    return entries


def root_info(result: SearchResult, sign: int, position_hash: int) -> dict[str, Any]:
    win, lead = share(result.win, sign), round(sign * result.lead, 4)
    return {
        "currentPlayer": "B" if result.turn == BLACK else "W",
        "rawLead": round(sign * result.raw_lead, 4),
        "rawNoResultProb": 0.0,
        "rawScoreSelfplay": round(sign * result.raw_lead, 4),
        "rawScoreSelfplayStdev": 0.0,
        "rawStScoreError": 0.0,
        "rawStWrError": 0.0,
        "rawVarTimeLeft": 0.0,
        "rawWinrate": share(result.raw_win, sign),
        "scoreLead": lead,
        "scoreSelfplay": lead,
        "scoreStdev": 0.0,
        "symHash": f"{position_hash:032X}",
        "thisHash": f"{position_hash:032X}",
        "utility": round(2 * win - 1, 6),
        "visits": result.visits,
        "weight": float(result.visits),
        "winrate": win,
    }


def rounded(values: Any) -> list[float]:
    """Numbers of an array with six decimals."""
    return [round(number, 6) for number in values.tolist()]
