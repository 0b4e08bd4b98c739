"""A game: the stones set up, the moves, and the record's information about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .compiled import compiled
from .coords import vertex
from .position import (
    BLACK,
    EMPTY,
    PASS,
    WALL,
    WIDTH,
    clear,
    empty_positions,
    legal,
    place_stone,
    play_without_undo,
    point_of,
    remove_liberty,
    set_turn,
)

Places = np.ndarray[Any, np.dtype[np.int16]]
Colours = np.ndarray[Any, np.dtype[np.uint8]]
COLOURS = {1: "black", 2: "white"}
NO_STONES = np.zeros(0, np.int16), np.zeros(0, np.uint8)


@dataclass(frozen=True)
class GameInfo:
    """A record's information about its game, as written there; empty if missing."""

    black: str = ""
    white: str = ""
    black_rank: str = ""
    white_rank: str = ""
    result: str = ""
    date: str = ""
    rules: str = ""
    komi: str = ""
    handicap: str = ""
    application: str = ""  # the program that wrote it


@dataclass(frozen=True)
class Game:
    """A game with legal moves only. A place is row · size + column from the top left, −1 is a pass."""

    name: str
    size: int
    stones: Places  # set up before the first move
    stone_colours: Colours  # 1 black, 2 white
    moves: Places
    colours: Colours
    first: int = BLACK  # the colour to move if there are no moves
    info: GameInfo = field(default_factory=GameInfo)

    @classmethod
    def from_moves(cls, size: int, moves: Sequence[int]) -> Game:
        """A game of alternating moves, Black first."""
        colours = np.arange(len(moves)) % 2 + 1
        return cls("", size, *NO_STONES, np.array(moves, np.int16), colours.astype(np.uint8))

    def __len__(self) -> int:
        return len(self.moves)

    @property
    def out_of_turn(self) -> int:
        """The number of moves by the colour that moved before."""
        return int((self.colours[1:] == self.colours[:-1]).sum())

    def position(self, number: int | None = None) -> Any:
        """The position after `number` moves, by default all, with the next move's colour to move."""
        position = empty_positions(1, self.size)[0]
        number = len(self) if number is None else number
        played = replay(position, self.stones, self.stone_colours, self.moves[:number], self.colours[:number])
        assert played == number, f"{self.name} was not checked: move {played + 1} is illegal"
        set_turn(position, self.to_move(number))
        return position

    def to_move(self, number: int) -> int:
        """The colour to move after `number` moves."""
        if number < len(self):
            return int(self.colours[number])
        return WALL - int(self.colours[-1]) if len(self) else self.first


class IllegalGame(ValueError):
    """A game with an illegal move or setup."""


def check_legal(game: Game) -> None:
    """Raises IllegalGame with the number of the first illegal move, and the reason."""
    position = empty_positions(1, game.size)[0]
    played = replay(position, game.stones, game.stone_colours, game.moves, game.colours)
    if played == len(game):
        return
    if played < 0:
        stone = -1 - played
        name = f"{COLOURS[int(game.stone_colours[stone])]} {vertex(int(game.stones[stone]), game.size)}"
        raise IllegalGame(f"a stone set up at {name} is on an occupied point or has no liberty")
    name = f"{COLOURS[int(game.colours[played])]} {vertex(int(game.moves[played]), game.size)}"
    raise IllegalGame(f"move {played + 1}, {name}: {illegal_reason(position, int(game.moves[played]))}")


def illegal_reason(position: Any, place: int) -> str:
    """Returns why the colour to move may not play at a place where a move is illegal."""
    point = point_of(position, place)
    if position["colour"][point] != EMPTY:
        return "the point is occupied"
    return "the ko forbids it" if point == position["ko"] else "it would be suicide"


# --- compiled ------------------------------------------------------------------------------------------------------


@compiled
def set_up(b, stones, colours):  # type: ignore[no-untyped-def]
    """Puts stones on an empty board, each as a turn.

    Returns −1, or the index of the first stone that is on an occupied point or has no liberty.
    """
    for i in range(len(stones)):
        p = point_of(b, stones[i])
        if b.colour[p] != EMPTY:
            return i
        b.turn = colours[i]
        b.moves += 1
        place_stone(b, p, 0)
        for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
            if b.colour[q] == WALL - b.turn:
                remove_liberty(b, b.head[q], p)
        b.turn = WALL - b.turn
    for i in range(len(stones)):
        if b.liberties[b.head[point_of(b, stones[i])]] == 0:
            return i
    return -1


@compiled
def replay(b, stones, stone_colours, moves, colours):  # type: ignore[no-untyped-def]
    """Plays a game on a board of its size. Returns the number of moves before the first illegal one.

    If the stones set up are at fault, returns −1 − the index of the first such stone.
    """
    clear(b, b.size)
    wrong_stone = set_up(b, stones, stone_colours)
    if wrong_stone >= 0:
        return -1 - wrong_stone
    for i in range(len(moves)):
        set_turn(b, colours[i])
        p = PASS
        if moves[i] >= 0:
            p = point_of(b, moves[i])
            if not legal(b, p):
                return i
        play_without_undo(b, p)
    return len(moves)
