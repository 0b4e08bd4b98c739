"""Plays one game between two GTP programs on the referee's board, on which an illegal move loses.

Suicide is illegal and simple ko applies. A game ends after two passes or at the move limit; the area is counted without
dead stones. The programs name those (`final_status_list dead`): if both lists have the same winner, the score is by the
loser's list. If they differ, or a list is missing, playouts decide and the game is marked disputed. A third program may
name the dead stones instead.
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
from .playouts import run_playouts

BOTH = (BLACK, WHITE)
LETTERS = {BLACK: "B", WHITE: "W"}
ENDINGS = {"timeout": "T", "resign": "R"}  # how records write the reason of a loss; F, forfeit, for all others


@dataclass(frozen=True)
class Rules:
    """The settings of all games of a match."""

    size: int = 19
    komi: float = 7.5
    timeout: float = 60.0  # seconds for a response
    max_moves: int = 722  # limit of moves and passes


@dataclass
class GameResult:
    """A finished game."""

    result: str = ""  # B+3.5, W+R, B+T, B+F, 0
    ending: str = ""  # area, limit, resign, illegal, timeout, crash, refused
    message: str = ""  # the fault of the loser
    moves: list[int] = field(default_factory=list)
    counted: str = ""  # how dead stones were determined: agreed, disputed, referee
    seconds: dict[int, list[float]] = field(default_factory=lambda: {BLACK: [], WHITE: []})  # per move of each colour

    @property
    def winner(self) -> int:
        """The winning colour, or 0 for a draw."""
        return {"B": BLACK, "W": WHITE}.get(self.result[:1], 0)


class Lost(Exception):
    """Raised when a colour has lost other than by area."""

    def __init__(self, colour: int, ending: str, message: str = "") -> None:
        super().__init__(message)
        self.colour, self.ending = colour, ending


Sides = Mapping[int, Client]  # by colour


def play_game(
    sides: Sides,
    rules: Rules,
    opening: Sequence[int] = (),
    on_move: Callable[[int], object] = lambda moves: None,
    referee: Client | None = None,
) -> GameResult:
    """Plays a game from an opening of legal, alternating moves; calls `on_move` with the number of moves."""
    game, board = GameResult(), Board(rules.size)
    try:
        set_up(sides, rules)
        for move in opening:
            board.play(move)
            for colour in BOTH:
                send(sides, colour, f"play {LETTERS[3 - board.turn]} {vertex(move, rules.size)}", rules)
        while board.moves[-2:] != [PASS, PASS] and len(board.moves) < rules.max_moves:
            take_turn(sides, board, rules, game)
            on_move(len(board.moves))
        game.ending = "area" if board.moves[-2:] == [PASS, PASS] else "limit"
        game.result = score(sides, board, rules, game, referee)
    except Lost as lost:
        game.ending, game.message = lost.ending, str(lost)
        game.result = f"{LETTERS[3 - lost.colour]}+{ENDINGS.get(lost.ending, 'F')}"
    game.moves = board.moves
    return game


def set_up(sides: Sides, rules: Rules) -> None:
    """Sets an empty board in each program. Raises Problem if one refuses the size or the komi."""
    for colour in BOTH:
        for command in (f"boardsize {rules.size}", "clear_board", f"komi {rules.komi:g}"):
            try:
                sides[colour].send(command, rules.timeout)
            except Fault as fault:
                if fault.kind == "refused":
                    raise Problem(f"{sides[colour].command} refuses {fault}; the match needs it", FAILED) from None
                raise Lost(colour, fault.kind, str(fault)) from None


def send(sides: Sides, colour: int, command: str, rules: Rules) -> str:
    """Returns the response of a side. Raises Lost if there is none."""
    try:
        return sides[colour].send(command, rules.timeout)
    except Fault as fault:
        raise Lost(colour, fault.kind, str(fault)) from None


def take_turn(sides: Sides, board: Board, rules: Rules, game: GameResult) -> None:
    """Plays one move, on the referee's board and the opponent's."""
    colour = board.turn
    start = time.monotonic()
    response = send(sides, colour, f"genmove {LETTERS[colour]}", rules)
    game.seconds[colour].append(time.monotonic() - start)
    if response.lower() == "resign":
        raise Lost(colour, "resign")
    try:
        board.play(place(response, rules.size))
    except ValueError as error:
        raise Lost(colour, "illegal", f"move {len(board.moves) + 1}: {error}"[:200]) from None
    send(sides, 3 - colour, f"play {LETTERS[colour]} {vertex(board.moves[-1], rules.size)}", rules)


# --- scoring -------------------------------------------------------------------------------------------------------


def score(sides: Sides, board: Board, rules: Rules, game: GameResult, referee: Client | None) -> str:
    """The result by area; sets `game.counted`."""
    if referee is not None:
        game.counted = "referee"
        return result(board.without(dead_by_referee(referee, board, rules)).score(rules.komi))
    lists = {colour: dead_stones(sides[colour], board, rules.timeout) for colour in BOTH}
    leads = {colour: board.without(dead).score(rules.komi) for colour, dead in lists.items() if dead is not None}
    winners = {(lead > 0) - (lead < 0) for lead in leads.values()}
    if len(leads) == 2 and len(winners) == 1:
        game.counted = "agreed"
        return result(leads[WHITE if winners == {1} else BLACK])
    game.counted = "disputed"
    return result(run_playouts(board).without_dead().score(rules.komi))


def dead_stones(client: Client, board: Board, timeout: float) -> list[int] | None:
    """The dead stones named by a program, in complete chains; None if it names none."""
    try:
        places = [place(name, board.size) for name in client.send("final_status_list dead", timeout).split()]
    except (Fault, ValueError):
        return None
    chains = board.chains()
    heads = {int(chains.flat[place]) for place in places} - {0}
    return [place for place, head in enumerate(chains.ravel().tolist()) if head in heads]


def dead_by_referee(referee: Client, board: Board, rules: Rules) -> list[int]:
    """The dead stones named by a third program. Raises Problem if it names none."""
    try:
        for command in (f"boardsize {rules.size}", "clear_board", f"komi {rules.komi:g}"):
            referee.send(command, rules.timeout)
        for move, colour in zip(board.moves, board.colours, strict=True):
            referee.send(f"play {LETTERS[colour]} {vertex(move, rules.size)}", rules.timeout)
    except Fault as fault:
        raise Problem(f"the referee {referee.command}: {fault}", FAILED) from None
    dead = dead_stones(referee, board, rules.timeout)
    if dead is None:
        raise Problem(f"the referee {referee.command} does not respond to final_status_list dead", FAILED)
    return dead
