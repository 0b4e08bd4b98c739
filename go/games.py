"""Many games as a few flat arrays: 2 bytes a move, so that millions of positions fit where their planes do not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from ..core import files
from ..core.problem import DATA, Problem
from .game import Game, GameInfo
from .symmetry import table

OPENING = 50  # moves in which two records of one game agree, and two games do not
SEVERAL = ("stones", "stone_colours", "moves", "colours")


@dataclass(frozen=True)
class Games:
    """Games one after the other. Those of game g lie from starts[g] to starts[g + 1], and so do the stones."""

    names: list[str]
    info: list[GameInfo]
    sizes: Any  # uint8 (G,)
    firsts: Any  # uint8 (G,): who is to move where there are no moves
    stone_starts: Any  # int64 (G + 1,)
    stones: Any  # int16
    stone_colours: Any  # uint8
    starts: Any  # int64 (G + 1,)
    moves: Any  # int16
    colours: Any  # uint8

    @classmethod
    def of(cls, games: Sequence[Game]) -> Games:
        flat = {name: _joined([getattr(game, name) for game in games]) for name in SEVERAL}
        return cls(
            names=[game.name for game in games],
            info=[game.info for game in games],
            sizes=np.array([game.size for game in games], np.uint8),
            firsts=np.array([game.first for game in games], np.uint8),
            stone_starts=_starts([len(game.stones) for game in games]),
            starts=_starts([len(game.moves) for game in games]),
            **flat,
        )

    @classmethod
    def joined(cls, parts: Sequence[Games]) -> Games:
        """The games of all parts in their order."""
        return cls(
            names=[name for part in parts for name in part.names],
            info=[info for part in parts for info in part.info],
            sizes=_joined([part.sizes for part in parts], np.uint8),
            firsts=_joined([part.firsts for part in parts], np.uint8),
            stone_starts=_starts(_joined([np.diff(part.stone_starts) for part in parts], np.int64)),
            starts=_starts(_joined([np.diff(part.starts) for part in parts], np.int64)),
            **{name: _joined([getattr(part, name) for part in parts]) for name in SEVERAL},
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, at: int) -> Game:
        stones = slice(*self.stone_starts[at : at + 2])
        moves = slice(*self.starts[at : at + 2])
        return Game(
            self.names[at],
            int(self.sizes[at]),
            self.stones[stones],
            self.stone_colours[stones],
            self.moves[moves],
            self.colours[moves],
            int(self.firsts[at]),
            self.info[at],
        )

    def chosen(self, indices: Iterable[int]) -> Games:
        """The games at `indices`, in that order."""
        return Games.of([self[at] for at in indices])

    def save(self, path: Path) -> None:
        """One .npz without pickled objects: the arrays, and names and facts as JSON in bytes."""
        told = json.dumps({"names": self.names, "info": [asdict(each) for each in self.info]}, ensure_ascii=False)
        arrays = {name: value for name, value in self.__dict__.items() if name not in ("names", "info")}
        arrays["told"] = np.frombuffer(told.encode("utf-8", "surrogateescape"), np.uint8)

        def fill(beside: Path) -> None:
            with open(beside, "wb") as file:
                np.savez_compressed(file, **arrays)

        files.write(path, fill)

    @classmethod
    def load(cls, path: Path) -> Games:
        """Raises Problem where the file is damaged."""
        try:
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
            told = json.loads(arrays.pop("told").tobytes().decode("utf-8", "surrogateescape"))
            return cls(names=told["names"], info=[GameInfo(**each) for each in told["info"]], **arrays)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Problem(f"{path} is damaged ({error}); pack the games again", DATA) from error


def _starts(counts: Any) -> Any:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _joined(parts: Sequence[Any], dtype: Any = None) -> Any:
    return np.concatenate(parts) if parts else np.zeros(0, dtype or np.int16)


# --- which games are the same --------------------------------------------------------------------------------------


def canonical(game: Game, most: int | None = None) -> bytes:
    """The same for a game and its turned and reflected likenesses; `most` looks at so many moves only."""
    turns = table(game.size)
    moves, colours = game.moves[:most], game.colours[:most]
    told: list[bytes] = []
    for turn in turns:
        places = turn[game.stones]
        order = np.argsort(places)
        stones: bytes = places[order].astype("<i2").tobytes() + game.stone_colours[order].tobytes()
        told.append(stones + turn[moves].astype("<i2").tobytes())
    return bytes([game.size]) + min(told) + bytes(colours.tobytes())


def digest(game: Game, most: int | None = None) -> bytes:
    return blake2b(canonical(game, most), digest_size=16).digest()
