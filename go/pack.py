"""Packs positions for training: planes and moves as one file that can be memory-mapped, split by game.

games.npz        the games in packed order: moves, stones, names, information
positions.npy    rows of ("planes", 2,166 bytes) and ("move", int16, row · 19 + column): train, then valid, then test
index.json       the rows of each split, what was packed, what was left out

A row is a position and the move played in it; passes are left out. A game's split depends on its first 50 moves up to
symmetry: a game, a longer record of it and its mirror image are in one split. Of identical games, the first is kept.
An interrupted pack is continued by the same call.
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
from typing import Annotated, Any, BinaryIO, TypedDict

import numpy as np

from ..core import files, schema
from ..core.problem import DATA, FAILED, USAGE, Bad, Problem
from ..core.schema import Between, Length
from ..core.sources.expand import expanded
from ..core.sources.folder import file_fingerprint, folder_fingerprint
from ..core.split import SPLITS, split
from .collection import Collection, read_collection
from .compiled import compiled
from .coords import SIZE
from .game import set_up
from .games import Games
from .planes import bytes_of, write
from .position import PASS, clear, empty_positions, play_without_undo, point_of, set_turn
from .record_files import RECORDS

FORMAT = 1
PLANES = bytes_of(SIZE)
ROW = np.dtype([("planes", "u1", PLANES), ("move", "<i2")])
BATCH = 16  # games per task: 7 MB of rows
SAVE_EVERY = 20  # seconds between two saves of the progress
PACK_FILES = ("games.npz", "positions.npy", "index.json", "done.npy")
Progress = Callable[[int, int | None], object]
Count = Annotated[int, Between(0, 1e12)]


class SplitCounts(TypedDict):
    """The number of games of each split."""

    train: Count
    valid: Count
    test: Count


class SplitRows(TypedDict):
    """The first row of each split, and the row after its last."""

    train: Annotated[list[Count], Length(2, 2)]
    valid: Annotated[list[Count], Length(2, 2)]
    test: Annotated[list[Count], Length(2, 2)]


class LeftOut(TypedDict):
    """A record that is not in a pack."""

    file: str
    reason: str


class PackIndex(TypedDict):
    """The content of index.json."""

    format: int
    asked: str  # identifies the request, see `fingerprint`
    complete: bool
    size: int
    games: SplitCounts
    rows: SplitRows
    positions: Count
    bad: list[LeftOut]


def pack(
    arguments: Sequence[str], folder: Path, valid: float = 0.05, test: float = 0.05, workers: int = 1
) -> dict[str, Any]:
    """Packs games into a folder, or continues an interrupted pack. Returns the content of index.json.

    `valid` and `test` are shares of the games. Raises Problem if the folder holds another pack or other files, if no
    game is usable, or if the disk is too small.
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
    """Reads and splits the games, unless the folder already holds a pack of them; `force` replaces another pack."""
    request = fingerprint(arguments, valid, test)
    if force:
        for name in PACK_FILES:
            (folder / name).unlink(missing_ok=True)
    index = existing_index(folder, request)
    return index or start(folder, request, read_collection(arguments, workers, progress), valid, test)


def finish(folder: Path, index: dict[str, Any], workers: int, progress: Progress | None = None) -> dict[str, Any]:
    """Computes the missing positions of a pack."""
    if not index["complete"]:
        write_rows(folder, Games.load(folder / "games.npz"), workers, progress)
        index["complete"] = True
        save_index(folder, index)
        (folder / "done.npy").unlink(missing_ok=True)
    return index


def count_packed(folder: Path, index: dict[str, Any]) -> int:
    """The number of positions computed so far."""
    if index["complete"]:
        return int(index["positions"])
    return int(index["positions"] * read_completed(folder, sum(index["games"].values())).mean())


def fingerprint(arguments: Sequence[str], valid: float, test: float) -> str:
    """Identifies a request by its files, their sizes and times of change, without reading them."""
    parts: list[Any] = [FORMAT, valid, test]
    for argument in arguments:
        if argument == "-":  # stdin cannot be read a second time
            parts.append(os.urandom(16).hex())
            continue
        archive = argument.partition("!")[0]
        for path in [archive] if os.path.isfile(archive) else expanded(argument):
            parts.append([argument, file_fingerprint(Path(os.path.abspath(path)), "")])
            parts += folder_fingerprint(path, RECORDS) if os.path.isdir(path) else []
    return blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def existing_index(folder: Path, request: str) -> dict[str, Any] | None:
    """The index of the pack in a folder, complete or not; None if there is none. Raises Problem for other content."""
    if folder.exists() and not folder.is_dir():
        raise Problem(f"{folder} is a file; name a folder with --out", USAGE)
    if not (folder / "index.json").exists():
        if folder.is_dir() and any(path.name not in PACK_FILES for path in folder.iterdir()):
            raise Problem(f"{folder} exists and holds other files; name another folder with --out", USAGE)
        return None
    index = read_index(folder)
    if index.get("asked") != request:
        raise Problem(
            f"{folder} holds a pack of other games or with other splits; name another folder with --out, "
            "or replace it with --force",
            USAGE,
        )
    return index


def read_index(folder: Path) -> dict[str, Any]:
    """The index of a pack. Raises Problem if it is damaged."""
    path = folder / "index.json"
    index = schema.read_json(path, PackIndex, "the index of a pack", "replace the pack with --force")
    if index["format"] != FORMAT:
        raise Problem(f"{path} has another format than this neocog's; replace the pack with --force", DATA)
    return index


