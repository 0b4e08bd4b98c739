"""Finds game records: files, folders, globs, zip and tar archives, one after the other with their bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.problem import DATA, Problem
from ..core.sources.archive import ENDINGS, archives_hint, members, read_member
from ..core.sources.content import Kind, Unreadable, fetched
from ..core.sources.expand import expanded, files_at
from ..core.sources.folder import walk
from ..core.sources.layout import is_visible, split_path
from ..core.stdin import read_standard_input

LARGEST_FILE = 256 << 20  # bytes: a collection of 200,000 games
RECORDS = Kind("go", "game record", frozenset({".sgf"}), "SGF files, a folder or an archive of them")
RecordFile = tuple[str, bytes | Unreadable]  # the name of a file and its content


def record_files(arguments: Sequence[str]) -> Iterator[RecordFile]:
    """Yields the files that arguments name; `-` is stdin. Raises Problem for an argument without records."""
    for argument in arguments:
        empty = True
        for file in files_of(argument):
            empty = False
            yield file
        if empty:
            hint = archives_hint(argument, walk(Path(argument))[0]) if os.path.isdir(argument) else ""
            raise Problem(f"{argument} holds no game records; expected {RECORDS.expected}{hint}", DATA)


def files_of(argument: str) -> Iterator[RecordFile]:
    if argument == "-":
        yield "stdin", read_standard_input(LARGEST_FILE)
        return
    path = archive_in(argument)
    if path is not None and path != argument:
        yield from ((name, content) for name, content in archive_files(path) if name == argument)
        return
    for path in expanded(argument):
        if path.lower().endswith(ENDINGS) and Path(path).is_file():
            yield from archive_files(path)
        else:
            yield from ((file, read_file(Path(file))) for file in files_at(path, RECORDS))


def archive_in(argument: str) -> str | None:
    """The archive that an argument names by itself or before the name of a record: games.zip, games.zip!1.sgf."""
    for path in (argument, argument.partition("!")[0]):
        if path.lower().endswith(ENDINGS) and Path(path).is_file():
            return path
    return None


def archive_files(path: str) -> Iterator[RecordFile]:
    """Yields the records in an archive; refuses names that lead out of it and follows no links."""
    for name, read in members(Path(path), LARGEST_FILE):
        parts = split_path(name)
        if not RECORDS.named(name):
            continue
        if ".." in parts:
            yield f"{path}!{name}", Unreadable("has a name that leads out of its archive")
        elif is_visible(parts):
            yield f"{path}!{name}", read_member(read)


def read_file(path: Path) -> bytes | Unreadable:
    try:
        content = fetched(path, LARGEST_FILE)
        assert isinstance(content, bytes)
        return content
    except Unreadable as problem:
        return problem
