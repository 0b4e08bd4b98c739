"""What is to be seen of a position: stones, the last move, and a plane laid over them."""

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

FAINT = 0.05  # heat that is not worth showing


@dataclass(frozen=True)
class Diagram:
    """A position to draw.

    `marks` are places with what stands on them: a number, or nothing for a mere mark; `strength` says how strongly each
    of them is painted, 0 to 1 (a probability, say). `heat` lies over the whole board, −1 (blue) to 1 (red).
    """

    board: Any  # uint8 (size, size): 0 empty, 1 black, 2 white
    last: int | None = None  # the place of the last move
    marks: dict[int, str] = field(default_factory=dict)
    plane: str = ""  # the name of what is marked
    lines: tuple[str, ...] = ()  # what is said of it, for a caption
    strength: dict[int, float] = field(default_factory=dict)
    heat: Any = None  # float (size, size)

    @property
    def size(self) -> int:
        return len(self.board)


def diagram(game: Game, number: int | None = None, plane: str | None = None) -> Diagram:
    """The position after so many moves of a game, all by default. Raises Problem where there are not so many."""
    number = len(game) if number is None else number
    if not 0 <= number <= len(game):
        raise Problem(f"{game.name} has {len(game)} moves; --move is 0 to {len(game)}, got {number}", USAGE)
    position = game.position(number)
    marks = marked(planes.planes(position), plane) if plane else {}
    last = int(game.moves[number - 1]) if number else -1
    frame = position["colour"][20 : 20 * (game.size + 1)].reshape(game.size, 20)[:, 1 : game.size + 1]
    lines = (players(game), state(game, number, position), *([told(plane, marks)] if plane else []))
    return Diagram(frame.astype(np.uint8), last if last >= 0 else None, marks, plane or "", tuple(filter(None, lines)))


def with_best(drawn: Diagram, moves: Sequence[tuple[int, float]]) -> Diagram:
    """A diagram with moves marked 1, 2, …, each painted by its probability, and told in a line."""
    told = ", ".join(f"{n} {vertex(place, drawn.size)} {p:.1%}" for n, (place, p) in enumerate(moves, 1))
    marks = {place: str(n) for n, (place, _) in enumerate(moves, 1) if place != PASS}
    return replace(drawn, marks=marks, strength=dict(moves), lines=(*drawn.lines, *filter(None, [told])))


def board_diagram(board: Board, marks: dict[int, str] | None = None, lines: tuple[str, ...] = ()) -> Diagram:
    """The position on a board that is played on."""
    last = board.moves[-1] if board.moves and board.moves[-1] != PASS else None
    return Diagram(board.board(), last, marks or {}, lines=lines)


def marked(found: Any, name: str) -> dict[int, str]:
    """The places that a plane, or the planes of a group, mark; in a group each with its number."""
    at = planes.find(name)
    names = planes.names()
    marks: dict[int, str] = {}
    for plane in range(*at.indices(planes.COUNT)):
        sign = names[plane].rpartition(" ")[2] if at.stop - at.start == 8 else ""
        marks |= dict.fromkeys(np.flatnonzero(found[plane]).tolist(), sign)
    return marks


def told(plane: str, marks: dict[int, str]) -> str:
    count = "no point" if not marks else "1 point" if len(marks) == 1 else f"{len(marks)} points"
    return f"{plane}: {count}"


def players(game: Game) -> str:
    """Who plays, with ranks, komi, handicap, result and date, as far as the record says."""
    info = game.info
    sides = [
        f"{name or COLOURS[colour]}{f' ({rank})' if rank else ''}"
        for name, rank, colour in (
            (info.black, info.black_rank, 1),
            (info.white, info.white_rank, 2),
        )
    ]
    extra = [
        f"handicap {len(game.stones)}" if len(game.stones) else "",
        f"komi {info.komi}" if info.komi else "",
        info.result,
        info.date,
    ]
    return ", ".join([f"X {sides[0]} – O {sides[1]}", *filter(None, extra)])


def state(game: Game, number: int, position: Any) -> str:
    """The last move, who is to move, the ko and the prisoners."""
    if number:
        move = f"{COLOURS[int(game.colours[number - 1])]} {vertex(int(game.moves[number - 1]), game.size)}"
        parts = [f"move {number} of {len(game)}: {move}"]
    else:
        parts = [f"before the first of {len(game)} moves"]
    parts.append(f"{COLOURS[int(position['turn'])]} to move")
    if ko := int(position["ko"]):
        place = (ko // 20 - 1) * game.size + ko % 20 - 1
        parts.append(f"ko at {vertex(place, game.size)}")
    black, white = int(position["taken"][1]), int(position["taken"][2])
    return ", ".join(parts) + (f"; captured: {black} black, {white} white" if black or white else "")
