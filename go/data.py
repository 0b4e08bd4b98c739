"""Loads Go data: `load` (the positions of many games), `read` (one position), `expand_paths` (records)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.data import Data, DataSpec, Examples, Preprocessing
from ..core.inputs import BytesInput, Input, TooLarge
from ..core.lazy import LazyInputs
from ..core.options import cache_folder
from ..core.problem import DATA, USAGE, Bad, Problem
from ..core.sources import expand
from ..core.sources.content import Unreadable, fetched
from ..core.sources.manifest import require_file_or_folder
from ..core.sources.read import source_of, title_of
from ..core.split import SPLITS, split
from . import pack, sgf
from .collection import Collection
from .collection_cache import read_cached
from .coords import SIZE, vertex
from .frontend import LegalMask, planes_option
from .game import Game
from .games import Games
from .planes import packed
from .positions import Positions
from .record_files import LARGEST_FILE, RECORDS, archive_in, record_files

LABELS = [vertex(place, SIZE) for place in range(SIZE * SIZE)]
TEST_GAMES, VALID_GAMES = 1000, 250  # enough: 200,000 positions distinguish 40.0% from 40.3%
VALID_SHARE = 0.05
MAX_BYTES = 1_000_000  # of a record of a stranger


class PositionNames:
    """The names of positions, built on access: "games.zip!kgs/17.sgf, move 57"."""

    def __init__(self, positions: Positions, indices: Any) -> None:
        self.positions, self.indices = positions, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> str:
        positions, position = self.positions, self.indices[index]
        game = positions.game[position]
        move = positions.move_indices[position] - positions.games.starts[game] + 1
        return f"{positions.games.names[game]}, move {move}"

    def digest(self) -> bytes:
        """Returns a digest of the games' file names, without folders, and of the indices of the positions."""
        games = np.unique(self.positions.game[self.indices]).tolist()
        files = "\0".join(self.positions.games.names[game].rsplit("/", 1)[-1] for game in games)
        return blake2b(files.encode(errors="surrogateescape") + np.asarray(self.indices).tobytes()).digest()


@dataclass
class SplitGames:
    """Games with their splits, and the records left out."""

    games: Games
    splits: Any  # (G,): the index of each game's split in SPLITS
    bad: list[Bad]
    remarks: list[str]
    given_splits: frozenset[str]


def load(source: DataSpec, labels: list[str] | None, preprocessing: Preprocessing | None) -> Data:
    """The positions before each move of some games; their planes are computed when a batch is fetched.

    All positions of a game are in one split, with those of longer records of the game and of its mirror image. Raises
    Problem if the records cannot be used.
    """
    if source.grouping:
        raise Problem("the positions of a game are always in one split; leave --group-by and --fold-by out", USAGE)
    require_no_columns(source)
    if source.exclude:
        raise Problem("the moves of games cannot be left out one by one; leave --exclude out", USAGE)
    labels = labels or LABELS
    if set(labels) != set(LABELS):
        raise Problem(f"the model has {len(labels)} labels; expected the {len(LABELS)} points of a board", DATA)
    label_of_place = np.array([labels.index(point) for point in LABELS])
    preprocessing = preprocessing or {"planes": planes_option(dict(source.options))}
    is_pack = (Path(source.data) / "index.json").is_file()
    data = packed_games(source) if is_pack else split_games(source)
    positions = Positions(data.games)
    split_of_position = data.splits[positions.game]
    train, valid, test = (
        examples(positions, np.flatnonzero(split_of_position == i), label_of_place) for i in range(len(SPLITS))
    )
    return Data(train, valid, test, labels, preprocessing, data.bad, data.remarks, given_splits=data.given_splits)


def require_no_columns(source: DataSpec) -> None:
    """Raises Problem for columns of targets, which game records do not have."""
    if options := source.targets.table_options:
        raise Problem(f"{options[0]} is for tables; the target of a position is its move", USAGE)


