"""A board to play on: the rules of Go for people and programs, around the records that are compiled.

Suicide is illegal, ko is simple ko; with `superko` no whole-board position may come back, whoever is to move
(positional superko, as Tromp and Taylor have it). The score is the area score. Needs NumPy and numba, not torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .compiled import compiled
from .coords import PASS, vertex
from .game import COLOURS, Game, forbidden, point, point_at, replay
from .position import BLACK, EMPTY, POINTS, WALL, WIDTH, empty_positions, legal, play, pop, push, turn_to

NOTHING = np.zeros(0, np.int16), np.zeros(0, np.uint8)


class Board:
    """A position that is played on. A place is row · size + column from the top left; −1 is a pass.

    `stones` and `stone_colours` (1 black, 2 white) are set up before the first move, each as a turn.
    Raises ValueError where one lies on another or has no liberty.
    """

    def __init__(self, size: int = 19, superko: bool = False, stones: Any = (), stone_colours: Any = ()) -> None:
        self.size, self.superko = size, superko
        self.stones = np.array(stones, np.int16), np.array(stone_colours, np.uint8)
        self.position = empty_positions(1, size)[0]
        if (wrong := replay(self.position, *self.stones, *NOTHING)) < 0:
            raise ValueError(f"the stone at {vertex(int(self.stones[0][-1 - wrong]), size)} cannot be set up there")
        self.moves: list[int] = []
        self.colours: list[int] = []
        self.hashes = [int(self.position["hash"])]  # of the positions so far
        turn_to(self.position, BLACK)

    @classmethod
    def of(cls, game: Game, number: int | None = None) -> Board:
        """A board on which so many moves of a game were played, all by default."""
        board = cls(game.size, stones=game.stones, stone_colours=game.stone_colours)
        number = len(game) if number is None else min(number, len(game))
        for place, colour in zip(game.moves[:number].tolist(), game.colours[:number].tolist(), strict=True):
            board.play(place, colour)
        turn_to(board.position, game.to_move(number))
        return board

    @property
    def turn(self) -> int:
        """The colour to move."""
        return int(self.position["turn"])

    @property
    def ko(self) -> int | None:
        """The place that the ko forbids to the colour to move."""
        p = int(self.position["ko"])
        return self._place(p) if p else None

    @property
    def captured(self) -> tuple[int, int]:
        """The black and the white stones that were captured so far."""
        return int(self.position["taken"][1]), int(self.position["taken"][2])

    def board(self) -> Any:
        """The stones, uint8 (size, size): 0 empty, 1 black, 2 white; rows from the top."""
        frame = self.position["colour"][WIDTH : WIDTH * (self.size + 1)].reshape(self.size, WIDTH)
        return frame[:, 1 : self.size + 1].astype(np.uint8)

    def chains(self) -> Any:
        """A number for each stone that its chain has in common, int64 (size, size); 0 where there is none."""
        inside = np.s_[WIDTH : WIDTH * (self.size + 1)]
        heads = np.where(np.isin(self.position["colour"], (EMPTY, WALL)), 0, self.position["head"])[inside]
        return heads.reshape(self.size, WIDTH)[:, 1 : self.size + 1]

    def liberties(self, place: int) -> int:
        """Of the chain at a place; 0 where it is empty."""
        p = point(self.position, place)
        return 0 if self.position["colour"][p] == EMPTY else int(self.position["liberties"][self.position["head"][p]])

    def forbidden(self, place: int) -> str:
        """Why the colour to move may not play there; empty where it may."""
        if place == PASS:
            return ""
        p = point(self.position, place)
        if not legal(self.position, p):
            return forbidden(self.position, place)
        return "it would repeat a position (superko)" if self.superko and self.repeats(place) else ""

    def repeats(self, place: int) -> bool:
        """Whether a legal move brings a position of this game back, whoever is then to move."""
        return place != PASS and self._hash_after(point(self.position, place)) in self.hashes

    def legal(self, place: int) -> bool:
        """Whether the colour to move may play there."""
        return not self.forbidden(place)

    def play(self, place: int, colour: int | None = None) -> int:
        """Plays for the colour to move, or for another. Gives the stones captured. Raises ValueError where illegal."""
        if colour is not None:
            turn_to(self.position, colour)
        if reason := self.forbidden(place):
            raise ValueError(f"{COLOURS[self.turn]} {vertex(place, self.size)}: {reason}")
        self.moves.append(place)
        self.colours.append(self.turn)
        captured = int(play(self.position, 0 if place == PASS else point(self.position, place)))
        self.hashes.append(int(self.position["hash"]))
        return captured

    def undo(self) -> None:
        """Takes the last move back, by playing all others again: a few microseconds. Raises ValueError without one."""
        if not self.moves:
            raise ValueError("there is no move to take back")
        colour = self.colours[-1]
        del self.moves[-1], self.colours[-1], self.hashes[-1]
        replay(self.position, *self.stones, np.array(self.moves, np.int16), np.array(self.colours, np.uint8))
        turn_to(self.position, colour)

    def copy(self) -> Board:
        """A board of its own with the same past."""
        other = Board.__new__(Board)
        other.__dict__ |= self.__dict__
        other.position = self.position.copy()
        other.moves, other.colours, other.hashes = [*self.moves], [*self.colours], [*self.hashes]
        return other

    def score(self, komi: float = 0) -> float:
        """Black's area less White's and the komi, every stone taken as alive."""
        owner = owners(self.position)
        return float((owner == BLACK).sum()) - float((owner == WALL - BLACK).sum()) - komi

    def turned_to(self, colour: int) -> Board:
        """A copy with a colour to move; a ko holds for the other one only."""
        other = self.copy()
        turn_to(other.position, colour)
        return other

    def without(self, places: Sequence[int]) -> Board:
        """A copy to be counted, not played on, from which stones were taken off."""
        other = self.copy()
        for place in places:
            other.position["colour"][point(other.position, place)] = EMPTY
        return other

    def owners(self) -> Any:
        """Whose area each point is, uint8 (size, size): 0 nobody's, 1 black, 2 white."""
        return owners(self.position)[WIDTH : WIDTH * (self.size + 1)].reshape(self.size, WIDTH)[:, 1 : self.size + 1]

    def _hash_after(self, p: int) -> int:
        push(self.position, p)
        after = int(self.position["hash"])
        pop(self.position)
        return after

    def _place(self, p: int) -> int:
        return (p // WIDTH - 1) * self.size + p % WIDTH - 1


def result(lead: float) -> str:
    """A lead of Black as records and GTP write it: B+3.5, W+0.5, 0."""
    return "0" if lead == 0 else f"{'B' if lead > 0 else 'W'}+{abs(lead):g}"


@compiled
def owners(b):  # type: ignore[no-untyped-def]
    """Whose area each point of the frame is: stones, and empty regions that touch one colour only. uint8 (POINTS,)."""
    owner = np.zeros(POINTS, np.uint8)
    seen = np.zeros(POINTS, np.uint8)
    region = np.empty(POINTS, np.int64)
    for place in range(b.size * b.size):
        p = point_at(b, place)
        if b.colour[p] != EMPTY:
            owner[p] = b.colour[p]
        elif not seen[p]:
            region[0], seen[p] = p, 1
            count, at, touched = 1, 0, 0
            while at < count:
                for q in (region[at] - WIDTH, region[at] - 1, region[at] + 1, region[at] + WIDTH):
                    c = b.colour[q]
                    if c == EMPTY and not seen[q]:
                        region[count], seen[q] = q, 1
                        count += 1
                    elif c != WALL:
                        touched |= c
                at += 1
            for i in range(count):
                owner[region[i]] = touched % WALL  # both colours together are as much as the wall
    return owner
