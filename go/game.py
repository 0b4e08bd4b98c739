"""A game: the stones that were there, the moves, and what the record says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .compiled import compiled
from .coords import vertex
from .position import BLACK, EMPTY, PASS, WALL, WIDTH, clear, drop_liberty, empty_positions, join, legal, play, turn_to

Places = np.ndarray[Any, np.dtype[np.int16]]
Colours = np.ndarray[Any, np.dtype[np.uint8]]
COLOURS = {1: "black", 2: "white"}


@dataclass(frozen=True)
class GameInfo:
    """What a record says of its game, as it says it; empty where it does not."""

    black: str = ""
    white: str = ""
    black_rank: str = ""
    white_rank: str = ""
    result: str = ""
    date: str = ""
    rules: str = ""
    komi: str = ""
    handicap: str = ""


@dataclass(frozen=True)
class Game:
    """A game of which every move is legal. A place is row · size + column from the top left, −1 is a pass."""

    name: str
    size: int
    stones: Places  # set up before the first move
    stone_colours: Colours  # 1 black, 2 white
    moves: Places
    colours: Colours
    first: int = BLACK  # who is to move where there are no moves
    info: GameInfo = field(default_factory=GameInfo)

    @classmethod
    def of(cls, size: int, moves: Sequence[int]) -> Game:
        """A game of moves in turn, Black first."""
        colours = np.arange(len(moves)) % 2 + 1
        nothing = np.zeros(0, np.int16), np.zeros(0, np.uint8)
        return cls("", size, *nothing, np.array(moves, np.int16), colours.astype(np.uint8))

    def __len__(self) -> int:
        return len(self.moves)

    @property
    def out_of_turn(self) -> int:
        """How many moves are of the colour that moved before."""
        return int((self.colours[1:] == self.colours[:-1]).sum())

    def position(self, number: int | None = None) -> Any:
        """The position after `number` moves, all of them by default; the colour of the next move is to move."""
        position = empty_positions(1, self.size)[0]
        number = len(self) if number is None else number
        played = replay(position, self.stones, self.stone_colours, self.moves[:number], self.colours[:number])
        assert played == number, f"{self.name} was not looked through: move {played + 1}"
        turn_to(position, self.to_move(number))
        return position

    def to_move(self, number: int) -> int:
        """The colour to move after so many moves."""
        if number < len(self):
            return int(self.colours[number])
        return 3 - int(self.colours[-1]) if len(self) else self.first


class Illegal(ValueError):
    """A game that cannot be played through."""


def check_legal(game: Game) -> None:
    """Raises Illegal with the number of the first move that the rules forbid, and why."""
    position = empty_positions(1, game.size)[0]
    played = replay(position, game.stones, game.stone_colours, game.moves, game.colours)
    if played == len(game):
        return
    if played < 0:
        stone = -1 - played
        where = f"{COLOURS[int(game.stone_colours[stone])]} {vertex(int(game.stones[stone]), game.size)}"
        raise Illegal(f"a stone set up at {where} lies on another or has no liberty")
    where = f"{COLOURS[int(game.colours[played])]} {vertex(int(game.moves[played]), game.size)}"
    raise Illegal(f"move {played + 1}, {where}: {forbidden(position, int(game.moves[played]))}")


def forbidden(position: Any, place: int) -> str:
    """Why the colour to move may not play at a place."""
    p = point(position, place)
    if position["colour"][p] != EMPTY:
        return "the point is occupied"
    return "the ko forbids it" if p == position["ko"] else "it would be suicide"


def point(position: Any, place: int) -> int:
    """The point of a place, see position.py."""
    row, column = divmod(place, int(position["size"]))
    return (row + 1) * WIDTH + column + 1


# --- what is compiled ----------------------------------------------------------------------------------------------


@compiled
def point_at(b, place):  # type: ignore[no-untyped-def]
    return (place // b.size + 1) * WIDTH + place % b.size + 1


@compiled
def set_up(b, stones, colours):  # type: ignore[no-untyped-def]
    """Puts stones on an empty board, each as a turn. Gives −1, or the first that lies on another or has no liberty."""
    for i in range(len(stones)):
        p = point_at(b, stones[i])
        if b.colour[p] != EMPTY:
            return i
        b.turn = colours[i]
        b.moves += 1
        join(b, p, 0)
        for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
            if b.colour[q] == WALL - b.turn:
                drop_liberty(b, b.head[q], p)
        b.turn = WALL - b.turn
    for i in range(len(stones)):
        if b.liberties[b.head[point_at(b, stones[i])]] == 0:
            return i
    return -1


@compiled
def replay(b, stones, stone_colours, moves, colours):  # type: ignore[no-untyped-def]
    """Plays a game on a board of its size. Gives the number of moves up to the first illegal one.

    Where the stones that were set up are at fault, it gives −1 − the number of the first such stone.
    """
    clear(b, b.size)
    wrong = set_up(b, stones, stone_colours)
    if wrong >= 0:
        return -1 - wrong
    for i in range(len(moves)):
        turn_to(b, colours[i])
        p = PASS
        if moves[i] >= 0:
            p = point_at(b, moves[i])
            if not legal(b, p):
                return i
        play(b, p)
    return len(moves)
