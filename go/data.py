"""The front door of Go's data: load (the positions of many games), read (one position), gather (which records)."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..core.data import Data, DataSpec, Examples, Preprocessing
from ..core.inputs import Input
from ..core.lazy import LazyInputs
from ..core.problem import DATA, USAGE, Bad, Problem
from ..core.sources import expand
from ..core.sources.cache import default_cache
from ..core.sources.content import Unreadable, fetched
from ..core.sources.read import source_of, title_of
from ..core.split import PARTS, split
from . import pack, sgf
from .collection import Collection
from .coords import vertex
from .frontend import SIZE, seen_of
from .game import Game
from .games import Games
from .library import collected
from .planes import AT, packed, unpacked
from .positions import Positions
from .records import LARGEST_FILE, RECORDS

LABELS = [vertex(place, SIZE) for place in range(SIZE * SIZE)]
TEST_GAMES, VALID_GAMES = 1000, 250  # that is enough: 200,000 positions tell 40.0% from 40.3%
VALID = 0.05


class Moves:
    """The names of positions, spelt when they are asked for: "games.zip!kgs/17.sgf, move 57"."""

    def __init__(self, positions: Positions, indices: Any) -> None:
        self.positions, self.indices = positions, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, at: int) -> str:
        positions, pick = self.positions, self.indices[at]
        game = positions.game[pick]
        return f"{positions.games.names[game]}, move {positions.at[pick] - positions.games.starts[game] + 1}"

    def digest(self) -> bytes:
        """Of the games' names, wherever they now lie, and of which positions of theirs are meant."""
        own = np.unique(self.positions.game[self.indices]).tolist()
        told = "\0".join(self.positions.games.names[game].rsplit("/", 1)[-1] for game in own)
        return blake2b(told.encode(errors="surrogateescape") + np.asarray(self.indices).tobytes()).digest()


@dataclass
class Division:
    """Games in the order of their parts, and what was left out."""

    games: Games
    part: Any  # (G,) of each game: its position in PARTS
    bad: list[Bad]
    remarks: list[str]
    given: frozenset[str]


def load(source: DataSpec, labels: list[str] | None, preprocessing: Preprocessing | None) -> Data:
    """The positions of games, in which a move was played; their planes are computed when a batch asks for them.

    Games go whole to one part, and so do a longer record of the same game and its mirror image. Raises Problem where
    the records cannot be used.
    """
    if source.group_by:
        raise Problem("games are always kept together; leave --group-by out", USAGE)
    labels = labels or LABELS
    if set(labels) != set(LABELS):
        raise Problem(f"the model has {len(labels)} labels; expected the {len(LABELS)} points of a board", DATA)
    number = np.array([labels.index(point) for point in LABELS])
    preprocessing = preprocessing or {"planes": seen_of(dict(source.options))}
    is_pack = (Path(source.data) / "index.json").is_file()
    found = packed_games(source) if is_pack else divided(source)
    positions = Positions(found.games)
    part_of = found.part[positions.game]
    train, valid, test = (examples(positions, np.flatnonzero(part_of == at), number) for at in range(len(PARTS)))
    return Data(train, valid, test, labels, preprocessing, found.bad, found.remarks, given=found.given)


def form(preprocessing: Preprocessing) -> dict[str, str]:
    """The options that show other positions as a model sees them, whose facts these are."""
    return {"planes": seen_of(preprocessing)}


def examples(positions: Positions, indices: Any, number: Any) -> Examples:
    """The positions at `indices`; `number` gives each point's label."""
    made = LazyInputs(lambda at: torch.from_numpy(positions.rows(at)), torch.from_numpy(indices))
    return Examples(made, torch.from_numpy(number[positions.moves[indices]]), Moves(positions, indices))


