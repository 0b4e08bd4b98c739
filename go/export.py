"""Planes for other programs: one .npz of arrays, written piece by piece so that it is never whole in memory."""

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

TOGETHER = 512  # positions that are unpacked at once: 9 MB


@dataclass(frozen=True)
class Choice:
    """Which positions of a game are meant: those in which every move was played, the last move, or move N + 1."""

    text: str

    def numbers(self, game: Game) -> range:
        """How many moves were played before each position."""
        if self.text == "every":
            return range(len(game))
        if self.text == "last":
            return range(max(0, len(game) - 1), len(game))
        return range(int(self.text), int(self.text) + 1) if int(self.text) < len(game) else range(0)

    @classmethod
    def parse(cls, text: str) -> Choice:
        if text not in ("every", "last") and not text.isdecimal():
            raise Problem(f"--moves is every, last or a number of moves; got {text}", USAGE)
        return cls(text)


def export(
    collection: Collection, choice: Choice, size: int, path: Path, progress: Progress | None = None
) -> tuple[dict[str, Any], list[Bad]]:
    """Writes planes uint8 (N, 48, size, size), move, game, number, and the games' names. Gives what was written.

    `move` is the move that was played, row · size + column, −1 for a pass; `number` the moves before it; `game` the
    place in `names`. Raises Problem where there is no position.
    """
    bad = [*collection.bad]
    indices: list[tuple[int, int]] = []
    for at, name in enumerate(collection.games.names):
        if collection.games.sizes[at] != size:
            own = int(collection.games.sizes[at])
            bad.append(Bad(name, f"is on {own}×{own}; --size {own} takes those"))
            continue
        numbers = choice.numbers(collection.games[at])
        indices += [(at, number) for number in numbers]
        if not numbers:
            bad.append(Bad(name, f"has {len(collection.games[at])} moves"))
    if not indices:
        first = f", first: {bad[0].file} {bad[0].reason}" if bad else ""
        raise Problem(f"there is no position to write; {len(bad):,} records left out{first}", DATA)
    files.write(path, lambda beside: write_npz(beside, collection, indices, size, progress))
    return {"positions": len(indices), "games": len({at for at, _ in indices}), "size": size, "out": str(path)}, bad


def write_npz(
    path: Path, collection: Collection, indices: Sequence[tuple[int, int]], size: int, progress: Progress | None
) -> None:
    games, done = collection.games, 0
    moves = [int(games.moves[games.starts[at] + number]) for at, number in indices]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("planes.npy", "w", force_zip64=True) as file:
            head = {"descr": "|u1", "fortran_order": False, "shape": (len(indices), COUNT, size, size)}
            np.lib.format.write_array_header_1_0(file, head)
            for rows in pieces(collection, indices, size):
                file.write(unpacked(rows, size).tobytes())
                done += len(rows)
                if progress:
                    progress(done, len(indices))
        for name, values in (
            ("move", np.array(moves, np.int16)),
            ("game", np.array([at for at, _ in indices], np.int32)),
            ("number", np.array([number for _, number in indices], np.int32)),
            ("names", np.array(games.names, np.str_)),
        ):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, values, allow_pickle=False)


def pieces(collection: Collection, indices: Sequence[tuple[int, int]], size: int) -> Iterator[Any]:
    """Packed positions, uint8 (up to 512, bytes)."""
    for begin in range(0, len(indices), TOGETHER):
        rows = np.empty((len(indices[begin : begin + TOGETHER]), bytes_of(size)), np.uint8)
        for row, (at, number) in zip(rows, indices[begin : begin + TOGETHER], strict=True):
            row[:] = packed(collection.games[at].position(number))
        yield rows
