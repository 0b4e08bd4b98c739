"""A match: many games between two GTP programs, A and B, with alternating colours.

The folder holds `match.json` (the settings), `games.jsonl` (a line per game), the games as SGF, and at the end
`summary.json`. Games are written as they finish; the same match in the same folder continues after an interruption.
"""

from __future__ import annotations

import json
import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from ...core import files, schema
from ...core.problem import DATA, INTERRUPTED, USAGE, Problem
from ...core.schema import Between
from ..coords import PASS, vertex
from ..game import Game
from ..position import BLACK, WHITE
from ..sgf_writer import sgf_bytes
from .client import Client, Fault
from .referee import GameResult, Rules, play_game

Row = dict[str, Any]  # a game in games.jsonl
OnProgress = Callable[[dict[int, int]], object]  # receives the number of moves of each running game
POLL = 0.5  # seconds between two progress reports


class Times(TypedDict):
    """The moves of a side, and its seconds for one."""

    moves: int
    mean: float
    longest: float


class SideTimes(TypedDict):
    """The times of both sides."""

    a: Times
    b: Times


class GameRow(TypedDict):
    """A line of games.jsonl."""

    game: Annotated[int, Between(1, 1e9)]
    file: str
    black: str
    white: str
    black_side: Literal["a", "b"]
    winner: Literal["a", "b"] | None
    result: str
    ending: str
    counted: str
    message: str
    moves: int
    line: str
    times: SideTimes
    seconds: NotRequired[float]


class MatchFile(TypedDict):
    """The content of match.json. It is compared with the settings of the command as a whole."""

    a: str
    b: str
    terms: dict[str, Any]
    referee: str
    openings: list[list[int]]


