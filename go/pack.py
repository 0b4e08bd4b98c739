"""Positions packed for training: planes and moves as one file that can be mapped into memory, divided by game.

games.npz        the games in the order in which they are packed: moves, stones, names, facts
positions.npy    rows of ("planes", 2,166 bytes) and ("move", int16, row · 19 + column): train, valid and test in turn
index.json       which rows are which part, what was packed, what was left out

A row is a position in which a move was played; passes are left out. Which part a game goes to is decided by its first
50 moves up to symmetry: a game, a longer record of it and its mirror image are on one side. Of games that are the same
to the end, the first is kept. A pack that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..core import files
from ..core.problem import DATA, FAILED, USAGE, Bad, Problem
from ..core.sources.expand import expanded
from ..core.sources.folder import Folder, stamp_of
from ..core.split import PARTS, split
from .collection import Collection, read_collection
from .compiled import compiled
from .game import point_at, set_up
from .games import Games
from .planes import bytes_of, write
from .position import PASS, clear, empty_positions, play, turn_to
from .records import RECORDS

FORMAT = 1
SIZE = 19
PLANES = bytes_of(SIZE)
ROW = np.dtype([("planes", "u1", PLANES), ("move", "<i2")])
TOGETHER = 16  # games in one piece of work: 7 MB of rows
SAVE_EVERY = 20  # seconds between two records of what is on the disk
OURS = ("games.npz", "positions.npy", "index.json", "done.npy")
Progress = Callable[[int, int | None], object]


def pack(
    arguments: Sequence[str], folder: Path, valid: float = 0.05, test: float = 0.05, workers: int = 1
) -> dict[str, Any]:
    """Packs the games that arguments name into a folder, or goes on with it. Gives what index.json holds.

    `valid` and `test` are shares of the games. Raises Problem where the folder holds another pack or other things,
    where no game can be used, and where the disk is too small.
    """
    return finish(folder, prepare(arguments, folder, valid, test, workers), workers)


def prepare(
    arguments: Sequence[str],
    folder: Path,
    valid: float,
    test: float,
    workers: int,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Reads and divides the games, unless a pack of them was begun or finished there; `force` removes another one."""
    asked = stamp(arguments, valid, test)
    if force:
        for name in OURS:
            (folder / name).unlink(missing_ok=True)
    found = begun(folder, asked)
    return found or begin(folder, asked, read_collection(arguments, workers, progress), valid, test)


def finish(folder: Path, index: dict[str, Any], workers: int, progress: Progress | None = None) -> dict[str, Any]:
    """Computes the positions that a pack lacks."""
    if not index["complete"]:
        fill(folder, Games.load(folder / "games.npz"), workers, progress)
        index["complete"] = True
        save_index(folder, index)
        (folder / "done.npy").unlink(missing_ok=True)
    return index


def packed_so_far(folder: Path, index: dict[str, Any]) -> int:
    """How many positions of a pack are there."""
    if index["complete"]:
        return int(index["positions"])
    return int(index["positions"] * done_in(folder, sum(index["games"].values())).mean())


def stamp(arguments: Sequence[str], valid: float, test: float) -> str:
    """What was asked for, as far as it can be seen without reading: the same files, sizes and times of change."""
    told: list[Any] = [FORMAT, valid, test]
    for argument in arguments:
        if argument == "-":  # what came from there cannot come again
            told.append(os.urandom(16).hex())
            continue
        archive = argument.partition("!")[0]
        for path in [archive] if os.path.isfile(archive) else expanded(argument):
            told.append([argument, stamp_of(Path(os.path.abspath(path)), "")])
            told += Folder(path, RECORDS).stamp() if os.path.isdir(path) else []
    return blake2b(json.dumps(told).encode(), digest_size=16).hexdigest()


def begun(folder: Path, asked: str) -> dict[str, Any] | None:
    """The index of a pack that lies there, finished or not; None where there is none."""
    if folder.exists() and not folder.is_dir():
        raise Problem(f"{folder} is a file; name a folder with --out", USAGE)
    if not (folder / "index.json").exists():
        if folder.is_dir() and any(each.name not in OURS for each in folder.iterdir()):
            raise Problem(f"{folder} exists and holds other things; name another folder with --out", USAGE)
        return None
    index = begun_in(folder)
    if index.get("asked") != asked:
        raise Problem(
            f"{folder} holds a pack of other games or with other parts; name another folder with --out, "
            "or replace it with --force",
            USAGE,
        )
    return index


def begun_in(folder: Path) -> dict[str, Any]:
    """The index of a pack. Raises Problem where it is damaged."""
    path = folder / "index.json"
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Problem(f"{path} is damaged ({error}); replace the pack with --force", DATA) from None
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise Problem(f"{path} is not of this neocog's format; replace the pack with --force", DATA)
    return index


