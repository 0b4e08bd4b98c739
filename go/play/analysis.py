"""The output of `lz-analyze` and `kata-analyze` in the format of Leela Zero and KataGo, so that Sabaki shows it.

Without a search, the fields mean: `prior` is the policy's probability; `visits` is the same in thousandths, since
programs scale their heat maps by it; `winrate`, `scoreLead` and `ownership` come from playouts of the position and are
the same for every move; `pv` is the move alone. With a search they have their usual meaning, from the side of the
player to move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..coords import place, vertex
from ..position import BLACK
from ..search import MoveStats, Restriction, SearchResult
from .gtp import Failure
from .player import Move
from .playouts import PlayoutResult

VISITS = 1000  # distributed among the moves
MAX_MOVES = 50  # listed by default
MIN_INTERVAL, MAX_INTERVAL = 0.05, 3600.0  # seconds between two lines
COLOURS = {"b": 1, "black": 1, "w": 2, "white": 2}
FLAGS = {"ownership", "ownershipstdev", "movesownership", "pvvisits", "pvedgevisits", "rootinfo"}


@dataclass
class AnalysisRequest:
    """The arguments of an analysis command."""

    colour: int
    interval: float = 1.0  # seconds
    min_moves: int = 1
    max_moves: int = MAX_MOVES
    ownership: bool = False
    allowed: set[int] | None = None
    avoided: set[int] = field(default_factory=set)

    @classmethod
    def parse(cls, words: list[str], colour: int, size: int) -> AnalysisRequest:
        """`[colour] [interval] key value …`, with the interval in hundredths of a second. Raises Failure."""
        request, remaining = cls(colour), [word.lower() for word in words]
        try:
            if remaining and remaining[0] in COLOURS:
                request.colour = COLOURS[remaining.pop(0)]
            if remaining and remaining[0].isdecimal():
                request.interval = int(remaining.pop(0)) / 100
            while remaining:
                request.set_key(remaining.pop(0), remaining, size)
        except (LookupError, ValueError):
            raise Failure("syntax error: expected [color] [interval] and pairs such as maxmoves 10") from None
        request.interval = min(max(request.interval, MIN_INTERVAL), MAX_INTERVAL)
        return request

    def set_key(self, key: str, remaining: list[str], size: int) -> None:
        """Sets a key, and removes its values from the front of the remaining words."""
        value = remaining.pop(0)
        if key == "interval":
            self.interval = int(value) / 100
        elif key == "minmoves":
            self.min_moves = int(value)
        elif key == "maxmoves":
            self.max_moves = int(value)
        elif key in ("allow", "avoid"):  # colour, points, number of turns: only the next turn is analysed
            places = {place(vertex, size) for vertex in remaining.pop(0).split(",")}
            remaining.pop(0)
            if COLOURS[value] == self.colour and key == "allow":
                self.allowed = places
            elif COLOURS[value] == self.colour:
                self.avoided |= places
        elif key in FLAGS:
            self.ownership |= key == "ownership" and value == "true"
        else:
            raise ValueError(key)

    @property
    def restriction(self) -> Restriction | None:
        """The moves that a search may try first; None if all."""
        if self.allowed is None and not self.avoided:
            return None
        return Restriction(frozenset(self.avoided), None if self.allowed is None else frozenset(self.allowed))

    def select(self, moves: Sequence[Move]) -> list[Move]:
        """The moves to list, the likeliest first."""
        permitted = [
            move
            for move in moves
            if move.place not in self.avoided and (self.allowed is None or move.place in self.allowed)
        ]
        count = max(sum(round(VISITS * move.probability) > 0 for move in permitted), self.min_moves)
        return permitted[: max(min(count, self.max_moves), 1)]


def line(moves: Sequence[Move], playouts: PlayoutResult, request: AnalysisRequest, komi: float, floats: bool) -> str:
    """A line about some moves, with numbers out of 10,000 like Leela Zero's, or floats like KataGo's."""
    win_rate, lead = playouts.win_rate(request.colour, komi), playouts.mean_lead(request.colour, komi)
    size = playouts.board.size
    parts = [info(move, order, size, win_rate, lead if floats else None) for order, move in enumerate(moves)]
    if request.ownership and floats:
        sign = 1 if request.colour == BLACK else -1
        parts.append("ownership " + " ".join(f"{value:.3f}" for value in (playouts.ownership * sign).flat))
    return " ".join(parts)


def info(move: Move, order: int, size: int, win_rate: float, lead: float | None) -> str:
    """The part of a line about one move."""
    name, visits = vertex(move.place, size), max(round(VISITS * move.probability), 1)
    if lead is None:
        win, prior = round(10_000 * win_rate), round(10_000 * move.probability)
        return f"info move {name} visits {visits} winrate {win} prior {prior} lcb {win} order {order} pv {name}"
    return (
        f"info move {name} visits {visits} utility {2 * win_rate - 1:.6f} winrate {win_rate:.6f} scoreMean {lead:.3f} "
        f"scoreStdev 0 scoreLead {lead:.3f} scoreSelfplay {lead:.3f} prior {move.probability:.6f} lcb {win_rate:.6f} "
        f"utilityLcb {2 * win_rate - 1:.6f} order {order} pv {name}"
    )


# --- of a search -----------------------------------------------------------------------------------------------------


def search_line(result: SearchResult, request: AnalysisRequest, size: int, floats: bool) -> str:
    """A line about the moves that a search has visited."""
    sign = 1 if result.turn == BLACK else -1
    moves = result.moves[: max(request.max_moves, 1)]
    parts = [search_info(move, order, size, sign, floats) for order, move in enumerate(moves)]
    if request.ownership and floats:
        parts.append("ownership " + " ".join(f"{value:.3f}" for value in result.ownership * sign))
    return " ".join(parts)


def search_info(move: MoveStats, order: int, size: int, sign: int, floats: bool) -> str:
    """The part of a line about one move, from the side of the player."""
    win, lead = (move.win if sign > 0 else 1 - move.win), sign * move.lead
    visits, pv = max(move.visits, 1), " ".join(vertex(place, size) for place in move.pv)
    low = win - 1.96 * (max(win * (1 - win), 0) / visits) ** 0.5
    start = f"info move {vertex(move.place, size)} visits {visits}"
    if not floats:
        numbers = [round(10_000 * number) for number in (win, move.prior, max(low, 0))]
        return f"{start} winrate {numbers[0]} prior {numbers[1]} lcb {numbers[2]} order {order} pv {pv}"
    return (
        f"{start} utility {2 * win - 1:.6f} winrate {win:.6f} scoreMean {lead:.3f} scoreStdev 0 scoreLead {lead:.3f} "
        f"scoreSelfplay {lead:.3f} prior {move.prior:.6f} lcb {low:.6f} utilityLcb {2 * low - 1:.6f} order {order} "
        f"pv {pv}"
    )