@dataclass(frozen=True)
class Match:
    """Two commands and the settings of their games."""

    a: str
    b: str
    rules: Rules = field(default_factory=Rules)
    referee: str = ""
    openings: tuple[tuple[int, ...], ...] = ((),)  # each is played twice, with colours swapped

    def commands(self, number: int) -> dict[int, str]:
        """The side of each colour in a game, counted from 1: A is black in odd games."""
        return {BLACK: "a", WHITE: "b"} if number % 2 else {BLACK: "b", WHITE: "a"}

    def opening(self, number: int) -> tuple[int, ...]:
        return self.openings[(number - 1) // 2 % len(self.openings)]

    def to_dict(self) -> Row:
        settings: Row = json.loads(json.dumps(asdict(self)))
        rules = settings.pop("rules")
        rules["most"] = rules.pop("max_moves")
        return settings | {"terms": rules}  # the keys of earlier versions, whose matches can be continued


def openings_of(games: Sequence[Game], moves: int, size: int) -> tuple[tuple[int, ...], ...]:
    """The distinct first moves of records that begin with an empty board. Raises Problem if there are none."""
    openings = {
        tuple(game.moves[:moves].tolist()): None
        for game in games
        if game.size == size
        and len(game) >= moves
        and not len(game.stones)
        and game.colours[0] == BLACK
        and not (game.colours[1:moves] == game.colours[: moves - 1]).any()
        and PASS not in game.moves[:moves]
    }
    if not openings:
        raise Problem(f"none of the {len(games):,} openings is {moves} moves on an empty board of {size}×{size}", USAGE)
    return tuple(openings)


# --- the folder ----------------------------------------------------------------------------------------------------


def open_folder(match: Match, folder: Path, force: bool) -> list[Row]:
    """Creates the folder, or returns the games of the same match in it. Raises Problem for other content."""
    files.check_folder(folder)
    settings = folder / "match.json"
    if folder.exists() and force:
        shutil.rmtree(folder) if settings.exists() or not any(folder.iterdir()) else refuse(folder)
    if settings.exists():
        advice = "name another folder, or replace the match with --force"
        if schema.read_json(settings, MatchFile, "the settings of a match", advice) != match.to_dict():
            raise Problem(
                f"{folder} holds a match with other settings; name another folder, or replace it with --force", USAGE
            )
        rows = read_rows(folder)  # rewritten, since the next line would be appended to an incomplete one
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        files.write_text(folder / "games.jsonl", "".join(lines))
        return rows
    if folder.exists() and any(folder.iterdir()):
        refuse(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(settings, json.dumps(match.to_dict(), indent=1, ensure_ascii=False) + "\n")
    return []


def refuse(folder: Path) -> None:
    raise Problem(f"{folder} holds other files, not a match; name another folder", USAGE)


def read_rows(folder: Path) -> list[Row]:
    """The finished games; an incomplete line is skipped. Raises Problem for a line that is no game."""
    path = folder / "games.jsonl"
    rows: list[Row] = []
    if not path.exists():
        return rows
    for number, line in enumerate(files.read_text(path, "the games of a match", schema.MOST).splitlines(), 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        try:
            schema.check(GameRow, row)
        except schema.Mismatch as error:
            raise Problem(
                f"{path}, line {number}, is no game ({error}); replace the match with --force", DATA
            ) from None
        rows.append(row)
    return rows


def save_game(folder: Path, row: Row, moves: Sequence[int], match: Match) -> None:
    """Writes a finished game: first its record, then its line."""
    properties = {
        "KM": f"{match.rules.komi:g}",
        "PB": row["black"],
        "PW": row["white"],
        "RE": row["result"],
        "DT": time.strftime("%Y-%m-%d"),
        "C": description(row, match),
    }
    record = sgf_bytes(match.rules.size, moves, properties)
    files.write(folder / row["file"], lambda temporary: temporary.write_bytes(record))
    path = folder / "games.jsonl"
    with files.disk_errors(path), path.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def program_names(rows: Sequence[Row]) -> dict[str, str]:
    """The names of A and B in the last game."""
    last = rows[-1]
    black, white = last["black"], last["white"]
    return {"a": black, "b": white} if last["black_side"] == "a" else {"a": white, "b": black}


def save_summary(folder: Path, summary: Row) -> None:
    files.write_text(folder / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


def description(row: Row, match: Match) -> str:
    """The ending of a game and the commands of its players, for the record's comment."""
    ending = ", ".join(filter(None, (row["ending"], row["counted"], row["message"])))
    names = match.commands(row["game"])
    commands = {side: getattr(match, side) for side in names.values()}
    return f"{ending}\nBlack: {commands[names[BLACK]]}\nWhite: {commands[names[WHITE]]}"


# --- the games -----------------------------------------------------------------------------------------------------


class GameRunner:
    """Plays one game at a time with both programs, which keep running between games and restart after a fault."""

    def __init__(self, match: Match) -> None:
        self.match = match
        self.clients: dict[str, Client] = {}
        self.names: dict[str, str] = {}
        self.ended = False

    def play(self, number: int, on_move: Callable[[int], object]) -> tuple[Row, list[int]]:
        """Plays a game; returns its row and its moves. Raises Problem if a program cannot be started."""
        side_of = self.match.commands(number)
        sides = {colour: self.client(side) for colour, side in side_of.items()}
        referee = self.client("referee") if self.match.referee else None
        start = time.monotonic()
        game = play_game(sides, self.match.rules, self.match.opening(number), on_move, referee)
        seconds = time.monotonic() - start
        row = self.row(number, side_of, game) | {"seconds": round(seconds, 1)}
        if game.ending in ("crash", "timeout", "refused", "illegal"):
            self.close()  # their state is unknown: the next game starts them again
        return row, game.moves

    def row(self, number: int, side_of: dict[int, str], game: GameResult) -> Row:
        times = {
            side: {"moves": len(seconds), "mean": mean(seconds), "longest": round(max(seconds, default=0), 3)}
            for colour, side in side_of.items()
            for seconds in [game.seconds[colour]]
        }
        return {
            "game": number,
            "file": f"{number:04}.sgf",
            "black": self.names.get(side_of[BLACK], ""),
            "white": self.names.get(side_of[WHITE], ""),
            "black_side": side_of[BLACK],
            "winner": side_of.get(game.winner),
            "result": game.result,
            "ending": game.ending,
            "counted": game.counted,
            "message": game.message,
            "moves": len(game.moves),
            "line": " ".join(vertex(move, self.match.rules.size) for move in game.moves),
            "times": times,
        }

    def client(self, side: str) -> Client:
        """The program of a side, started if it is not running."""
        if self.ended:
            raise Problem("the match was stopped", INTERRUPTED)
        if side not in self.clients:
            self.clients[side] = client = Client(getattr(self.match, side))
            self.names[side] = program_name(client, self.match.rules.timeout)
        return self.clients[side]

    def close(self) -> None:
        while self.clients:
            self.clients.popitem()[1].close()

    def kill(self) -> None:
        """Kills the programs and starts no others."""
        self.ended = True
        for client in [*self.clients.values()]:
            client.kill()


def mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def program_name(client: Client, timeout: float) -> str:
    """The name and version of a program. Raises Problem if it does not respond in `timeout` seconds from its start."""
    try:
        name = client.send("name", timeout)
    except Fault as fault:
        if fault.kind != "refused":
            client.close()
            raise Problem(f"{client.command} is not a GTP program: {fault}", USAGE) from None
        return client.command
    with suppress(Fault):
        return f"{name} {client.send('version', timeout)}".strip()
    return name


def play_games(
    match: Match, folder: Path, numbers: Sequence[int], parallel: int, on_progress: OnProgress
) -> Iterator[Row]:
    """Plays the games with some numbers, `parallel` at a time, and yields each after it is saved.

    Raises Problem if a program cannot be started. Closing the iterator kills the programs and drops unfinished games.
    """
    pending: queue.SimpleQueue[int] = queue.SimpleQueue()
    finished: queue.SimpleQueue[tuple[Row, list[int]] | Exception] = queue.SimpleQueue()
    for number in numbers:
        pending.put(number)
    running: dict[int, int] = {}
    runners = [GameRunner(match) for _ in range(max(1, min(parallel, len(numbers))))]
    for runner in runners:
        threading.Thread(target=work, args=(runner, pending, finished, running), daemon=True, name="go-match").start()
    try:
        remaining = len(numbers)
        while remaining:
            on_progress(dict(running))
            with suppress(queue.Empty):
                outcome = finished.get(timeout=POLL)
                if isinstance(outcome, Exception):
                    raise outcome
                row, moves = outcome
                save_game(folder, row, moves, match)
                remaining -= 1
                yield row
        for runner in runners:
            runner.close()
    finally:
        for runner in runners:
            runner.kill()


def work(
    runner: GameRunner,
    pending: queue.SimpleQueue[int],
    finished: queue.SimpleQueue[tuple[Row, list[int]] | Exception],
    running: dict[int, int],
) -> None:
    """Plays pending games in a thread until there are none."""
    with suppress(queue.Empty):
        while True:
            number = pending.get_nowait()
            try:
                finished.put(runner.play(number, lambda moves, number=number: running.update({number: moves})))  # type: ignore[misc]
            except Exception as error:  # raised again by play_games
                finished.put(error)
                return
            finally:
                running.pop(number, None)