def divided(source: DataSpec) -> Division:
    """The games of records, divided by their openings or as they were given. Raises Problem where there are none."""
    cache = Path(source.options["cache"]).expanduser() if source.options.get("cache") else default_cache()
    given = {name: path for name in ("test", "valid") if (path := getattr(source, name))}
    places = {"train": source.data, **given}
    found = {name: collected([path], cache, source.progress) for name, path in places.items()}
    usable = {name: pack.usable_games(each) for name, each in found.items()}
    part_of: dict[str, list[str]] = {name: [name] * len(indices) for name, (indices, _) in usable.items()}
    openings = {name: [found[name].openings[at] for at in indices] for name, (indices, _) in usable.items()}
    held = {opening for name in given for opening in openings[name]}
    free = [at for at, opening in enumerate(openings["train"]) if opening not in held]
    shares = [0.0 if name in given else share for name, share in shares_of(source, len(free)).items()]
    salt = str(source.split).encode() if source.split else b""
    mine = split([salt + openings["train"][at] for at in free], ["game"] * len(free), shares[0], shares[1])[0]
    part_of["train"] = ["twin"] * len(openings["train"])  # also in what was given: of no use here
    for at, part in zip(free, mine, strict=True):
        part_of["train"][at] = part
    bad = [each for _, left in usable.values() for each in left]
    enough(source, found.values(), bad, len(free))
    chosen = [
        (PARTS.index(part), name, at)
        for name, (indices, _) in usable.items()
        for at, part in zip(indices, part_of[name], strict=True)
        if part in PARTS
    ]
    chosen.sort(key=lambda each: each[0])
    games = Games.of([found[name].games[at] for _, name, at in chosen])
    twins = len(openings["train"]) - len(free)
    told = f"left out of training, as what was given for {' and '.join(given)} has them too: {twins:,} games"
    remarks = [told] if twins else []
    return Division(games, np.array([part for part, _, _ in chosen], np.int8), bad, remarks, frozenset(given))


def shares_of(source: DataSpec, games: int) -> dict[str, float]:
    """The shares of games that choose the best epoch and that are only scored on: as asked for, or what is enough."""
    most = max(1, games)
    test = source.test_share if asked_for(source, "test_share") else min(source.test_share, TEST_GAMES / most)
    valid = source.valid_share
    return {"valid": min(VALID, VALID_GAMES / most) if valid is None else valid * (1 - test), "test": test}


def enough(source: DataSpec, found: Several[Collection], left: Sequence[Bad], usable: int) -> None:
    """Raises Problem where too many records are no games; other sizes and second copies are left out, no more."""
    if not usable:
        first = "; ".join(f"{each.file} {each.reason}" for each in left[:3])
        raise Problem(f"{source.data} holds no game on {SIZE}×{SIZE} to learn from ({first or 'no records'})", DATA)
    broken = [bad for each in found for bad in each.bad]
    records = sum(len(each.games) + len(each.bad) for each in found)
    if len(broken) > source.max_bad * records:
        first = "; ".join(f"{each.file} {each.reason}" for each in broken[:3])
        raise Problem(
            f"{len(broken):,} of {records:,} records cannot be used, more than --max-bad {source.max_bad:.0%}: {first}",
            DATA,
        )


def asked_for(source: DataSpec, name: str) -> bool:
    """Whether a field was given, rather than left as it is by default."""
    return bool(getattr(source, name) != getattr(DataSpec, name))


def packed_games(source: DataSpec) -> Division:
    """The games of a folder that neocog go pack made, in its parts."""
    folder = Path(source.data)
    flags = [name for name in ("test", "valid", "test_share", "valid_share", "split") if asked_for(source, name)]
    if flags:
        flag = f"--{flags[0].replace('_', '-')}"
        raise Problem(f"{folder} is a pack, which is divided already; leave {flag} out", USAGE)
    index = pack.begun_in(folder)
    games = Games.load(folder / "games.npz")
    part = np.repeat(np.arange(len(PARTS), dtype=np.int8), [index["games"][name] for name in PARTS])
    given = frozenset(name for name in ("test", "valid") if index["games"][name])
    return Division(games, part, [Bad(**each) for each in index["bad"]], [], given)


def read(value: Input, preprocessing: Preprocessing) -> Tensor:
    """A position of a record, uint8 (2166,): the one before move `value.options["move"]`, or the last.

    Raises Problem for a record that is not one, of another size, too short, or where no move is left.
    """
    name = title_of(value, "record")
    game = game_in(value)
    number = value.options.get("move")
    if number is not None and not 1 <= number <= len(game) + 1:
        raise Problem(f"{name} has {len(game)} moves; --move is from 1 to {len(game) + 1}, got {number}", USAGE)
    row = packed(game.position(moves_before(game, value)))
    if not unpacked(row)[AT["capture size"]].any():
        raise Problem(f"{name}: no move is legal in that position", DATA)
    return torch.from_numpy(row)


def moves_before(game: Game, value: Input) -> int:
    """The number of moves of a game before the one that the input's `move` names; all of them without one."""
    number = value.options.get("move")
    return len(game) if number is None else int(number) - 1


def game_in(value: Input) -> Game:
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
    """The records among files, folders and globs."""
    return expand.expand_paths(arguments, RECORDS)
