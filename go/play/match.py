"""A match: many games between two GTP programs, A and B, colours alternating; each is kept as it is finished.

The folder holds `match.json` (the terms), `games.jsonl` (a line for each game), the games as SGF, and at the end
`summary.json`. The same terms in the same folder go on where they were stopped.
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
from typing import Any

from ...core import files
from ...core.problem import INTERRUPTED, USAGE, Problem
from ..coords import PASS, vertex
from ..game import Game
from ..position import BLACK, WHITE
from ..writer import written
from .client import Client, Fault
from .referee import START, Played, Terms, play_game

Row = dict[str, Any]  # a game as games.jsonl keeps it
Watch = Callable[[dict[int, int]], object]  # is told the moves so far of each game that is being played
LISTEN = 0.5  # seconds between two looks at what goes on


@dataclass(frozen=True)
class Match:
    """Two commands and what they play for."""

    a: str
    b: str
    terms: Terms = field(default_factory=Terms)
    referee: str = ""
    openings: tuple[tuple[int, ...], ...] = ((),)  # each is played twice, with colours changed

    def commands(self, number: int) -> dict[int, str]:
        """Which side has which colour in a game, from 1: A is black in odd ones."""
        return {BLACK: "a", WHITE: "b"} if number % 2 else {BLACK: "b", WHITE: "a"}

    def opening(self, number: int) -> tuple[int, ...]:
        return self.openings[(number - 1) // 2 % len(self.openings)]

    def document(self) -> Row:
        told: Row = json.loads(json.dumps(asdict(self)))
        return told


def openings_of(games: Sequence[Game], moves: int, size: int) -> tuple[tuple[int, ...], ...]:
    """The first moves of records that begin with an empty board, each once. Raises Problem where there are none."""
    found = {
        tuple(game.moves[:moves].tolist()): None
        for game in games
        if game.size == size
        and len(game) >= moves
        and not len(game.stones)
        and game.colours[0] == BLACK
        and not (game.colours[1:moves] == game.colours[: moves - 1]).any()
        and PASS not in game.moves[:moves]
    }
    if not found:
        raise Problem(f"none of the {len(games):,} openings is {moves} moves on an empty board of {size}×{size}", USAGE)
    return tuple(found)


# --- the folder ----------------------------------------------------------------------------------------------------


def begin(match: Match, folder: Path, force: bool) -> list[Row]:
    """Makes the folder, or finds the games of the same match in it. Raises Problem where it holds something else."""
    kept = folder / "match.json"
    if folder.exists() and force:
        shutil.rmtree(folder) if kept.exists() or not any(folder.iterdir()) else refuse(folder)
    if kept.exists():
        if json.loads(kept.read_text(encoding="utf-8")) != match.document():
            raise Problem(
                f"{folder} holds a match on other terms; name another folder, or replace it with --force", USAGE
            )
        rows = rows_in(folder)  # without a line that was cut off: the next one would follow on it
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        files.write_text(folder / "games.jsonl", "".join(lines))
        return rows
    if folder.exists() and any(folder.iterdir()):
        refuse(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files.write_text(kept, json.dumps(match.document(), indent=1, ensure_ascii=False) + "\n")
    return []


def refuse(folder: Path) -> None:
    raise Problem(f"{folder} holds something that is no match; name another folder", USAGE)


def rows_in(folder: Path) -> list[Row]:
    """The games that were finished; a line that was cut off is none."""
    rows = []
    with suppress(FileNotFoundError):
        for line in (folder / "games.jsonl").read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                rows.append(json.loads(line))
    return rows


def keep(folder: Path, row: Row, moves: Sequence[int], match: Match) -> None:
    """Writes a finished game: its record first, then its line."""
    info = {
        "KM": f"{match.terms.komi:g}",
        "PB": row["black"],
        "PW": row["white"],
        "RE": row["result"],
        "DT": time.strftime("%Y-%m-%d"),
        "C": told_of(row, match),
    }
    record = written(match.terms.size, moves, info)
    files.write(folder / row["file"], lambda beside: beside.write_bytes(record))
    with (folder / "games.jsonl").open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row, ensure_ascii=False) + "\n")


def names_in(rows: Sequence[Row]) -> dict[str, str]:
    """What A and B call themselves, in the last game."""
    last = rows[-1]
    black, white = last["black"], last["white"]
    return {"a": black, "b": white} if last["black_side"] == "a" else {"a": white, "b": black}


def close(folder: Path, summary: Row) -> None:
    """Writes what the match came to."""
    files.write_text(folder / "summary.json", json.dumps(summary, indent=1, ensure_ascii=False) + "\n")


def told_of(row: Row, match: Match) -> str:
    """How a game ended and who played, for the record's comment."""
    ended = ", ".join(filter(None, (row["ending"], row["counted"], row["message"])))
    names = match.commands(row["game"])
    commands = {side: getattr(match, side) for side in names.values()}
    return f"{ended}\nBlack: {commands[names[BLACK]]}\nWhite: {commands[names[WHITE]]}"


