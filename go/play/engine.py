"""A player behind the Go Text Protocol: its board, the commands, and the error messages of the protocol.

Scores are area scores of the engine's board; dead stones are estimated by playouts, and no stone is reported as in
seki. Moves set with `play` follow simple ko; generated moves never repeat a position. Time settings limit a player that
searches; without a search a move always takes the same short time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ...core.progress import say
from ...core.versions import neocog_version as package_version
from .. import sgf
from ..board import Board, result
from ..coords import PASS, SIZE, place, vertex
from ..diagram import board_diagram
from ..game import Game
from ..komi import UnusableKomi, komi_in_points
from ..position import BLACK, WHITE
from ..record_files import LARGEST_FILE
from ..search import run
from ..terminal import text
from . import analysis
from .analysis import COLOURS, AnalysisRequest
from .clock import Clock
from .gtp import Analysis, Failure
from .player import RESIGN, Move, Player
from .playouts import run_playouts
from .search_player import SearchPlayer

# The protocol's fixed places in its order; with 5, 7 or 9 stones, the last one is at the last place.
HANDICAP = ["D4", "Q16", "D16", "Q4", "D10", "Q10", "K4", "K16", "K10"]
MAX_HANDICAP = 9
ANALYSIS_VISITS = 10**9  # an analysis ends with the next command, or when the tree is full
KOMI = 7.5  # unless a command or a record sets another


class Engine:
    """Executes the commands in `COMMANDS`."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.board, self.komi, self.ended = Board(SIZE), KOMI, False
        self.clock = Clock()

    def execute(self, name: str, arguments: list[str]) -> str | Analysis:
        """Returns the response to a command. Raises Failure."""
        command = COMMANDS.get(name)
        if command is None:
            raise Failure("unknown command")
        return command(self, arguments)

    # --- identification ---

    def protocol_version(self, arguments: list[str]) -> str:
        return "2"

    def name(self, arguments: list[str]) -> str:
        return "Neocog"

    def version(self, arguments: list[str]) -> str:
        return package_version()

    def known_command(self, arguments: list[str]) -> str:
        return "true" if arguments and arguments[0] in COMMANDS else "false"

    def list_commands(self, arguments: list[str]) -> str:
        return "\n".join(COMMANDS)

    def quit(self, arguments: list[str]) -> str:
        self.ended = True
        return ""

    # --- the board ---

    def boardsize(self, arguments: list[str]) -> str:
        if integer(arguments) != SIZE:
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
            colour, move = COLOURS[arguments[0].lower()], place(arguments[1], SIZE)
        except (LookupError, ValueError):
            raise Failure("invalid color or coordinate") from None
        if reason := self.board.with_turn(colour).illegal_reason(move):
            raise Failure(f"illegal move: {reason}")
        self.board.play(move, colour)
        return ""

    def undo(self, arguments: list[str]) -> str:
        try:
            self.board.undo()
        except ValueError:
            raise Failure("cannot undo") from None
        return ""

    def loadsgf(self, arguments: list[str]) -> str:
        """`loadsgf FILE [N]`: the position before move N, by default after the last."""
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
        self.board = Board.from_game(game, number)
        self.komi = self.loaded_komi(game)
        return ""

    def loaded_komi(self, game: Game) -> float:
        """The komi of a record, or the usual one, which is then reported: never that of an earlier game."""
        try:
            komi = komi_in_points(game.info, game.size)
        except UnusableKomi as problem:
            say(f"the record's komi {problem}; the komi is {KOMI:g}")
            return KOMI
        if komi is None:
            say(f"the record gives no komi; the komi is {KOMI:g}")
        return KOMI if komi is None else komi

    def showboard(self, arguments: list[str]) -> str:
        count = len(self.board.moves)
        state = f"{colour_name(self.board.turn)} to move, {count} move{'s' * (count != 1)}, komi {self.komi:g}"
        return "\n" + text(board_diagram(self.board, lines=(state,)), unicode=False)

    # --- handicap ---

    def fixed_handicap(self, arguments: list[str]) -> str:
        number = integer(arguments)
        if not 2 <= number <= MAX_HANDICAP:
            raise Failure("invalid number of stones")
        return self.set_stones(handicap(number))

    def place_free_handicap(self, arguments: list[str]) -> str:
        """Uses the fixed places, at most nine, as the protocol allows."""
        number = integer(arguments)
        if number < 2:
            raise Failure("invalid number of stones")
        return self.set_stones(handicap(min(number, MAX_HANDICAP)))

    def set_free_handicap(self, arguments: list[str]) -> str:
        try:
            places = [place(name, SIZE) for name in arguments]
        except ValueError:
            raise Failure("invalid coordinate") from None
        if len(places) < 2 or PASS in places or len(set(places)) < len(places):
            raise Failure("bad vertex list")
        self.set_stones(arguments)
        return ""

    def set_stones(self, names: Sequence[str]) -> str:
        """Puts black stones on an empty board, White to move."""
        if self.board.moves or self.board.board().any():
            raise Failure("board not empty")
        places = [place(name, SIZE) for name in names]
        try:
            self.board = Board(SIZE, stones=places, stone_colours=[BLACK] * len(places)).with_turn(WHITE)
        except ValueError:
            raise Failure("bad vertex list") from None
        return " ".join(names)

    # --- moves ---

    def genmove(self, arguments: list[str]) -> str:
        colour = parse_colour(arguments)
        move = self.choose(colour)
        if move == RESIGN:
            return "resign"
        self.board.play(move, colour)
        return vertex(move, SIZE)

    def reg_genmove(self, arguments: list[str]) -> str:
        move = self.choose(parse_colour(arguments))
        return "resign" if move == RESIGN else vertex(move, SIZE)

    def choose(self, colour: int) -> int:
        """The player's move, within the time that the clock leaves."""
        start = time.monotonic()
        budget = self.clock.budget(colour, self.board.colours.count(colour))
        move = self.player.choose(self.board, colour, self.komi, budget)
        self.clock.use(colour, time.monotonic() - start)
        return move

    def genmove_cleanup(self, arguments: list[str]) -> str:
        """`kgs-genmove_cleanup`: a move that captures dead stones of the opponent; pass if there are none left."""
        colour = parse_colour(arguments)
        move = self.player.choose_cleanup(self.board, colour)
        self.board.play(move, colour)
        return vertex(move, SIZE)

    def lz_analyze(self, arguments: list[str]) -> Analysis:
        return self.analyse(arguments, floats=False)

    def kata_analyze(self, arguments: list[str]) -> Analysis:
        return self.analyse(arguments, floats=True)

    def lz_genmove_analyze(self, arguments: list[str]) -> str:
        return self.play_and_analyse(arguments, floats=False)

    def kata_genmove_analyze(self, arguments: list[str]) -> str:
        return self.play_and_analyse(arguments, floats=True)

    def analyse(self, arguments: list[str], floats: bool) -> Analysis:
        request = AnalysisRequest.parse(arguments, self.board.turn, SIZE)
        board = self.board.with_turn(request.colour)
        if isinstance(self.player, SearchPlayer):
            return self.continue_search(self.player, board, request, floats)
        moves = request.select(self.player.candidates(board)) or [Move(PASS, 1.0)]
        return Analysis(analysis.line(moves, run_playouts(board), request, self.komi, floats), request.interval)

    def continue_search(self, player: SearchPlayer, board: Board, request: AnalysisRequest, floats: bool) -> Analysis:
        """An analysis that goes on until the next command, a line for each interval."""
        search = player.search_of(board, self.komi, request.restriction)

        def following(stopped: Callable[[], bool]) -> str | None:
            if search.is_full:
                return None
            run(search, player.evaluator, search.visits + ANALYSIS_VISITS, request.interval, stopped)
            return analysis.search_line(search.result(), request, SIZE, floats)

        run(search, player.evaluator, ANALYSIS_VISITS, request.interval)
        return Analysis(analysis.search_line(search.result(), request, SIZE, floats), request.interval, following)

    def play_and_analyse(self, arguments: list[str], floats: bool) -> str:
        request = AnalysisRequest.parse(arguments, self.board.turn, SIZE)
        if isinstance(self.player, SearchPlayer):
            move = self.genmove(["bw"[request.colour - 1]])
            return f"\n{self.last_search_line(self.player, request, floats)}play {move}"
        line = self.analyse(arguments, floats).line
        return f"\n{line}\nplay {self.genmove(['bw'[request.colour - 1]])}"

    def last_search_line(self, player: SearchPlayer, request: AnalysisRequest, floats: bool) -> str:
        """The line of the search for the last move, if there was one."""
        if player.search is None or not player.search.visits or player.search.board.turn != request.colour:
            return ""
        return analysis.search_line(player.search.result(), request, SIZE, floats) + "\n"

    # --- scoring ---

    def final_score(self, arguments: list[str]) -> str:
        return result(self.player.judge(self.board).without_dead().score(self.komi))

    def final_status_list(self, arguments: list[str]) -> str:
        status = arguments[0].lower() if arguments else ""
        playouts = self.player.judge(self.board)
        if status == "seki":
            return ""
        if status in ("dead", "alive"):
            dead = set(playouts.dead())
            stones = (self.board.board() > 0).ravel().nonzero()[0].tolist()
            places = [place for place in stones if (place in dead) == (status == "dead")]
        elif status in ("black_territory", "white_territory"):
            counted = playouts.without_dead()
            territory = (counted.owners() == 1 + (status[0] == "w")) & (counted.board() == 0)
            places = territory.ravel().nonzero()[0].tolist()
        else:
            raise Failure("invalid status: expected alive, dead, seki, black_territory or white_territory")
        return " ".join(vertex(place, SIZE) for place in places)

    # --- time ---

    def time_settings(self, arguments: list[str]) -> str:
        main, byo_time, byo_stones = (integer([argument]) for argument in [*arguments, "", "", ""][:3])
        self.clock = Clock.of(main, byo_time, byo_stones)
        return ""

    def kgs_time_settings(self, arguments: list[str]) -> str:
        """`none`, `absolute MAIN`, `byoyomi MAIN PERIOD PERIODS` or `canadian MAIN PERIOD STONES`."""
        kind, numbers = (arguments[0].lower() if arguments else ""), [integer([word]) for word in arguments[1:]]
        counts = {"none": 0, "absolute": 1, "byoyomi": 3, "canadian": 3}
        if kind not in counts or len(numbers) != counts[kind]:
            raise Failure("syntax error: expected none, absolute, byoyomi or canadian with their times")
        if kind == "none":
            self.clock = Clock()
        elif kind == "absolute":
            self.clock = Clock(numbers[0])
        else:  # a period of byo-yomi is for one stone
            self.clock = Clock(numbers[0], numbers[1], 1 if kind == "byoyomi" else numbers[2])
        return ""

    def time_left(self, arguments: list[str]) -> str:
        colour = parse_colour(arguments)
        self.clock.set_left(colour, integer(arguments[1:]), integer([*arguments[2:3], "0"]))
        return ""

    def ignored(self, arguments: list[str]) -> str:
        """Accepts the command without effect."""
        return ""


def integer(arguments: list[str]) -> int:
    """The first argument as a non-negative integer."""
    if not (arguments and arguments[0].isascii() and arguments[0].isdecimal() and len(arguments[0]) < 10):
        raise Failure("syntax error: expected a non-negative integer")
    return int(arguments[0])


def parse_colour(arguments: list[str]) -> int:
    """The first argument as a colour."""
    try:
        return COLOURS[arguments[0].lower()]
    except LookupError:
        raise Failure("invalid color") from None


def colour_name(colour: int) -> str:
    return "Black" if colour == BLACK else "White"


def handicap(number: int) -> list[str]:
    """The protocol's places for 2 to 9 stones."""
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
    "kgs-time_settings": Engine.kgs_time_settings,
    "kgs-genmove_cleanup": Engine.genmove_cleanup,
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
