"""Playouts: random games from a position, which estimate ownership, the lead and the dead stones.

Both sides play random moves that fill no true eye of the player and put at most `MAX_SELF_ATARI` of its own stones into
atari, until both pass; a chain that was just put into atari is saved if it can be. Then the area is counted. A stone is
dead if its point ends as the opponent's in most games (as in Sabaki's deadstones). It is an estimate: correct for most
finished positions, blind to all but the simplest seki, and no guide to how strong players would continue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..board import Board, owners
from ..compiled import compiled
from ..eyes import has_bad_diagonals, may_be_eye
from ..ladder import two_liberties
from ..move_effect import move_effect
from ..position import BLACK, EMPTY, PASS, POINTS, POSITION, WHITE, WIDTH, legal, on_board, play_without_undo

GAMES = 200  # about a tenth of a second
MAX_TURNS = 1200  # of a playout
MAX_SELF_ATARI = 4  # stones: larger chains stay in seki, smaller ones may be thrown into eyes
DEAD = 0.0  # a chain is alive if its points end more often as its colour's than as the opponent's


@dataclass(frozen=True)
class PlayoutResult:
    """The outcome of playouts from a board."""

    board: Board
    ownership: Any  # float32 (size, size): mean of 1 for Black's points at the end and −1 for White's
    leads: Any  # int64 (games,): Black's area minus White's, without komi

    def win_rate(self, colour: int, komi: float) -> float:
        """The share of the games won by a colour; a draw counts half."""
        leads = (self.leads - komi) * (1 if colour == BLACK else -1)
        return float(((leads > 0) + (leads == 0) / 2).mean())

    def mean_lead(self, colour: int, komi: float) -> float:
        """The points by which a colour led on average."""
        return float(self.leads.mean() - komi) * (1 if colour == BLACK else -1)

    def dead(self) -> list[int]:
        """The places of the dead stones, in complete chains."""
        board = self.board.board()
        survival = np.array([0, 1, -1])[board] * self.ownership
        heads = self.board.chains()
        return [
            place
            for head in np.unique(heads[board > 0])
            if survival[heads == head].mean() < DEAD
            for place in np.flatnonzero((heads == head).ravel()).tolist()
        ]

    def without_dead(self) -> Board:
        """The board without its dead stones, for counting the area."""
        return self.board.without(self.dead())


def run_playouts(board: Board, games: int = GAMES, seed: int = 0) -> PlayoutResult:
    """Plays random games from a board; the same seed gives the same result."""
    start, work = np.empty(1, POSITION), np.empty(1, POSITION)
    start[0] = board.position
    ownership, leads = np.zeros(POINTS, np.int64), np.zeros(games, np.int64)
    play_out(start, work, seed, ownership, leads)
    return PlayoutResult(board, (on_board(ownership, board.size) / games).astype(np.float32), leads)


# --- compiled ------------------------------------------------------------------------------------------------------


@compiled
def play_out(start, work, seed, ownership, leads):  # type: ignore[no-untyped-def]
    """Plays len(leads) random games from the position in `start`; sums up Black's ownership and leads."""
    np.random.seed(seed)
    points = np.empty(POINTS, np.int64)
    for game in range(len(leads)):
        work[0] = start[0]
        b = work[0]
        finish(b, points)
        owner = owners(b)
        for p in range(WIDTH, POINTS - WIDTH):
            if owner[p] == BLACK:
                ownership[p] += 1
                leads[game] += 1
            elif owner[p] == WHITE:
                ownership[p] -= 1
                leads[game] -= 1


@compiled
def finish(b, points):  # type: ignore[no-untyped-def]
    """Plays random moves until both pass."""
    count = list_empty(b, points)
    passes, turns, move = 0, 0, PASS
    while passes < 2 and turns < MAX_TURNS:
        move = rescue(b, move)
        saved = move != PASS
        untried = 0 if saved else count
        while untried:  # tries points in random order and stops at the first acceptable one
            i = np.random.randint(untried)
            p = points[i]
            untried -= 1
            points[i], points[untried] = points[untried], p
            if is_acceptable(b, p):
                count -= 1
                points[untried], points[count] = points[count], p
                move = p
                break
        passes = passes + 1 if move == PASS else 0
        turns += 1
        if play_without_undo(b, move) or saved:
            count = list_empty(b, points)


@compiled
def rescue(b, last):  # type: ignore[no-untyped-def]
    """Returns a move that saves a chain put into atari by the move `last` (more liberties, or a capture), or PASS."""
    if last == PASS:
        return PASS
    for q in (last - WIDTH, last - 1, last + 1, last + WIDTH):
        if b.colour[q] == b.turn and b.liberties[b.head[q]] == 1:
            p, _ = two_liberties(b, b.head[q])
            if legal(b, p):
                captured, _, liberties = move_effect(b, p, b.turn)
                if captured > 0 or liberties > 1:
                    return p
    return PASS


@compiled
def list_empty(b, points):  # type: ignore[no-untyped-def]
    """Lists the empty points in `points` and returns their number."""
    count = 0
    for row in range(b.size):
        for p in range((row + 1) * WIDTH + 1, (row + 1) * WIDTH + 1 + b.size):
            if b.colour[p] == EMPTY:
                points[count] = p
                count += 1
    return count


@compiled
def is_acceptable(b, p):  # type: ignore[no-untyped-def]
    """Returns True if a playout may play at p: legal, fills no eye of the player, gives no large chain away."""
    if not legal(b, p) or (may_be_eye(b, p, b.turn) and not has_bad_diagonals(b, p, b.turn)):
        return False
    captured, stones, liberties = move_effect(b, p, b.turn)
    return liberties > 1 or captured > 0 or stones <= MAX_SELF_ATARI
