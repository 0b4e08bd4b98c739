"""Collections of records that are read once: their games are kept in the cache, 2 bytes a move."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..core import files
from ..core.problem import Bad, Problem
from ..core.sources.cache import key_of
from ..core.sources.parallel import processors
from .collection import Collection, Progress, read_collection
from .games import Games
from .pack import stamp

VERSION = 2


def collected(arguments: Sequence[str], cache: Path, progress: Progress | None = None) -> Collection:
    """All games that arguments name: from the cache, where the files are what they were when they were read.

    Raises Problem where an argument names no records.
    """
    folder = cache / "go" / key_of(VERSION, stamp(arguments, 0, 0))
    with suppress(OSError, ValueError, KeyError, Problem):
        return kept(folder)
    found = read_collection(arguments, processors(), progress)
    with suppress(OSError, Problem):  # a cache that cannot be written to costs time, nothing else
        keep(folder, found)
    return found


def kept(folder: Path) -> Collection:
    told = json.loads((folder / "collection.json").read_text(encoding="utf-8", errors="surrogateescape"))
    digests, openings = ([bytes.fromhex(each) for each in told[name]] for name in ("digests", "openings"))
    return Collection(Games.load(folder / "games.npz"), digests, openings, [Bad(*each) for each in told["bad"]])


def keep(folder: Path, found: Collection) -> None:
    """The games first: where collection.json is, all is."""
    folder.mkdir(parents=True, exist_ok=True)
    found.games.save(folder / "games.npz")
    digests, openings = ([each.hex() for each in told] for told in (found.digests, found.openings))
    told = {"digests": digests, "openings": openings, "bad": found.bad}
    files.write_text(folder / "collection.json", json.dumps(told, ensure_ascii=False))
