"""A diagram of a position: stones, the last move, and marks or heat over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..core.problem import USAGE, Problem
from . import planes
from .board import Board
from .coords import PASS, vertex
from .game import COLOURS, Game
from .komi import komi_text
from .position import on_board, place_of

MIN_HEAT = 0.05  # weaker heat is not shown


@dataclass(frozen=True)
class Diagram:
    """A position to draw.

    `marks` maps places to a label, or to an empty string for a mark without one; `strength` is how strongly each is
    painted, 0 to 1 (a probability, for example). `heat` covers the board, −1 (blue) to 1 (red).
    """

    board: Any  # uint8 (size, size): 0 empty, 1 black, 2 white
    last: int | None = None  # the place of the last move
    marks: dict[int, str] = field(default_factory=dict)
    plane: str = ""  # the name of the marked plane
    lines: tuple[str, ...] = ()  # the caption
    strength: dict[int, float] = field(default_factory=dict)
    heat: Any = None  # float (size, size)

    @property
    def size(self) -> int:
        return len(self.board)


def diagram(game: Game, number: int | None = None, plane: str | None = None) -> Diagram:
    """The position after `number` moves of a game, by default all. Raises Problem if the game is shorter."""
    number = len(game) if number is None else number
    if not 0 <= number <= len(game):
        raise Problem(f"{game.name} has {len(game)} moves; --move is 0 to {len(game)}, got {number}", USAGE)
    position = game.position(number)
    marks = plane_marks(planes.planes(position), plane) if plane else {}
    last = int(game.moves[number - 1]) if number else -1
    stones = on_board(position["colour"], game.size).astype(np.uint8)
    lines = (players(game), state(game, number, position), *([plane_summary(plane, marks)] if plane else []))
    return Diagram(stones, last if last >= 0 else None, marks, plane or "", tuple(filter(None, lines)))


def with_best(base: Diagram, moves: Sequence[tuple[int, float]]) -> Diagram:
    """The diagram with moves marked 1, 2, …, painted by their probabilities and listed in a line."""
    line = ", ".join(f"{n} {vertex(place, base.size)} {p:.1%}" for n, (place, p) in enumerate(moves, 1))
    marks = {place: str(n) for n, (place, _) in enumerate(moves, 1) if place != PASS}
    return replace(base, marks=marks, strength=dict(moves), lines=(*base.lines, *filter(None, [line])))


def board_diagram(board: Board, marks: dict[int, str] | None = None, lines: tuple[str, ...] = ()) -> Diagram:
    """The position of a board."""
    last = board.moves[-1] if board.moves and board.moves[-1] != PASS else None
    return Diagram(board.board(), last, marks or {}, lines=lines)


def plane_marks(values: Any, name: str) -> dict[int, str]:
    """The places marked by a plane, or by the planes of a group, labelled with the number of the plane."""
    chosen = planes.find(name)
    names = planes.names()
    marks: dict[int, str] = {}
    for plane in range(*chosen.indices(planes.COUNT)):
        label = names[plane].rpartition(" ")[2] if chosen.stop - chosen.start == 8 else ""
        marks |= dict.fromkeys(np.flatnonzero(values[plane]).tolist(), label)
    return marks


def plane_summary(plane: str, marks: dict[int, str]) -> str:
    count = "no point" if not marks else "1 point" if len(marks) == 1 else f"{len(marks)} points"
    return f"{plane}: {count}"


def players(game: Game) -> str:
    """The players with ranks, komi, handicap, result and date, as far as the record gives them."""
    info = game.info
    sides = [
        f"{name or COLOURS[colour]}{f' ({rank})' if rank else ''}"
        for name, rank, colour in ((info.black, info.black_rank, 1), (info.white, info.white_rank, 2))
    ]
    komi = komi_text(info, game.size)
    extra = [
        f"handicap {len(game.stones)}" if len(game.stones) else "",
        f"komi {komi}" if komi else "",
        info.result,
        info.date,
    ]
    return ", ".join([f"X {sides[0]} – O {sides[1]}", *filter(None, extra)])


def state(game: Game, number: int, position: Any) -> str:
    """The last move, the colour to move, the ko and the captured stones."""
    if number:
        move = f"{COLOURS[int(game.colours[number - 1])]} {vertex(int(game.moves[number - 1]), game.size)}"
        parts = [f"move {number} of {len(game)}: {move}"]
    else:
        parts = [f"before the first of {len(game)} moves"]
    parts.append(f"{COLOURS[int(position['turn'])]} to move")
    if ko := int(position["ko"]):
        parts.append(f"ko at {vertex(int(place_of(position, ko)), game.size)}")
    black, white = int(position["captured"][1]), int(position["captured"][2])
    return ", ".join(parts) + (f"; captured: {black} black, {white} white" if black or white else "")
