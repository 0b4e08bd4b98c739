"""A player behind the Go Text Protocol: its board, its commands, and their errors in the protocol's words.

Scores are area scores of its own board; dead is what random games say (playouts.py), and no stone is told to be in
seki. Simple ko holds for what it is told to play; its own moves repeat no position. Time settings are taken and not
needed: a move takes the same short time always.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from ...core.versions import own
from .. import sgf
from ..board import Board, result
from ..coords import PASS, place, vertex
from ..diagram import board_diagram
from ..position import BLACK, WHITE
from ..records import LARGEST_FILE
from ..terminal import text
from . import analysis
from .analysis import COLOURS, Wish
from .gtp import Analysis, Failure
from .player import RESIGN, Move, Player
from .playouts import outlook

SIZE = 19  # the network's board
# The protocol's fixed places, in its order; an odd number of 5 or more stones has the last one.
HANDICAP = ["D4", "Q16", "D16", "Q4", "D10", "Q10", "K4", "K16", "K10"]
MOST_HANDICAP = 9


class Engine:
    """Answers the commands of `COMMANDS`."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.board, self.komi, self.ended = Board(SIZE), 7.5, False

    def answer(self, name: str, arguments: list[str]) -> str | Analysis:
        """The answer to a command. Raises Failure."""
        command = COMMANDS.get(name)
        if command is None:
            raise Failure("unknown command")
        return command(self, arguments)

    # --- about itself ---

    def protocol_version(self, arguments: list[str]) -> str:
        return "2"

    def name(self, arguments: list[str]) -> str:
        return "Neocog"

    def version(self, arguments: list[str]) -> str:
        return own()

    def known_command(self, arguments: list[str]) -> str:
        return "true" if arguments and arguments[0] in COMMANDS else "false"

    def list_commands(self, arguments: list[str]) -> str:
        return "\n".join(COMMANDS)

    def quit(self, arguments: list[str]) -> str:
        self.ended = True
        return ""

    # --- the board ---

    def boardsize(self, arguments: list[str]) -> str:
        if whole(arguments) != SIZE:
            raise Failure("unacceptable size")
        self.board = Board(SIZE)
        return ""

    def clear_board(self, arguments: list[str]) -> str:
        self.board = Board(SIZE)
        return ""

    def set_komi(self, arguments: list[str]) -> str:
        try:
            komi = float(arguments[0])
        except (IndexError, ValueError):
            raise Failure("syntax error: expected a number") from None
        if not math.isfinite(komi) or abs(komi) > SIZE * SIZE:
            raise Failure("syntax error: expected a number of points")
        self.komi = komi
        return ""

    def get_komi(self, arguments: list[str]) -> str:
        return f"{self.komi:g}"

    def play(self, arguments: list[str]) -> str:
        try:
            colour, where = COLOURS[arguments[0].lower()], place(arguments[1], SIZE)
        except (LookupError, ValueError):
            raise Failure("invalid color or coordinate") from None
        if reason := self.board.turned_to(colour).forbidden(where):
            raise Failure(f"illegal move: {reason}")
        self.board.play(where, colour)
        return ""

    def undo(self, arguments: list[str]) -> str:
        try:
            self.board.undo()
        except ValueError:
            raise Failure("cannot undo") from None
        return ""

    def loadsgf(self, arguments: list[str]) -> str:
        """`loadsgf FILE [N]`: the position before move N, or after the last."""
        number = None
        if len(arguments) > 1 and arguments[-1].isdecimal():
            number = max(int(arguments.pop()[:9]) - 1, 0)
        try:
            with Path(" ".join(arguments)).open("rb") as file:
                game = sgf.read(file.read(LARGEST_FILE))
        except (OSError, ValueError) as error:  # a BadRecord is a ValueError
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Failure(f"cannot load file: {reason}") from None
        if game.size != SIZE:
            raise Failure(f"cannot load file: it is a game on {game.size}×{game.size}")
        self.board = Board.of(game, number)
        if game.info.komi:
            self.set_komi_of(game.info.komi)
        return ""

    def set_komi_of(self, said: str) -> None:
        """The komi of a record, where it is a number."""
        try:
            self.set_komi([said])
        except Failure:
            return

    def showboard(self, arguments: list[str]) -> str:
        count = len(self.board.moves)
        state = f"{name_of(self.board.turn)} to move, {count} move{'s' * (count != 1)}, komi {self.komi:g}"
        return "\n" + text(board_diagram(self.board, lines=(state,)), unicode=False)

    # --- handicap ---

    def fixed_handicap(self, arguments: list[str]) -> str:
        number = whole(arguments)
        if not 2 <= number <= MOST_HANDICAP:
            raise Failure("invalid number of stones")
        return self.set_stones(handicap(number))

    def place_free_handicap(self, arguments: list[str]) -> str:
        """On the fixed places; of more than nine, nine are placed, as the protocol allows."""
        number = whole(arguments)
        if number < 2:
            raise Failure("invalid number of stones")
        return self.set_stones(handicap(min(number, MOST_HANDICAP)))

    def set_free_handicap(self, arguments: list[str]) -> str:
        try:
            places = [place(word, SIZE) for word in arguments]
        except ValueError:
            raise Failure("invalid coordinate") from None
        if len(places) < 2 or PASS in places or len(set(places)) < len(places):
            raise Failure("bad vertex list")
        self.set_stones(arguments)
        return ""

    def set_stones(self, names: Sequence[str]) -> str:
        """Puts black stones on an empty board; White is to move."""
        if self.board.moves or self.board.board().any():
            raise Failure("board not empty")
        places = [place(name, SIZE) for name in names]
        try:
            self.board = Board(SIZE, stones=places, stone_colours=[BLACK] * len(places)).turned_to(WHITE)
        except ValueError:
            raise Failure("bad vertex list") from None
        return " ".join(names)

    # --- moves ---

    def genmove(self, arguments: list[str]) -> str:
        colour = side(arguments)
        chosen = self.player.choose(self.board, colour, self.komi)
        if chosen == RESIGN:
            return "resign"
        self.board.play(chosen, colour)
        return vertex(chosen, SIZE)

    def reg_genmove(self, arguments: list[str]) -> str:
        chosen = self.player.choose(self.board, side(arguments), self.komi)
        return "resign" if chosen == RESIGN else vertex(chosen, SIZE)

    def lz_analyze(self, arguments: list[str]) -> Analysis:
        return self.analysed(arguments, floats=False)

    def kata_analyze(self, arguments: list[str]) -> Analysis:
        return self.analysed(arguments, floats=True)

    def lz_genmove_analyze(self, arguments: list[str]) -> str:
        return self.played(arguments, floats=False)

    def kata_genmove_analyze(self, arguments: list[str]) -> str:
        return self.played(arguments, floats=True)

    def analysed(self, arguments: list[str], floats: bool) -> Analysis:
        wish = Wish.parse(arguments, self.board.turn, SIZE)
        moves = wish.chosen(self.player.candidates(self.board, wish.colour)) or [Move(PASS, 1.0)]
        found = outlook(self.board.turned_to(wish.colour))
        return Analysis(analysis.line(moves, found, wish, self.komi, floats), wish.interval)

    def played(self, arguments: list[str], floats: bool) -> str:
        wish = Wish.parse(arguments, self.board.turn, SIZE)
        line = self.analysed(arguments, floats).line
        return f"\n{line}\nplay {self.genmove(['bw'[wish.colour - 1]])}"

    # --- the end ---

    def final_score(self, arguments: list[str]) -> str:
        return result(outlook(self.board).settled().score(self.komi))

    def final_status_list(self, arguments: list[str]) -> str:
        status = arguments[0].lower() if arguments else ""
        found = outlook(self.board)
        if status == "seki":
            return ""
        if status in ("dead", "alive"):
            dead = set(found.dead())
            there = (self.board.board() > 0).ravel().nonzero()[0].tolist()
            chosen = [each for each in there if (each in dead) == (status == "dead")]
        elif status in ("black_territory", "white_territory"):
            counted = found.settled()
            own = (counted.owners() == 1 + (status[0] == "w")) & (counted.board() == 0)
            chosen = own.ravel().nonzero()[0].tolist()
        else:
            raise Failure("invalid status: expected alive, dead, seki, black_territory or white_territory")
        return " ".join(vertex(each, SIZE) for each in chosen)

    # --- the clock ---

    def time_settings(self, arguments: list[str]) -> str:
        for word in [*arguments, "", "", ""][:3]:
            whole([word])
        return ""

    def time_left(self, arguments: list[str]) -> str:
        side(arguments)
        whole(arguments[1:])
        return ""

    def ignored(self, arguments: list[str]) -> str:
        """Taken, and not needed."""
        return ""


