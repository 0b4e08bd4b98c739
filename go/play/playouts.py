"""What random games from a position say of it: whose each point will be, who is ahead, which stones are dead.

Both sides play random moves that fill no true eye of their own and put no more than `OFFERED` of their own stones into
atari, until both pass; a chain that was just put into atari is saved where it can be. The area is counted. A stone is
dead where its point ends as the other colour's in most games (as deadstones of Sabaki has it). That is an estimate: it
is right about most finished positions, sees no seki but the plain ones, and knows nothing of how strong players would
go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..board import Board, owners
from ..compiled import compiled
from ..eyes import is_spoilt, may_be_eye
from ..ladder import two_liberties
from ..position import BLACK, EMPTY, PASS, POINTS, POSITION, WHITE, WIDTH, legal, play
from ..prospect import prospect

GAMES = 200  # about a tenth of a second
LONGEST = 1200  # turns of a random game
OFFERED = 4  # stones that may be put into atari: larger chains stay in seki, smaller ones are thrown into eyes
DEAD = 0.0  # a chain lives if its points end as its colour's more often than as the other's


@dataclass(frozen=True)
class Outlook:
    """What random games from a board said."""

    board: Board
    owned: Any  # float32 (size, size): the mean of 1 where Black owned the point at the end, −1 where White did
    leads: Any  # int64 (games,): Black's area less White's, without komi

    def share(self, colour: int, komi: float) -> float:
        """The share of the games that a colour won; a draw counts half."""
        leads = (self.leads - komi) * (1 if colour == BLACK else -1)
        return float(((leads > 0) + (leads == 0) / 2).mean())

    def lead(self, colour: int, komi: float) -> float:
        """By how many points a colour was ahead on average."""
        return float(self.leads.mean() - komi) * (1 if colour == BLACK else -1)

    def dead(self) -> list[int]:
        """The places of the stones that are dead, in whole chains."""
        board = self.board.board()
        sides = np.array([0, 1, -1])[board] * self.owned
        heads = self.board.chains()
        return [
            place
            for head in np.unique(heads[board > 0])
            if sides[heads == head].mean() < DEAD
            for place in np.flatnonzero((heads == head).ravel()).tolist()
        ]

    def settled(self) -> Board:
        """The board without its dead stones, to be counted by area."""
        return self.board.without(self.dead())


def outlook(board: Board, games: int = GAMES, seed: int = 0) -> Outlook:
    """Plays random games from a board; the same seed gives the same answer."""
    start, work = np.empty(1, POSITION), np.empty(1, POSITION)
    start[0] = board.position
    owned, leads = np.zeros(POINTS, np.int64), np.zeros(games, np.int64)
    play_out(start, work, seed, owned, leads)
    size = board.size
    inside = owned[WIDTH : WIDTH * (size + 1)].reshape(size, WIDTH)[:, 1 : size + 1]
    return Outlook(board, (inside / games).astype(np.float32), leads)


# --- what is compiled ----------------------------------------------------------------------------------------------


@compiled
def play_out(start, work, seed, owned, leads):  # type: ignore[no-untyped-def]
    """Plays len(leads) random games from the position in `start`; sums up the owners and the leads of Black."""
    np.random.seed(seed)
    points = np.empty(POINTS, np.int64)
    for game in range(len(leads)):
        work[0] = start[0]
        b = work[0]
        finish(b, points)
        owner = owners(b)
        for p in range(WIDTH, POINTS - WIDTH):
            if owner[p] == BLACK:
                owned[p] += 1
                leads[game] += 1
            elif owner[p] == WHITE:
                owned[p] -= 1
                leads[game] -= 1


@compiled
def finish(b, points):  # type: ignore[no-untyped-def]
    """Plays random moves until both pass."""
    count = list_empty(b, points)
    passes, turns, found = 0, 0, PASS
    while passes < 2 and turns < LONGEST:
        found = rescue(b, found)
        saved = found != PASS
        left = 0 if saved else count
        while left:  # the points in a random order, as far as it is needed
            at = np.random.randint(left)
            p = points[at]
            left -= 1
            points[at], points[left] = points[left], p
            if is_worth_it(b, p):
                count -= 1
                points[left], points[count] = points[count], p
                found = p
                break
        passes = passes + 1 if found == PASS else 0
        turns += 1
        if play(b, found) or saved:
            count = list_empty(b, points)


@compiled
def rescue(b, last):  # type: ignore[no-untyped-def]
    """Where a chain that the last move put into atari gains liberties, or takes stones; PASS where none can."""
    if last == PASS:
        return PASS
    for q in (last - WIDTH, last - 1, last + 1, last + WIDTH):
        if b.colour[q] == b.turn and b.liberties[b.head[q]] == 1:
            p, _ = two_liberties(b, b.head[q])
            if legal(b, p):
                captured, _, liberties = prospect(b, p, b.turn)
                if captured > 0 or liberties > 1:
                    return p
    return PASS


@compiled
def list_empty(b, points):  # type: ignore[no-untyped-def]
    """Fills in the empty points and gives their number."""
    count = 0
    for row in range(b.size):
        for p in range((row + 1) * WIDTH + 1, (row + 1) * WIDTH + 1 + b.size):
            if b.colour[p] == EMPTY:
                points[count] = p
                count += 1
    return count


@compiled
def is_worth_it(b, p):  # type: ignore[no-untyped-def]
    """Whether a random player plays there: legal, no eye of its own, no large chain given away."""
    if not legal(b, p) or (may_be_eye(b, p, b.turn) and not is_spoilt(b, p, b.turn)):
        return False
    captured, stones, liberties = prospect(b, p, b.turn)
    return liberties > 1 or captured > 0 or stones <= OFFERED
