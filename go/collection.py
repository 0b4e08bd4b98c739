"""Reads collections of game records, in several processes if there are many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice

from ..core.problem import Bad
from ..core.sources.content import Unreadable
from ..core.sources.parallel import Workers, ahead, pieces
from .game import Game, check_legal
from .games import OPENING, Games, digest
from .record_files import RecordFile, record_files
from .sgf import BadRecord, records

BATCH = 64  # files per task of a process
MIN_PARALLEL = 400  # files: one process reads fewer before others have started
Progress = Callable[[int, int | None], object]


@dataclass
class Collection:
    """The games of many records, digests that identify duplicates, and the unusable records."""

    games: Games
    digests: list[bytes]  # of the complete game, up to symmetry
    openings: list[bytes]  # of its first moves
    bad: list[Bad] = field(default_factory=list)


def read_collection(arguments: Sequence[str], workers: int = 1, progress: Progress | None = None) -> Collection:
    """Reads all games in files, folders and archives. Raises Problem if an argument has no records."""
    parts, count = [], 0
    for part in read_batches(arguments, workers):
        parts.append(part)
        count += len(part.games) + len(part.bad)
        if progress:
            progress(count, None)
    return Collection(
        Games.concatenate([part.games for part in parts]),
        [digest for part in parts for digest in part.digests],
        [opening for part in parts for opening in part.openings],
        [bad for part in parts for bad in part.bad],
    )


def read_batches(arguments: Sequence[str], workers: int) -> Iterator[Collection]:
    """Yields collections of a few files each, in order; a bounded number of them is read in advance."""
    remaining = record_files(arguments)
    first = list(islice(remaining, MIN_PARALLEL if workers > 1 else 0))
    batches = pieces(chain(first, remaining), BATCH)
    if workers < 2 or len(first) < MIN_PARALLEL:
        yield from map(read_batch, batches)
        return
    check_legal(Game.from_moves(9, [0]))  # compiles here once, not in each process
    pool = ProcessPoolExecutor(workers, Workers())
    yield from ahead(pool, read_batch, batches, 2 * workers)


def read_batch(batch: Sequence[RecordFile]) -> Collection:
    """The games of some files."""
    games, bad = [], []
    for file, content in batch:
        if isinstance(content, Unreadable):
            bad.append(Bad(file, str(content)))
            continue
        for name, record in records(content, file):
            if isinstance(record, BadRecord):
                bad.append(Bad(name, str(record)))
            else:
                games.append(record)
    openings = [digest(game, OPENING) for game in games]
    return Collection(Games.from_list(games), [digest(game) for game in games], openings, bad)
