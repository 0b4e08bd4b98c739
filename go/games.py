"""Many games as a few flat arrays: 2 bytes a move, so millions of positions fit where their planes would not."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ..core import files
from ..core.problem import DATA, Problem
from .game import Game, GameInfo
from .symmetry import table

OPENING = 50  # moves: records of one game agree in so many, those of two games do not
ARRAYS = ("stones", "stone_colours", "moves", "colours")


@dataclass(frozen=True)
class Games:
    """Games one after the other: the moves of game g are those from starts[g] to starts[g + 1]; likewise its stones."""

    names: list[str]
    info: list[GameInfo]
    sizes: Any  # uint8 (G,)
    firsts: Any  # uint8 (G,): the colour to move if there are no moves
    stone_starts: Any  # int64 (G + 1,)
    stones: Any  # int16
    stone_colours: Any  # uint8
    starts: Any  # int64 (G + 1,)
    moves: Any  # int16
    colours: Any  # uint8

    @classmethod
    def from_list(cls, games: Sequence[Game]) -> Games:
        arrays = {name: _concatenate([getattr(game, name) for game in games]) for name in ARRAYS}
        return cls(
            names=[game.name for game in games],
            info=[game.info for game in games],
            sizes=np.array([game.size for game in games], np.uint8),
            firsts=np.array([game.first for game in games], np.uint8),
            stone_starts=_starts([len(game.stones) for game in games]),
            starts=_starts([len(game.moves) for game in games]),
            **arrays,
        )

    @classmethod
    def concatenate(cls, parts: Sequence[Games]) -> Games:
        return cls(
            names=[name for part in parts for name in part.names],
            info=[info for part in parts for info in part.info],
            sizes=_concatenate([part.sizes for part in parts], np.uint8),
            firsts=_concatenate([part.firsts for part in parts], np.uint8),
            stone_starts=_starts(_concatenate([np.diff(part.stone_starts) for part in parts], np.int64)),
            starts=_starts(_concatenate([np.diff(part.starts) for part in parts], np.int64)),
            **{name: _concatenate([getattr(part, name) for part in parts]) for name in ARRAYS},
        )

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Game:
        stones = slice(*self.stone_starts[index : index + 2])
        moves = slice(*self.starts[index : index + 2])
        return Game(
            self.names[index],
            int(self.sizes[index]),
            self.stones[stones],
            self.stone_colours[stones],
            self.moves[moves],
            self.colours[moves],
            int(self.firsts[index]),
            self.info[index],
        )

    def subset(self, indices: Iterable[int]) -> Games:
        """The games at `indices`, in that order."""
        return Games.from_list([self[index] for index in indices])

    def save(self, path: Path) -> None:
        """Writes one .npz without pickled objects: the arrays, and names and information as JSON in bytes."""
        header = {"names": self.names, "info": [asdict(info) for info in self.info]}
        arrays = {name: value for name, value in self.__dict__.items() if name not in ("names", "info")}
        encoded = json.dumps(header, ensure_ascii=False).encode("utf-8", "surrogateescape")
        arrays["header"] = np.frombuffer(encoded, np.uint8)

        def write(temporary: Path) -> None:
            with open(temporary, "wb") as file:
                np.savez_compressed(file, **arrays)

        files.write(path, write)

    @classmethod
    def load(cls, path: Path) -> Games:
        """Raises Problem if the file is damaged."""
        try:
            with open(path, "rb") as content, np.load(content) as file:
                arrays = {name: file[name] for name in file.files}
            encoded = arrays.pop("header" if "header" in arrays else "told")  # "told" with "facts": older packs
            header = json.loads(encoded.tobytes().decode("utf-8", "surrogateescape"))
            info = [GameInfo(**values) for values in header.get("info") or header["facts"]]
            return cls(names=header["names"], info=info, **arrays)
        except (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, zlib.error, BadZipFile) as error:
            raise Problem(f"{path} is damaged ({error}); pack the games again", DATA) from error


def _starts(counts: Any) -> Any:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _concatenate(arrays: Sequence[Any], dtype: Any = np.int16) -> Any:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype)


# --- duplicates ----------------------------------------------------------------------------------------------------


def canonical(game: Game, max_moves: int | None = None) -> bytes:
    """The same bytes for a game and its rotations and reflections; compares `max_moves` moves, by default all."""
    moves, colours = game.moves[:max_moves], game.colours[:max_moves]
    variants: list[bytes] = []
    for places_after in table(game.size):
        places = places_after[game.stones]
        order = np.argsort(places)
        stones: bytes = places[order].astype("<i2").tobytes() + game.stone_colours[order].tobytes()
        variants.append(stones + places_after[moves].astype("<i2").tobytes())
    return bytes([game.size]) + min(variants) + bytes(colours.tobytes())


def digest(game: Game, max_moves: int | None = None) -> bytes:
    return blake2b(canonical(game, max_moves), digest_size=16).digest()
