"""Answers to `lz-analyze` and `kata-analyze`, as Leela Zero and KataGo word them, so that Sabaki shows them.

There is no search behind them, so the words mean: `prior` is the policy's probability; `visits` is that probability in
thousandths, which is what programs size their heat map by; `winrate`, `scoreLead` and `ownership` are those of random
games from the position (playouts.py), the same for each move; `pv` is the move alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..coords import place, vertex
from ..position import BLACK
from .gtp import Failure
from .player import Move
from .playouts import Outlook

VISITS = 1000  # that are shared out among the moves
MOST = 50  # moves that are told where nobody says how many
SHORTEST, LONGEST = 0.05, 3600.0  # seconds between two lines
COLOURS = {"b": 1, "black": 1, "w": 2, "white": 2}
TAKEN = {"ownership": 1, "ownershipstdev": 1, "movesownership": 1, "pvvisits": 1, "pvedgevisits": 1, "rootinfo": 1}


@dataclass
class Wish:
    """What was asked for."""

    colour: int
    interval: float = 1.0  # seconds
    least: int = 1
    most: int = MOST
    ownership: bool = False
    allowed: set[int] | None = None
    avoided: set[int] = field(default_factory=set)

    @classmethod
    def parse(cls, words: list[str], colour: int, size: int) -> Wish:
        """`[colour] [interval] key value …`, the interval in hundredths of a second. Raises Failure."""
        wish, left = cls(colour), [word.lower() for word in words]
        try:
            if left and left[0] in COLOURS:
                wish.colour = COLOURS[left.pop(0)]
            if left and left[0].isdecimal():
                wish.interval = int(left.pop(0)) / 100
            while left:
                wish.take(left.pop(0), left, size)
        except (LookupError, ValueError):
            raise Failure("syntax error: expected [color] [interval] and pairs such as maxmoves 10") from None
        wish.interval = min(max(wish.interval, SHORTEST), LONGEST)
        return wish

    def take(self, key: str, left: list[str], size: int) -> None:
        """A key with its values, which it takes from the front of those that are left."""
        value = left.pop(0)
        if key == "interval":
            self.interval = int(value) / 100
        elif key == "minmoves":
            self.least = int(value)
        elif key == "maxmoves":
            self.most = int(value)
        elif key in ("allow", "avoid"):  # colour, points, until which turn: only the next one is told
            places = {place(each, size) for each in left.pop(0).split(",")}
            left.pop(0)
            if COLOURS[value] == self.colour and key == "allow":
                self.allowed = places
            elif COLOURS[value] == self.colour:
                self.avoided |= places
        elif key in TAKEN:
            self.ownership |= key == "ownership" and value == "true"
        else:
            raise ValueError(key)

    def chosen(self, moves: Sequence[Move]) -> list[Move]:
        """The moves to tell, the likeliest first."""
        left = [m for m in moves if m.place not in self.avoided and (self.allowed is None or m.place in self.allowed)]
        enough = max(sum(round(VISITS * move.probability) > 0 for move in left), self.least)
        return left[: max(min(enough, self.most), 1)]


def line(moves: Sequence[Move], found: Outlook, wish: Wish, komi: float, floats: bool) -> str:
    """One line about some moves: numbers out of 10,000 as Leela Zero has them, or floats as KataGo."""
    share, lead = found.share(wish.colour, komi), found.lead(wish.colour, komi)
    told = [info(move, order, found.board.size, share, lead if floats else None) for order, move in enumerate(moves)]
    if wish.ownership and floats:
        sign = 1 if wish.colour == BLACK else -1
        told.append("ownership " + " ".join(f"{each:.3f}" for each in (found.owned * sign).flat))
    return " ".join(told)


def info(move: Move, order: int, size: int, share: float, lead: float | None) -> str:
    """What is told of a move."""
    name, visits = vertex(move.place, size), max(round(VISITS * move.probability), 1)
    if lead is None:
        win, prior = round(10_000 * share), round(10_000 * move.probability)
        return f"info move {name} visits {visits} winrate {win} prior {prior} lcb {win} order {order} pv {name}"
    return (
        f"info move {name} visits {visits} utility {2 * share - 1:.6f} winrate {share:.6f} scoreMean {lead:.3f} "
        f"scoreStdev 0 scoreLead {lead:.3f} scoreSelfplay {lead:.3f} prior {move.probability:.6f} lcb {share:.6f} "
        f"utilityLcb {2 * share - 1:.6f} order {order} pv {name}"
    )