# --- the games -----------------------------------------------------------------------------------------------------


class Table:
    """Where one game at a time is played: both programs, kept over the games, started anew after a fault."""

    def __init__(self, match: Match) -> None:
        self.match = match
        self.clients: dict[str, Client] = {}
        self.names: dict[str, str] = {}
        self.ended = False

    def play(self, number: int, watch: Callable[[int], object]) -> tuple[Row, list[int]]:
        """A game as a row, and its moves. Raises Problem where a program cannot be started."""
        side_of = self.match.commands(number)
        sides = {colour: self.client(side) for colour, side in side_of.items()}
        referee = self.client("referee") if self.match.referee else None
        began = time.monotonic()
        played = play_game(sides, self.match.terms, self.match.opening(number), watch, referee)
        seconds = time.monotonic() - began
        row = self.row(number, side_of, played) | {"seconds": round(seconds, 1)}
        if played.ending in ("crash", "timeout", "refused", "illegal"):
            self.close()  # whatever state they are in, the next game begins with new ones
        return row, played.moves

    def row(self, number: int, side_of: dict[int, str], played: Played) -> Row:
        times = {
            side: {"moves": len(spent), "mean": mean(spent), "longest": round(max(spent, default=0), 3)}
            for colour, side in side_of.items()
            for spent in [played.seconds[colour]]
        }
        return {
            "game": number,
            "file": f"{number:04}.sgf",
            "black": self.names.get(side_of[BLACK], ""),
            "white": self.names.get(side_of[WHITE], ""),
            "black_side": side_of[BLACK],
            "winner": side_of.get(played.winner),
            "result": played.result,
            "ending": played.ending,
            "counted": played.counted,
            "message": played.message,
            "moves": len(played.moves),
            "line": " ".join(vertex(move, self.match.terms.size) for move in played.moves),
            "times": times,
        }

    def client(self, side: str) -> Client:
        """The program of a side, started where it is not there."""
        if self.ended:
            raise Problem("the match was stopped", INTERRUPTED)
        if side not in self.clients:
            self.clients[side] = client = Client(getattr(self.match, side))
            self.names[side] = name_of(client)
        return self.clients[side]

    def close(self) -> None:
        while self.clients:
            self.clients.popitem()[1].close()

    def kill(self) -> None:
        """Ends the programs at once, and starts no others."""
        self.ended = True
        for client in [*self.clients.values()]:
            client.kill()


def mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def name_of(client: Client) -> str:
    """What a program calls itself, with its version. Raises Problem where it never comes to an answer."""
    try:
        name = client.ask("name", START)
    except Fault as fault:
        if fault.kind != "refused":
            client.close()
            raise Problem(f"{client.command} is no GTP program: {fault}", USAGE) from None
        return client.command
    with suppress(Fault):
        return f"{name} {client.ask('version', START)}".strip()
    return name


def play_on(match: Match, folder: Path, numbers: Sequence[int], parallel: int, watch: Watch) -> Iterator[Row]:
    """Plays games with these numbers, so many at once, and gives each as it is finished and kept.

    Raises Problem where a program cannot be started. Closed, it ends the programs and forgets unfinished games.
    """
    left: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Row, list[int]] | Exception] = queue.SimpleQueue()
    for number in numbers:
        left.put(number)
    running: dict[int, int] = {}
    tables = [Table(match) for _ in range(max(1, min(parallel, len(numbers))))]
    for table in tables:
        threading.Thread(target=work, args=(table, left, done, running), daemon=True, name="go-match").start()
    try:
        waiting = len(numbers)
        while waiting:
            watch(dict(running))
            with suppress(queue.Empty):
                found = done.get(timeout=LISTEN)
                if isinstance(found, Exception):
                    raise found
                row, moves = found
                keep(folder, row, moves, match)
                waiting -= 1
                yield row
        for table in tables:
            table.close()
    finally:
        for table in tables:
            table.kill()


def work(
    table: Table,
    left: queue.SimpleQueue[int],
    done: queue.SimpleQueue[tuple[Row, list[int]] | Exception],
    running: dict[int, int],
) -> None:
    """What a thread does: game after game, until there are none left."""
    with suppress(queue.Empty):
        while True:
            number = left.get_nowait()
            try:
                done.put(table.play(number, lambda moves, number=number: running.update({number: moves})))  # type: ignore[misc]
            except Exception as error:  # told by whoever waits for games
                done.put(error)
                return
            finally:
                running.pop(number, None)
