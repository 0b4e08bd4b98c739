"""Reading collections of records, on all processors where there are many."""

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
from .records import Record, record_files
from .sgf import BadRecord, records

TOGETHER = 64  # files in one piece of work
FEW = 400  # files that one process reads sooner than others have started
Progress = Callable[[int, int | None], object]


@dataclass
class Collection:
    """The games of many records, what names two records of one game, and the records that are no use."""

    games: Games
    digests: list[bytes]  # of the whole game, up to symmetry
    openings: list[bytes]  # of its first moves
    bad: list[Bad] = field(default_factory=list)


def read_collection(arguments: Sequence[str], workers: int = 1, progress: Progress | None = None) -> Collection:
    """All games that arguments name. Raises Problem where an argument names no records."""
    parts, count = [], 0
    for part in read_pieces(arguments, workers):
        parts.append(part)
        count += len(part.games) + len(part.bad)
        if progress:
            progress(count, None)
    return Collection(
        Games.joined([part.games for part in parts]),
        [each for part in parts for each in part.digests],
        [each for part in parts for each in part.openings],
        [each for part in parts for each in part.bad],
    )


def read_pieces(arguments: Sequence[str], workers: int) -> Iterator[Collection]:
    """Collections of a few records each, in the order in which they lie there, a bounded number of them ahead."""
    found = record_files(arguments)
    head = list(islice(found, FEW if workers > 1 else 0))
    if workers < 2 or len(head) < FEW:
        yield from map(read_piece, pieces(chain(head, found), TOGETHER))
        return
    check_legal(Game.of(9, [0]))  # compiled here once, not by each of the others
    pool = ProcessPoolExecutor(workers, Workers())
    yield from ahead(pool, read_piece, pieces(chain(head, found), TOGETHER), 2 * workers)


def read_piece(piece: Sequence[Record]) -> Collection:
    """The games of some files."""
    games, bad = [], []
    for name, content in piece:
        if isinstance(content, Unreadable):
            bad.append(Bad(name, str(content)))
            continue
        for called, found in records(content, name):
            if isinstance(found, BadRecord):
                bad.append(Bad(called, str(found)))
            else:
                games.append(found)
    return Collection(Games.of(games), [digest(game) for game in games], [digest(game, OPENING) for game in games], bad)
