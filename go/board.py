"""A board to play on: the rules of Go around the compiled positions.

Suicide is illegal and simple ko applies; with `superko` no position of the whole board may be repeated, independent of
the colour to move (positional superko, as in the Tromp–Taylor rules). The score is the area score. Needs NumPy and
numba, not torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .compiled import compiled
from .coords import PASS, vertex
from .game import COLOURS, NO_STONES, Game, illegal_reason, replay
from .position import (
    BLACK,
    EMPTY,
    POINTS,
    WALL,
    WIDTH,
    empty_positions,
    legal,
    on_board,
    place_of,
    play,
    play_without_undo,
    point_of,
    set_turn,
    undo,
)


class Board:
    """A position to play on. A place is row · size + column from the top left; −1 is a pass.

    `stones` with their `stone_colours` (1 black, 2 white) are set up before the first move, each as a turn.
    Raises ValueError if one is on an occupied point or has no liberty.
    """

    def __init__(self, size: int = 19, superko: bool = False, stones: Any = (), stone_colours: Any = ()) -> None:
        self.size, self.superko = size, superko
        self.stones = np.array(stones, np.int16), np.array(stone_colours, np.uint8)
        self.position = empty_positions(1, size)[0]
        if (code := replay(self.position, *self.stones, *NO_STONES)) < 0:
            raise ValueError(f"the stone at {vertex(int(self.stones[0][-1 - code]), size)} cannot be set up there")
        self.moves: list[int] = []
        self.colours: list[int] = []
        self.hashes = [int(self.position["hash"])]  # of the positions so far
        set_turn(self.position, BLACK)

    @classmethod
    def from_game(cls, game: Game, number: int | None = None) -> Board:
        """The board after `number` moves of a game, by default all."""
        board = cls(game.size, stones=game.stones, stone_colours=game.stone_colours)
        number = len(game) if number is None else min(number, len(game))
        for place, colour in zip(game.moves[:number].tolist(), game.colours[:number].tolist(), strict=True):
            board.play(place, colour)
        set_turn(board.position, game.to_move(number))
        return board

    @property
    def turn(self) -> int:
        """The colour to move."""
        return int(self.position["turn"])

    @property
    def ko(self) -> int | None:
        """The place that the ko forbids to the colour to move."""
        point = int(self.position["ko"])
        return int(place_of(self.position, point)) if point else None

    @property
    def captured(self) -> tuple[int, int]:
        """The numbers of black and of white stones captured so far."""
        return int(self.position["captured"][1]), int(self.position["captured"][2])

    def board(self) -> Any:
        """The stones, uint8 (size, size): 0 empty, 1 black, 2 white; rows from the top."""
        return on_board(self.position["colour"], self.size).astype(np.uint8)

    def chains(self) -> Any:
        """The chain of each stone as a number, int64 (size, size); 0 for empty points."""
        colours = self.position["colour"]
        return on_board(np.where(np.isin(colours, (EMPTY, WALL)), 0, self.position["head"]), self.size)

    def liberties(self, place: int) -> int:
        """The number of liberties of the chain at a place; 0 for an empty point."""
        point = point_of(self.position, place)
        empty = self.position["colour"][point] == EMPTY
        return 0 if empty else int(self.position["liberties"][self.position["head"][point]])

    def illegal_reason(self, place: int) -> str:
        """Returns why a move of the colour to move is illegal; an empty string if it is legal."""
        if place == PASS:
            return ""
        if not legal(self.position, point_of(self.position, place)):
            return illegal_reason(self.position, place)
        return "it would repeat a position (superko)" if self.superko and self.repeats(place) else ""

    def repeats(self, place: int) -> bool:
        """Returns True if a legal move repeats a position of this game, independent of the colour to move."""
        return place != PASS and self._hash_after(place) in self.hashes

    def legal(self, place: int) -> bool:
        """Returns True if the colour to move may play there."""
        return not self.illegal_reason(place)

    def play(self, place: int, colour: int | None = None) -> int:
        """Plays a move of a colour, by default the one to move. Returns the number of stones captured.

        Raises ValueError if the move is illegal.
        """
        if colour is not None:
            set_turn(self.position, colour)
        if reason := self.illegal_reason(place):
            raise ValueError(f"{COLOURS[self.turn]} {vertex(place, self.size)}: {reason}")
        self.moves.append(place)
        self.colours.append(self.turn)
        captured = int(play_without_undo(self.position, 0 if place == PASS else point_of(self.position, place)))
        self.hashes.append(int(self.position["hash"]))
        return captured

    def undo(self) -> None:
        """Takes the last move back by replaying the others (some microseconds). Raises ValueError without a move."""
        if not self.moves:
            raise ValueError("there is no move to take back")
        colour = self.colours[-1]
        del self.moves[-1], self.colours[-1], self.hashes[-1]
        replay(self.position, *self.stones, np.array(self.moves, np.int16), np.array(self.colours, np.uint8))
        set_turn(self.position, colour)

    def copy(self) -> Board:
        """An independent copy with the same history."""
        board = Board.__new__(Board)
        board.__dict__ |= self.__dict__
        board.position = self.position.copy()
        board.moves, board.colours, board.hashes = [*self.moves], [*self.colours], [*self.hashes]
        return board

    def score(self, komi: float = 0) -> float:
        """Black's area minus White's and the komi; all stones count as alive."""
        owner = owners(self.position)
        return float((owner == BLACK).sum()) - float((owner == WALL - BLACK).sum()) - komi

    def with_turn(self, colour: int) -> Board:
        """A copy with a colour to move; if the turn changes, the ko ends."""
        board = self.copy()
        set_turn(board.position, colour)
        return board

    def without(self, places: Sequence[int]) -> Board:
        """A copy without the stones at some places, for counting only, not for playing on."""
        board = self.copy()
        for place in places:
            board.position["colour"][point_of(board.position, place)] = EMPTY
        return board

    def owners(self) -> Any:
        """The owner of each point by area, uint8 (size, size): 0 neither, 1 black, 2 white."""
        return on_board(owners(self.position), self.size)

    def _hash_after(self, place: int) -> int:
        play(self.position, point_of(self.position, place))
        after = int(self.position["hash"])
        undo(self.position)
        return after


def result(lead: float) -> str:
    """Black's lead as written in records and GTP: B+3.5, W+0.5, 0."""
    return "0" if lead == 0 else f"{'B' if lead > 0 else 'W'}+{abs(lead):g}"


@compiled
def owners(b):  # type: ignore[no-untyped-def]
    """The owner of each point: stones, and empty regions that touch a single colour. uint8 (POINTS,)."""
    owner = np.zeros(POINTS, np.uint8)
    visited = np.zeros(POINTS, np.uint8)
    region = np.empty(POINTS, np.int64)
    for place in range(b.size * b.size):
        p = point_of(b, place)
        if b.colour[p] != EMPTY:
            owner[p] = b.colour[p]
        elif not visited[p]:
            region[0], visited[p] = p, 1
            count, index, touched = 1, 0, 0
            while index < count:
                for q in (region[index] - WIDTH, region[index] - 1, region[index] + 1, region[index] + WIDTH):
                    c = b.colour[q]
                    if c == EMPTY and not visited[q]:
                        region[count], visited[q] = q, 1
                        count += 1
                    elif c != WALL:
                        touched |= c
                index += 1
            for i in range(count):
                owner[region[i]] = touched % WALL  # 3 if both colours touch the region: no owner
    return owner
