"""Reports on a collection of game records before training."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..core.problem import USAGE, Problem
from ..core.sources.parallel import processors
from .collection import Collection, Progress, read_collection
from .coords import SIZE, vertex
from .data import require_no_columns
from .game import GameInfo
from .games import Games
from .komi import UnusableKomi, komi_in_points

YEAR = re.compile(r"(?<!\d)(1[4-9]\d\d|20\d\d)(?!\d)")
MAX_BAD = 0.05
MAX_NAMED = 5  # unusable records named in a message


def report(arguments: Sequence[str], max_bad: float = MAX_BAD, progress: Progress | None = None) -> dict[str, Any]:
    """Games, moves, results, handicaps, sizes, ranks, years, duplicates, and the unusable records.

    Raises Problem if there is no record.
    """
    collection = read_collection(arguments, processors(), progress)
    games = collection.games
    duplicate_groups = duplicates(collection)
    played = int((games.moves >= 0).sum())
    moves = games.moves[np.repeat(games.sizes == SIZE, np.diff(games.starts))]
    counts = np.bincount(moves[moves >= 0], minlength=SIZE * SIZE)
    usable = int(counts.sum())
    return {
        "games": len(games),
        "examples": usable,
        "moves": played,
        "passes": len(games.moves) - played,
        "sizes": frequencies(f"{size}×{size}" for size in games.sizes.tolist()),
        "years": dict(sorted(Counter(year_of(info.date) for info in games.info).items())),
        "ranks": frequencies(ranks(games.info)),
        "results": frequencies(result_of(info.result) for info in games.info),
        "handicaps": frequencies(str(count) for count in np.diff(games.stone_starts)),
        "out_of_turn": out_of_turn(collection),
        "labels": {vertex(int(place), SIZE): int(counts[place]) for place in np.argsort(-counts, kind="stable")},
        "bad": [bad._asdict() for bad in collection.bad],
        "duplicates": duplicate_groups,
        "problems": problems(collection, usable, max_bad),
        "remarks": remarks(collection, len(duplicate_groups)),
    }


def frequencies(values: Iterable[str]) -> dict[str, int]:
    """The count of each value, the most frequent first."""
    return dict(Counter(values).most_common())


def result_of(text: str) -> str:
    """The winner and the kind of win: "B+R", "W+T", "B+points"; "unknown" if the record does not say."""
    match = re.fullmatch(r"([BW])\+(.*)", text.strip(), re.IGNORECASE)
    if not match:
        return "draw" if text.strip().lower() in ("0", "draw", "jigo") else "unknown"
    kind = match[2].strip().upper()[:1]
    return f"{match[1].upper()}+{kind if kind in 'RTF' and kind else 'points' if kind else '?'}"


def ranks(info: Sequence[GameInfo]) -> list[str]:
    return [rank.strip() or "unknown" for info in info for rank in (info.black_rank, info.white_rank)]


def year_of(date: str) -> str:
    match = YEAR.search(date)
    return match[0] if match else "unknown"


def out_of_turn(collection: Collection) -> int:
    """The number of moves by the colour that moved before."""
    games = collection.games
    same_colour = games.colours[1:] == games.colours[:-1]
    boundaries = [start - 1 for start in games.starts[1:-1].tolist() if 0 < start < len(games.moves)]
    same_colour[boundaries] = False
    return int(same_colour.sum())


def duplicates(collection: Collection) -> list[dict[str, Any]]:
    """Groups of records of one game, up to symmetry: identical, or only in their first 50 moves."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for i, opening in enumerate(collection.openings):
        groups[opening].append(i)
    return [
        {
            "files": [collection.games.names[i] for i in group],
            "same": "whole game" if len({collection.digests[i] for i in group}) == 1 else "first 50 moves",
        }
        for group in groups.values()
        if len(group) > 1
    ]


def problems(collection: Collection, usable: int, max_bad: float) -> list[str]:
    """The errors with which training would stop."""
    messages, count = [], len(collection.games) + len(collection.bad)
    if not usable:
        messages.append(f"there is no game on {SIZE}×{SIZE} to train on")
    if len(collection.bad) > max_bad * count:
        first = "; ".join(f"{bad.file} {bad.reason}" for bad in collection.bad[:MAX_NAMED])
        messages.append(
            f"{len(collection.bad):,} of {count:,} records cannot be used, more than {max_bad:.0%}: {first}"
        )
    return messages


def remarks(collection: Collection, duplicate_groups: int) -> list[str]:
    messages = []
    if other_sizes := sum(size != SIZE for size in collection.games.sizes.tolist()):
        messages.append(f"{other_sizes:,} games are not on {SIZE}×{SIZE}; training leaves them out")
    if duplicate_groups:
        messages.append(
            f"{duplicate_groups:,} games have several records; packing keeps the first, and all are in one split"
        )
    unusable = unusable_komi(collection.games)
    if unusable:
        name, reason = unusable[0]
        records = "1 game has a komi" if len(unusable) == 1 else f"{len(unusable):,} games have a komi"
        messages.append(f"{records} that cannot be used (first: {name}, {reason})")
    return messages


def unusable_komi(games: Games) -> list[tuple[str, str]]:
    """The names of the games whose komi is no number of points, each with the reason."""
    unusable = []
    for name, info, size in zip(games.names, games.info, games.sizes.tolist(), strict=True):
        try:
            komi_in_points(info, size)
        except UnusableKomi as problem:
            unusable.append((name, str(problem)))
    return unusable


def check(source: Any) -> dict[str, Any]:
    """The report of `neocog check go` for a DataSpec."""
    if source.grouping:
        raise Problem("the positions of a game are always in one split; leave --group-by and --fold-by out", USAGE)
    require_no_columns(source)
    return report([source.data, *filter(None, (source.test,))], source.max_bad, source.progress)