def form(preprocessing: Preprocessing) -> dict[str, str]:
    """The options that prepare positions as a model with this preprocessing needs them."""
    return {"planes": planes_option(preprocessing)}


def examples(positions: Positions, indices: Any, label_of_place: Any) -> Examples:
    """The positions at `indices`."""
    inputs = LazyInputs(lambda subset: torch.from_numpy(positions.rows(subset)), torch.from_numpy(indices))
    targets = torch.from_numpy(label_of_place[positions.moves[indices]])
    return Examples(inputs, targets, PositionNames(positions, indices))


def split_games(source: DataSpec) -> SplitGames:
    """Splits the games of records by a hash of their openings, or as given. Raises Problem if there are none."""
    cache = cache_folder(source.options)
    given_paths = {name: path for name in ("test", "valid") if (path := getattr(source, name))}
    paths = {"train": source.data, **given_paths}
    for path in paths.values():
        require_file_or_folder(path)
    collections = {name: read_cached([path], cache, source.progress) for name, path in paths.items()}
    usable = {name: pack.usable_games(collection) for name, collection in collections.items()}
    splits: dict[str, list[str]] = {name: [name] * len(indices) for name, (indices, _) in usable.items()}
    openings = {name: [collections[name].openings[i] for i in indices] for name, (indices, _) in usable.items()}
    given_openings = {opening for name in given_paths for opening in openings[name]}
    free = [i for i, opening in enumerate(openings["train"]) if opening not in given_openings]
    shares = [0.0 if name in given_paths else share for name, share in shares_of(source, len(free)).items()]
    salt = str(source.split).encode() if source.split else b""
    hashed = split([salt + openings["train"][i] for i in free], ["game"] * len(free), shares[0], shares[1])[0]
    splits["train"] = ["duplicate"] * len(openings["train"])  # of a given test or validation game: left out
    for i, name in zip(free, hashed, strict=True):
        splits["train"][i] = name
    bad = [record for _, left_out in usable.values() for record in left_out]
    check_usable(source, collections.values(), bad, len(free))
    chosen = [
        (SPLITS.index(split_name), name, i)
        for name, (indices, _) in usable.items()
        for i, split_name in zip(indices, splits[name], strict=True)
        if split_name in SPLITS
    ]
    chosen.sort(key=lambda game: game[0])
    games = Games.from_list([collections[name].games[i] for _, name, i in chosen])
    duplicates = len(openings["train"]) - len(free)
    remark = f"left out of training, as they are also among the {' and '.join(given_paths)} data: {duplicates:,} games"
    remarks = [remark] if duplicates else []
    return SplitGames(games, np.array([i for i, _, _ in chosen], np.int8), bad, remarks, frozenset(given_paths))


def shares_of(source: DataSpec, games: int) -> dict[str, float]:
    """The shares of games for validation and test: as set, or else at most what is enough."""
    games = max(1, games)
    test = source.test_share if is_set(source, "test_share") else min(source.test_share, TEST_GAMES / games)
    valid = source.valid_share
    return {"valid": min(VALID_SHARE, VALID_GAMES / games) if valid is None else valid * (1 - test), "test": test}


def check_usable(source: DataSpec, collections: Iterable[Collection], left_out: Sequence[Bad], usable: int) -> None:
    """Raises Problem if no game is usable, or too many records are unreadable.

    Games on other board sizes and duplicates do not count as unreadable.
    """
    if not usable:
        first = "; ".join(f"{record.file} {record.reason}" for record in left_out[:3])
        raise Problem(f"{source.data} holds no game on {SIZE}×{SIZE} to learn from ({first or 'no records'})", DATA)
    collections = list(collections)
    unreadable = [bad for collection in collections for bad in collection.bad]
    count = sum(len(collection.games) + len(collection.bad) for collection in collections)
    if len(unreadable) > source.max_bad * count:
        first = "; ".join(f"{record.file} {record.reason}" for record in unreadable[:3])
        raise Problem(
            f"{len(unreadable):,} of {count:,} records cannot be used, more than --max-bad {source.max_bad:.0%}: "
            f"{first}",
            DATA,
        )