def start(folder: Path, request: str, collection: Collection, valid: float, test: float) -> dict[str, Any]:
    """Splits the games, reserves space on the disk, and writes the index."""
    usable, bad = usable_games(collection)
    if not usable:
        first = f", first: {bad[0].file} {bad[0].reason}" if bad else ""
        raise Problem(f"none of {len(bad):,} records can be packed{first}", DATA)
    splits = split([collection.openings[i] for i in usable], ["game"] * len(usable), valid, test)[0]
    order = sorted(range(len(usable)), key=lambda i: SPLITS.index(splits[i]))
    games = collection.games.subset(usable[i] for i in order)
    rows = first_rows(games)
    ends = {part: int(rows[sum(SPLITS.index(name) <= i for name in splits)]) for i, part in enumerate(SPLITS)}
    index = {
        "format": FORMAT,
        "asked": request,
        "complete": False,
        "size": SIZE,
        "games": {part: splits.count(part) for part in SPLITS},
        "rows": {part: [first, ends[part]] for part, first in zip(SPLITS, [0, *ends.values()], strict=False)},
        "positions": int(rows[-1]),
        "bad": [record._asdict() for record in bad],
    }
    reserve(folder, int(rows[-1]))
    games.save(folder / "games.npz")
    np.save(folder / "done.npy", np.zeros(-(-len(games) // BATCH), np.uint8))
    save_index(folder, index)
    return index


def usable_games(collection: Collection) -> tuple[list[int], list[Bad]]:
    """The indices of the games to pack, and the records left out with the reason."""
    bad, first = [*collection.bad], dict[bytes, int]()
    usable = []
    for i, (size, digest) in enumerate(zip(collection.games.sizes, collection.digests, strict=True)):
        name = collection.games.names[i]
        if size != SIZE:
            bad.append(Bad(name, f"is on {size}×{size}; training takes {SIZE}×{SIZE}"))
        elif digest in first:
            bad.append(Bad(name, f"is the same game as {collection.games.names[first[digest]]}, up to symmetry"))
        else:
            first[digest] = i
            usable.append(i)
    return usable, bad


def first_rows(games: Games) -> Any:
    """The first row of each game, int64 (G + 1,): a game has a row for each move that is not a pass."""
    rows = np.concatenate([[0], np.cumsum(games.moves >= 0)])
    return rows[games.starts]


def reserve(folder: Path, rows: int) -> None:
    """Creates the file for the rows. Raises Problem if the disk is too small."""
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


def write_rows(folder: Path, games: Games, workers: int, progress: Progress | None) -> None:
    """Computes the missing rows in threads; the compiled code releases the interpreter."""
    completed, starts = read_completed(folder, len(games)), first_rows(games)
    path = folder / "positions.npy"
    header_size = path.stat().st_size - int(starts[-1]) * ROW.itemsize
    lock, stopping = threading.Lock(), threading.Event()
    with files.disk_errors(path), open(path, "rb+") as file:

        def work(batch: int) -> None:
            if stopping.is_set():
                return
            first, last = batch * BATCH, min((batch + 1) * BATCH, len(games))
            rows = rows_of(games, first, last, int(starts[last] - starts[first]))
            with lock:
                file.seek(header_size + int(starts[first]) * ROW.itemsize)
                file.write(rows)
                completed[batch] = 1

        with ThreadPoolExecutor(workers, thread_name_prefix="neocog-pack") as pool:
            try:
                saved = time.monotonic()
                for task in as_completed([pool.submit(work, int(batch)) for batch in np.flatnonzero(completed == 0)]):
                    task.result()
                    if progress:
                        progress(int(starts[-1] * completed.mean()), int(starts[-1]))
                    if time.monotonic() - saved > SAVE_EVERY:
                        save_completed(folder, file, lock, completed)
                        saved = time.monotonic()
            finally:
                stopping.set()
                save_completed(folder, file, lock, completed)


def read_completed(folder: Path, games: int) -> Any:
    """A flag for each batch of a pack, uint8: 1 if its rows are on the disk."""
    try:
        return np.load(folder / "done.npy")
    except (OSError, ValueError):  # lost: compute all batches
        return np.zeros(-(-games // BATCH), np.uint8)


def save_completed(folder: Path, file: BinaryIO, lock: threading.Lock, completed: Any) -> None:
    """Saves the flags of complete batches, after their rows have reached the disk."""
    with lock:
        file.flush()
        snapshot = completed.copy()
    os.fsync(file.fileno())
    files.write(folder / "done.npy", lambda temporary: save_array(temporary, snapshot))


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
    """Packs the position before each move of some games, and the move."""
    offset = 0
    for game in range(len(starts) - 1):
        clear(b, b.size)
        first, last = stone_starts[game], stone_starts[game + 1]
        set_up(b, stones[first:last], stone_colours[first:last])
        for i in range(starts[game], starts[game + 1]):
            set_turn(b, colours[i])
            p = PASS
            if moves[i] >= 0:
                p = point_of(b, moves[i])
                write(b, out, offset)
                out[offset + PLANES], out[offset + PLANES + 1] = moves[i] & 255, moves[i] >> 8
                offset += PLANES + 2
            play_without_undo(b, p)