def whole(arguments: list[str]) -> int:
    """The first argument as a whole number."""
    if not (arguments and arguments[0].isascii() and arguments[0].isdecimal() and len(arguments[0]) < 10):
        raise Failure("syntax error: expected a whole number")
    return int(arguments[0])


def side(arguments: list[str]) -> int:
    """The first argument as a colour."""
    try:
        return COLOURS[arguments[0].lower()]
    except LookupError:
        raise Failure("invalid color") from None


def name_of(colour: int) -> str:
    return "Black" if colour == BLACK else "White"


def handicap(number: int) -> list[str]:
    """The protocol's places for so many stones, 2 to 9."""
    return HANDICAP[: number - number % 2] + HANDICAP[-1:] if number > 4 and number % 2 else HANDICAP[:number]


COMMANDS: dict[str, Callable[[Engine, list[str]], str | Analysis]] = {
    "protocol_version": Engine.protocol_version,
    "name": Engine.name,
    "version": Engine.version,
    "known_command": Engine.known_command,
    "list_commands": Engine.list_commands,
    "quit": Engine.quit,
    "boardsize": Engine.boardsize,
    "clear_board": Engine.clear_board,
    "komi": Engine.set_komi,
    "get_komi": Engine.get_komi,
    "fixed_handicap": Engine.fixed_handicap,
    "place_free_handicap": Engine.place_free_handicap,
    "set_free_handicap": Engine.set_free_handicap,
    "play": Engine.play,
    "genmove": Engine.genmove,
    "reg_genmove": Engine.reg_genmove,
    "undo": Engine.undo,
    "time_settings": Engine.time_settings,
    "time_left": Engine.time_left,
    "final_score": Engine.final_score,
    "final_status_list": Engine.final_status_list,
    "showboard": Engine.showboard,
    "loadsgf": Engine.loadsgf,
    "analyze": Engine.kata_analyze,
    "lz-analyze": Engine.lz_analyze,
    "kata-analyze": Engine.kata_analyze,
    "genmove_analyze": Engine.kata_genmove_analyze,
    "lz-genmove_analyze": Engine.lz_genmove_analyze,
    "kata-genmove_analyze": Engine.kata_genmove_analyze,
    "stop": Engine.ignored,
    "clear_cache": Engine.ignored,
}