def is_set(source: DataSpec, name: str) -> bool:
    """Returns True if a field differs from its default."""
    return bool(getattr(source, name) != getattr(DataSpec, name))


def packed_games(source: DataSpec) -> SplitGames:
    """The games of a folder made by `neocog go pack`, with its splits."""
    folder = Path(source.data)
    flags = [name for name in ("test", "valid", "test_share", "valid_share", "split") if is_set(source, name)]
    if flags:
        flag = f"--{flags[0].replace('_', '-')}"
        raise Problem(f"{folder} is a pack, which is already split; leave {flag} out", USAGE)
    index = pack.read_index(folder)
    games = Games.load(folder / "games.npz")
    splits = np.repeat(np.arange(len(SPLITS), dtype=np.int8), [index["games"][name] for name in SPLITS])
    given_splits = frozenset(name for name in ("test", "valid") if index["games"][name])
    return SplitGames(games, splits, [Bad(**bad) for bad in index["bad"]], [], given_splits)


def read(value: Input, preprocessing: Preprocessing) -> Tensor:
    """A position of a record, uint8 (2166,): before move `value.options["move"]`, by default after the last move.

    Raises Problem for a file that is not a record, on another board size or too short, or without a legal move.
    """
    name = title_of(value, "record")
    game = read_game(value)
    number = value.options.get("move")
    if number is not None and not 1 <= number <= len(game) + 1:
        raise Problem(f"{name} has {len(game)} moves; --move is from 1 to {len(game) + 1}, got {number}", USAGE)
    row = torch.from_numpy(packed(game.position(moves_before(game, value))))
    if not LegalMask()(row[None]).any():
        raise Problem(f"{name}: no move is legal in that position", DATA)
    return row


def check_length(value: Input) -> None:
    """Raises TooLarge for a record of more than MAX_BYTES."""
    content = source_of(value, "record")
    if isinstance(content, bytes) and len(content) > MAX_BYTES:
        raise TooLarge(f"the record has {len(content):,} bytes; send at most {MAX_BYTES:,}")


def moves_before(game: Game, value: Input) -> int:
    """The number of moves of a game before the one that the input's `move` names; by default all."""
    number = value.options.get("move")
    return len(game) if number is None else int(number) - 1


def read_game(value: Input) -> Game:
    """The game of a record on 19×19. Raises Problem."""
    name = title_of(value, "record")
    try:
        content = fetched(source_of(value, "record"), LARGEST_FILE)
        assert isinstance(content, bytes)
        game = sgf.read(content)
    except (Unreadable, sgf.BadRecord) as problem:
        raise Problem(f"{name} {problem}", DATA) from None
    if game.size != SIZE:
        raise Problem(f"{name} is on {game.size}×{game.size}; the network takes {SIZE}×{SIZE}", DATA)
    return game


def expand_paths(arguments: Sequence[str]) -> list[Input]:
    """The records among files, folders and globs, and those that are named in archives: `games.zip!kgs/1.sgf`.

    Raises Problem for an archive as a whole, and for a record that an archive does not hold.
    """
    inputs: list[Input] = []
    for argument in arguments:
        if (archive := archive_in(argument)) is None:
            inputs += expand.expand_paths([argument], RECORDS)
        elif archive == argument:
            first = next((name for name, _ in record_files([argument])), argument)
            raise Problem(f"{argument} is an archive of records; name one of them, as in {first!r}", DATA)
        else:
            for name, content in record_files([argument]):
                if isinstance(content, Unreadable):
                    raise Problem(f"{name} {content}", DATA)
                inputs.append(BytesInput(content, name))
    return inputs
