"""What training would meet in a collection of game records."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.problem import DATA, Problem
from ..core.sources.parallel import processors
from .collection import Collection, Progress, read_collection
from .coords import vertex
from .game import GameInfo

SIZE = 19
YEAR = re.compile(r"(?<!\d)(1[4-9]\d\d|20\d\d)(?!\d)")
MAX_BAD = 0.05
NAMED = 5


def report(arguments: Sequence[str], max_bad: float = MAX_BAD, progress: Progress | None = None) -> dict[str, Any]:
    """Games, moves, results, handicaps, sizes, ranks, years, duplicates, and the records that are no use.

    Raises Problem where there is no record at all.
    """
    collection = read_collection(arguments, processors(), progress)
    games = collection.games
    twins = duplicates(collection)
    plays = int((games.moves >= 0).sum())
    moves = games.moves[np.repeat(games.sizes == SIZE, np.diff(games.starts))]
    played = np.bincount(moves[moves >= 0], minlength=SIZE * SIZE)
    usable = int(played.sum())
    return {
        "examples": usable,
        "labels": {vertex(int(place), SIZE): int(played[place]) for place in np.argsort(-played, kind="stable")},
        "games": len(games),
        "moves": plays,
        "passes": len(games.moves) - plays,
        "sizes": counted(f"{size}×{size}" for size in games.sizes.tolist()),
        "handicaps": counted(str(count) for count in handicaps(collection)),
        "results": counted(result_of(info.result) for info in games.info),
        "ranks": counted(ranks(games.info)),
        "years": dict(sorted(Counter(year_of(info.date) for info in games.info).items())),
        "out_of_turn": out_of_turn(collection),
        "bad": [each._asdict() for each in collection.bad],
        "duplicates": twins,
        "problems": problems(collection, usable, max_bad),
        "remarks": remarks(collection, twins),
    }


def counted(values: Iterable[str]) -> dict[str, int]:
    """How often each value occurs, the most frequent first."""
    return dict(Counter(values).most_common())


def handicaps(collection: Collection) -> list[int]:
    """Stones set up before the first move, by game."""
    starts = collection.games.stone_starts
    return [int(count) for count in np.diff(starts)]


def result_of(text: str) -> str:
    """Who won and how: "B+R", "W+T", "B+points"; "unknown" where the record does not say."""
    match = re.fullmatch(r"([BW])\+(.*)", text.strip(), re.IGNORECASE)
    if not match:
        return "draw" if text.strip().lower() in ("0", "draw", "jigo") else "unknown"
    how = match[2].strip().upper()[:1]
    return f"{match[1].upper()}+{how if how in 'RTF' and how else 'points' if how else '?'}"


def ranks(info: Sequence[GameInfo]) -> list[str]:
    return [rank.strip() or "unknown" for each in info for rank in (each.black_rank, each.white_rank)]


def year_of(date: str) -> str:
    found = YEAR.search(date)
    return found[0] if found else "unknown"


def out_of_turn(collection: Collection) -> int:
    """How many moves are of the colour that moved before."""
    games = collection.games
    same = games.colours[1:] == games.colours[:-1]
    inner = [start - 1 for start in games.starts[1:-1].tolist() if 0 < start < len(games.moves)]
    same[inner] = False
    return int(same.sum())


def duplicates(collection: Collection) -> list[dict[str, Any]]:
    """Records of one game, up to symmetry: the same to the end, or only in their first 50 moves."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for at, opening in enumerate(collection.openings):
        groups[opening].append(at)
    return [
        {
            "files": [collection.games.names[at] for at in group],
            "same": "whole game" if len({collection.digests[at] for at in group}) == 1 else "first 50 moves",
        }
        for group in groups.values()
        if len(group) > 1
    ]


def problems(collection: Collection, usable: int, max_bad: float) -> list[str]:
    """The sentences with which training would stop, if it would."""
    told, count = [], len(collection.games) + len(collection.bad)
    if not usable:
        told.append(f"there is no game on {SIZE}×{SIZE} to train on")
    if len(collection.bad) > max_bad * count:
        first = "; ".join(f"{each.file} {each.reason}" for each in collection.bad[:NAMED])
        told.append(f"{len(collection.bad):,} of {count:,} records cannot be used, more than {max_bad:.0%}: {first}")
    return told


def remarks(collection: Collection, twins: Sequence[dict[str, Any]]) -> list[str]:
    told = []
    if other := sum(size != SIZE for size in collection.games.sizes.tolist()):
        told.append(f"{other:,} games are not on {SIZE}×{SIZE}; training leaves them out")
    if twins:
        told.append(f"{len(twins):,} games lie here more than once; packing keeps the first and one side of a split")
    return told


def check(source: Any) -> dict[str, Any]:
    """The report for a Source, as `neocog check go` asks for it."""
    if source.group_by:
        raise Problem("games are always kept together; leave --group-by out", DATA)
    return report([source.data, *filter(None, (source.test,))], source.max_bad, source.progress)
