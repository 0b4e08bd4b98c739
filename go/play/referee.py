"""One game between two GTP programs, played on our own board: what is illegal there loses.

Suicide is illegal and simple ko holds. Two passes end a game, and so does the move limit; the area is counted without
dead stones. Which those are, the programs say (`final_status_list dead`): where both lists give the game to the same
side, the count is the loser's own. Where they do not, or a list is missing, random games decide (playouts.py), and the
game is called disputed. A third program may be asked instead, which is then believed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ...core.problem import FAILED, Problem
from ..board import Board, result
from ..coords import PASS, place, vertex
from ..position import BLACK, WHITE
from .client import Client, Fault
from .playouts import outlook

START = 300.0  # seconds at least that a program has for its first answer
BOTH = (BLACK, WHITE)
LETTERS = {BLACK: "B", WHITE: "W"}
ENDINGS = {"timeout": "T", "resign": "R"}  # as records write why a side lost; F, forfeit, for all else


@dataclass(frozen=True)
class Terms:
    """What is the same in every game."""

    size: int = 19
    komi: float = 7.5
    timeout: float = 60.0  # seconds for an answer
    most: int = 722  # moves and passes


@dataclass
class Played:
    """A game that was played."""

    result: str = ""  # B+3.5, W+R, B+T, B+F, 0
    ending: str = ""  # area, limit, resign, illegal, timeout, crash, refused
    message: str = ""  # what the loser did wrong
    moves: list[int] = field(default_factory=list)
    counted: str = ""  # how dead stones were found: agreed, disputed, referee
    seconds: dict[int, list[float]] = field(default_factory=lambda: {BLACK: [], WHITE: []})  # of each move of a colour

    @property
    def winner(self) -> int:
        """A colour, or 0 for a draw."""
        return {"B": BLACK, "W": WHITE}.get(self.result[:1], 0)


class Lost(Exception):
    """A colour has lost, and why."""

    def __init__(self, colour: int, ending: str, message: str = "") -> None:
        super().__init__(message)
        self.colour, self.ending = colour, ending


Sides = Mapping[int, Client]  # by colour


def play_game(
    sides: Sides,
    terms: Terms,
    opening: Sequence[int] = (),
    watch: Callable[[int], object] = lambda moves: None,
    referee: Client | None = None,
) -> Played:
    """Plays a game from an opening, moves in turn that are legal; `watch` is told how many moves there are."""
    played, board = Played(), Board(terms.size)
    try:
        set_up(sides, terms)
        for move in opening:
            board.play(move)
            for colour in BOTH:
                ask(sides, colour, f"play {LETTERS[3 - board.turn]} {vertex(move, terms.size)}", terms)
        while board.moves[-2:] != [PASS, PASS] and len(board.moves) < terms.most:
            take_turn(sides, board, terms, played)
            watch(len(board.moves))
        played.ending = "area" if board.moves[-2:] == [PASS, PASS] else "limit"
        played.result = score(sides, board, terms, played, referee)
    except Lost as lost:
        played.ending, played.message = lost.ending, str(lost)
        played.result = f"{LETTERS[3 - lost.colour]}+{ENDINGS.get(lost.ending, 'F')}"
    played.moves = board.moves
    return played


def set_up(sides: Sides, terms: Terms) -> None:
    """An empty board in each program. Raises Problem where one does not take the size or the komi."""
    for colour in BOTH:
        for command in (f"boardsize {terms.size}", "clear_board", f"komi {terms.komi:g}"):
            try:
                sides[colour].ask(command, max(terms.timeout, START))
            except Fault as fault:
                if fault.kind == "refused":
                    raise Problem(f"{sides[colour].command} refuses {fault}; the match needs it", FAILED) from None
                raise Lost(colour, fault.kind, str(fault)) from None


def ask(sides: Sides, colour: int, command: str, terms: Terms) -> str:
    """What a side answers. Raises Lost where it does not."""
    try:
        return sides[colour].ask(command, terms.timeout)
    except Fault as fault:
        raise Lost(colour, fault.kind, str(fault)) from None


def take_turn(sides: Sides, board: Board, terms: Terms, played: Played) -> None:
    """One move, on our board and on the other side's."""
    colour = board.turn
    began = time.monotonic()
    said = ask(sides, colour, f"genmove {LETTERS[colour]}", terms)
    played.seconds[colour].append(time.monotonic() - began)
    if said.lower() == "resign":
        raise Lost(colour, "resign")
    try:
        board.play(place(said, terms.size))
    except ValueError as error:
        raise Lost(colour, "illegal", f"move {len(board.moves) + 1}: {error}"[:200]) from None
    ask(sides, 3 - colour, f"play {LETTERS[colour]} {vertex(board.moves[-1], terms.size)}", terms)


# --- the end -------------------------------------------------------------------------------------------------------


def score(sides: Sides, board: Board, terms: Terms, played: Played, referee: Client | None) -> str:
    """The result by area; how dead stones were found is noted in `played`."""
    if referee is not None:
        played.counted = "referee"
        return result(board.without(asked_referee(referee, board, terms)).score(terms.komi))
    lists = {colour: dead_stones(sides[colour], board, terms.timeout) for colour in BOTH}
    leads = {colour: board.without(dead).score(terms.komi) for colour, dead in lists.items() if dead is not None}
    winners = {(lead > 0) - (lead < 0) for lead in leads.values()}
    if len(leads) == 2 and len(winners) == 1:
        played.counted = "agreed"
        return result(leads[WHITE if winners == {1} else BLACK])
    played.counted = "disputed"
    return result(outlook(board).settled().score(terms.komi))


def dead_stones(client: Client, board: Board, timeout: float) -> list[int] | None:
    """The dead stones that a program names, with the rest of their chains; None where it does not know."""
    try:
        named = [place(word, board.size) for word in client.ask("final_status_list dead", timeout).split()]
    except (Fault, ValueError):
        return None
    chains = board.chains()
    heads = {int(chains.flat[each]) for each in named} - {0}
    return [each for each, head in enumerate(chains.ravel().tolist()) if head in heads]


def asked_referee(referee: Client, board: Board, terms: Terms) -> list[int]:
    """The dead stones as a third program sees them. Raises Problem where it does not tell."""
    try:
        for command in (f"boardsize {terms.size}", "clear_board", f"komi {terms.komi:g}"):
            referee.ask(command, max(terms.timeout, START))
        for move, colour in zip(board.moves, board.colours, strict=True):
            referee.ask(f"play {LETTERS[colour]} {vertex(move, terms.size)}", terms.timeout)
    except Fault as fault:
        raise Problem(f"the referee {referee.command}: {fault}", FAILED) from None
    found = dead_stones(referee, board, max(terms.timeout, START))
    if found is None:
        raise Problem(f"the referee {referee.command} has no answer to final_status_list dead", FAILED)
    return found
