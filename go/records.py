"""Where game records lie: files, folders, globs, zip and tar archives, one after the other with their bytes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.problem import DATA, Problem
from ..core.sources.archive import ENDINGS, careful, is_shown, members, split_name
from ..core.sources.content import Kind, Unreadable, fetched
from ..core.sources.expand import expanded, files_at

LARGEST_FILE = 256 << 20  # bytes: a collection of 200,000 games
RECORDS = Kind("go", "game record", frozenset({".sgf"}), "SGF files, a folder or an archive of them")
Record = tuple[str, bytes | Unreadable]  # the name of a file, and what is in it


def record_files(arguments: Sequence[str]) -> Iterator[Record]:
    """The files that arguments name, `-` being stdin. Raises Problem for an argument that names none."""
    for argument in arguments:
        empty = True
        for record in at(argument):
            empty = False
            yield record
        if empty:
            raise Problem(f"{argument} holds no game records; expected {RECORDS.expected}", DATA)


def at(argument: str) -> Iterator[Record]:
    if argument == "-":
        yield "stdin", sys.stdin.buffer.read(LARGEST_FILE)
        return
    path, mark, _ = argument.partition("!")
    if mark and path.lower().endswith(ENDINGS) and Path(path).is_file():
        yield from ((name, content) for name, content in in_archive(path) if name == argument)
        return
    for path in expanded(argument):
        if path.lower().endswith(ENDINGS) and Path(path).is_file():
            yield from in_archive(path)
        else:
            yield from ((file, from_disk(Path(file))) for file in files_at(path, RECORDS))


def in_archive(path: str) -> Iterator[Record]:
    """The records in an archive; a name that leads out of it is refused, links are not followed."""
    for name, read in members(Path(path), LARGEST_FILE):
        pieces = split_name(name)
        if not RECORDS.named(name):
            continue
        if ".." in pieces:
            yield f"{path}!{name}", Unreadable("has a name that leads out of its archive")
        elif is_shown(pieces):
            yield f"{path}!{name}", careful(read)


def from_disk(path: Path) -> bytes | Unreadable:
    try:
        content = fetched(path, LARGEST_FILE)
        assert isinstance(content, bytes)
        return content
    except Unreadable as problem:
        return problem
