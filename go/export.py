"""Exports planes for other programs: one .npz of arrays, written in batches to bound the memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core import files
from ..core.problem import DATA, USAGE, Bad, Problem
from .collection import Collection, Progress
from .game import Game
from .planes import COUNT, bytes_of, packed, unpacked

BATCH = 512  # positions unpacked at a time: 9 MB


@dataclass(frozen=True)
class PositionChoice:
    """The positions of a game to export: before every move, before the last move, or after N moves."""

    text: str

    def numbers(self, game: Game) -> range:
        """The number of moves before each position."""
        if self.text == "every":
            return range(len(game))
        if self.text == "last":
            return range(max(0, len(game) - 1), len(game))
        return range(int(self.text), int(self.text) + 1) if int(self.text) < len(game) else range(0)

    @classmethod
    def parse(cls, text: str) -> PositionChoice:
        if text not in ("every", "last") and not text.isdecimal():
            raise Problem(f"--moves is every, last or a number of moves; got {text}", USAGE)
        return cls(text)


def export(
    collection: Collection, choice: PositionChoice, size: int, path: Path, progress: Progress | None = None
) -> tuple[dict[str, Any], list[Bad]]:
    """Writes planes uint8 (N, 48, size, size), move, game, number, and the games' names. Returns a summary.

    `move` is the move played, row · size + column, −1 for a pass; `number` the moves before it; `game` an index into
    `names`. Raises Problem if there is no position.
    """
    bad = [*collection.bad]
    chosen: list[tuple[int, int]] = []  # game and number of each position
    for game, name in enumerate(collection.games.names):
        if collection.games.sizes[game] != size:
            actual = int(collection.games.sizes[game])
            bad.append(Bad(name, f"is on {actual}×{actual}; --size {actual} takes those"))
            continue
        numbers = choice.numbers(collection.games[game])
        chosen += [(game, number) for number in numbers]
        if not numbers:
            bad.append(Bad(name, f"has {len(collection.games[game])} moves"))
    if not chosen:
        first = f", first: {bad[0].file} {bad[0].reason}" if bad else ""
        raise Problem(f"there is no position to write; {len(bad):,} records left out{first}", DATA)
    files.write(path, lambda temporary: write_npz(temporary, collection, chosen, size, progress))
    return {"positions": len(chosen), "games": len({game for game, _ in chosen}), "size": size, "out": str(path)}, bad


def write_npz(
    path: Path, collection: Collection, chosen: Sequence[tuple[int, int]], size: int, progress: Progress | None
) -> None:
    games, count = collection.games, 0
    moves = [int(games.moves[games.starts[game] + number]) for game, number in chosen]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("planes.npy", "w", force_zip64=True) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (len(chosen), COUNT, size, size)}
            np.lib.format.write_array_header_1_0(file, header)
            for rows in packed_batches(collection, chosen, size):
                file.write(unpacked(rows, size).tobytes())
                count += len(rows)
                if progress:
                    progress(count, len(chosen))
        for name, values in (
            ("move", np.array(moves, np.int16)),
            ("game", np.array([game for game, _ in chosen], np.int32)),
            ("number", np.array([number for _, number in chosen], np.int32)),
            ("names", np.array(games.names, np.str_)),
        ):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, values, allow_pickle=False)


def packed_batches(collection: Collection, chosen: Sequence[tuple[int, int]], size: int) -> Iterator[Any]:
    """Yields packed positions, uint8 (up to 512, bytes)."""
    for start in range(0, len(chosen), BATCH):
        batch = chosen[start : start + BATCH]
        rows = np.empty((len(batch), bytes_of(size)), np.uint8)
        for row, (game, number) in zip(rows, batch, strict=True):
            row[:] = packed(collection.games[game].position(number))
        yield rows
