"""Caches collections of records: their games are read once and kept at 2 bytes a move."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from ..core import files, schema
from ..core.problem import Bad, Problem
from ..core.sources.cache import key_of
from ..core.sources.parallel import processors
from .collection import Collection, Progress, read_collection
from .games import Games
from .pack import fingerprint

VERSION = 3


def read_cached(arguments: Sequence[str], cache: Path, progress: Progress | None = None) -> Collection:
    """Reads a collection, from the cache if its files are unchanged. Raises Problem for arguments without records."""
    folder = cache / "go" / key_of(VERSION, fingerprint(arguments, 0, 0))
    with suppress(OSError, ValueError, KeyError, Problem):
        return load(folder)
    collection = read_collection(arguments, processors(), progress)
    with suppress(OSError, Problem):  # without a writable cache, the records are read again next time
        save(folder, collection)
    return collection


class CollectionIndex(TypedDict):
    """The content of collection.json: digests and openings in hexadecimal, and records with their reason."""

    digests: list[str]
    openings: list[str]
    bad: list[tuple[str, str]]


def load(folder: Path) -> Collection:
    index = json.loads((folder / "collection.json").read_text(encoding="utf-8", errors="surrogateescape"))
    schema.check(CollectionIndex, index)
    digests, openings = ([bytes.fromhex(digest) for digest in index[name]] for name in ("digests", "openings"))
    return Collection(Games.load(folder / "games.npz"), digests, openings, [Bad(*bad) for bad in index["bad"]])


def save(folder: Path, collection: Collection) -> None:
    """Writes the games first: the folder is complete if collection.json exists."""
    folder.mkdir(parents=True, exist_ok=True)
    collection.games.save(folder / "games.npz")
    digests, openings = ([digest.hex() for digest in group] for group in (collection.digests, collection.openings))
    index = {"digests": digests, "openings": openings, "bad": collection.bad}
    files.write_text(folder / "collection.json", json.dumps(index, ensure_ascii=False))