def begin(folder: Path, asked: str, collection: Collection, valid: float, test: float) -> dict[str, Any]:
    """Divides the games, makes room on the disk, and writes down what is to be packed."""
    usable, bad = usable_games(collection)
    if not usable:
        first = f", first: {bad[0].file} {bad[0].reason}" if bad else ""
        raise Problem(f"not one of {len(bad):,} records can be packed{first}", DATA)
    parts = split([collection.openings[at] for at in usable], ["game"] * len(usable), valid, test)[0]
    order = sorted(range(len(usable)), key=lambda at: PARTS.index(parts[at]))
    games = collection.games.chosen(usable[at] for at in order)
    rows = positions_of(games)
    ends = {part: int(rows[sum(PARTS.index(each) <= number for each in parts)]) for number, part in enumerate(PARTS)}
    index = {
        "format": FORMAT,
        "asked": asked,
        "complete": False,
        "size": SIZE,
        "games": {part: parts.count(part) for part in PARTS},
        "rows": {part: [begin, ends[part]] for part, begin in zip(PARTS, [0, *ends.values()], strict=False)},
        "positions": int(rows[-1]),
        "bad": [each._asdict() for each in bad],
    }
    make_room(folder, int(rows[-1]))
    games.save(folder / "games.npz")
    np.save(folder / "done.npy", np.zeros(-(-len(games) // TOGETHER), np.uint8))
    save_index(folder, index)
    return index


def usable_games(collection: Collection) -> tuple[list[int], list[Bad]]:
    """The games to pack, and all records that are left out with the reason."""
    bad, first = [*collection.bad], dict[bytes, int]()
    usable = []
    for at, (size, same) in enumerate(zip(collection.games.sizes, collection.digests, strict=True)):
        name = collection.games.names[at]
        if size != SIZE:
            bad.append(Bad(name, f"is on {size}×{size}; training takes {SIZE}×{SIZE}"))
        elif same in first:
            bad.append(Bad(name, f"is the same game as {collection.games.names[first[same]]}, up to symmetry"))
        else:
            first[same] = at
            usable.append(at)
    return usable, bad


def positions_of(games: Games) -> Any:
    """Where the rows of each game begin, int64 (G + 1,): its moves that are no passes."""
    plays = np.concatenate([[0], np.cumsum(games.moves >= 0)])
    return plays[games.starts]


def make_room(folder: Path, rows: int) -> None:
    """A file for so many rows. Raises Problem where the disk has no room for it."""
    needed = rows * ROW.itemsize
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise Problem(
                f"the disk is too small: {rows:,} positions need {needed / 1e9:,.1f} GB in {folder}, "
                f"{free / 1e9:,.1f} GB are free; make room or name another folder with --out",
                FAILED,
            )
        np.lib.format.open_memmap(folder / "positions.npy", "w+", ROW, (rows,))
    except OSError as error:
        raise Problem(f"{folder} cannot be written to ({error.strerror}); name another folder with --out") from None


def save_index(folder: Path, index: dict[str, Any]) -> None:
    files.write_text(folder / "index.json", json.dumps(index, ensure_ascii=False, indent=1))


def fill(folder: Path, games: Games, workers: int, progress: Progress | None) -> None:
    """Computes the rows that are not there yet, in threads: the compiled code lets go of the interpreter."""
    done, starts = done_in(folder, len(games)), positions_of(games)
    path = folder / "positions.npy"
    head = path.stat().st_size - int(starts[-1]) * ROW.itemsize
    writing, stopping = threading.Lock(), threading.Event()
    with open(path, "rb+") as file:

        def work(piece: int) -> None:
            if stopping.is_set():
                return
            first, last = piece * TOGETHER, min((piece + 1) * TOGETHER, len(games))
            rows = rows_of(games, first, last, int(starts[last] - starts[first]))
            with writing:
                file.seek(head + int(starts[first]) * ROW.itemsize)
                file.write(rows)
                done[piece] = 1

        with ThreadPoolExecutor(workers, thread_name_prefix="neocog-pack") as pool:
            try:
                saved = time.monotonic()
                for each in as_completed([pool.submit(work, int(piece)) for piece in np.flatnonzero(done == 0)]):
                    each.result()
                    if progress:
                        progress(int(starts[-1] * done.mean()), int(starts[-1]))
                    if time.monotonic() - saved > SAVE_EVERY:
                        record(folder, file, writing, done)
                        saved = time.monotonic()
            finally:
                stopping.set()
                record(folder, file, writing, done)


def done_in(folder: Path, games: int) -> Any:
    """Which pieces of a pack are on the disk, uint8."""
    try:
        return np.load(folder / "done.npy")
    except (OSError, ValueError):  # lost: compute them all
        return np.zeros(-(-games // TOGETHER), np.uint8)


def record(folder: Path, file: BinaryIO, writing: threading.Lock, done: Any) -> None:
    """Writes down which pieces are on the disk, once they are."""
    with writing:
        file.flush()
        now = done.copy()
    os.fsync(file.fileno())
    files.write(folder / "done.npy", lambda beside: save_array(beside, now))


def save_array(path: Path, array: Any) -> None:
    with open(path, "wb") as file:
        np.save(file, array)


def rows_of(games: Games, first: int, last: int, count: int) -> Any:
    """The rows of some games, uint8 (count · 2168,)."""
    out = np.empty(count * ROW.itemsize, np.uint8)
    stones, moves = games.stone_starts[first : last + 1], games.starts[first : last + 1]
    position = empty_positions(1, SIZE)[0]
    write_games(position, stones, games.stones, games.stone_colours, moves, games.moves, games.colours, out)
    return out


@compiled
def write_games(b, stone_starts, stones, stone_colours, starts, moves, colours, out):  # type: ignore[no-untyped-def]
    """Packs every position of some games in which a move was played, and the move."""
    base = 0
    for game in range(len(starts) - 1):
        clear(b, b.size)
        begin, end = stone_starts[game], stone_starts[game + 1]
        set_up(b, stones[begin:end], stone_colours[begin:end])
        for i in range(starts[game], starts[game + 1]):
            turn_to(b, colours[i])
            p = PASS
            if moves[i] >= 0:
                p = point_at(b, moves[i])
                write(b, out, base)
                out[base + PLANES], out[base + PLANES + 1] = moves[i] & 255, moves[i] >> 8
                base += PLANES + 2
            play(b, p)
