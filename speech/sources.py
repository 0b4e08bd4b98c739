"""Sources: what DATA, --test and --valid may be, told apart by looking at them."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from ..core.data import DataSpec
from ..core.problem import DATA, Bad, Problem
from ..core.sources.archive import ENDINGS as ARCHIVES
from ..core.sources.archive import is_shown, read_members, split_name
from ..core.sources.content import Content, file_reason
from ..core.sources.expand import missing
from ..core.sources.fields import Condition, Pattern, chosen
from ..core.sources.folder import Folder, stamp_of, walk
from ..core.sources.listing import Item, Listing, Origin, natural, same_label
from ..core.sources.packed import Packed, table_in
from ..core.sources.survey import Placed, Survey
from ..core.sources.table import ENDINGS as TABLES
from ..core.sources.table import Table
from .audio import RECORDINGS
from .options import Options

NOISE = "_background_noise_"  # Speech Commands' folder of noise: no word
LISTS = {"testing_list.txt": "test", "validation_list.txt": "valid"}  # Speech Commands' parts: a path in each line


class Files(Origin, Protocol):
    """Recordings in a folder or an archive."""

    def shown(self) -> list[str]:
        """All files, by their path within it."""

    def text(self, name: str) -> str:
        """What stands in one of them."""

    def table(self) -> Table | None:
        """The table that says what they are, where there is one among them."""


class Open(Folder):
    """A folder."""

    def shown(self) -> list[str]:
        return sorted(walk(self.root)[0])

    def table(self) -> Table | None:
        return None  # a table in a folder is named itself: it may be about something else

    def text(self, name: str) -> str:
        try:
            return (self.root / name).read_text(encoding="utf-8-sig", errors="replace")
        except OSError as error:
            raise Problem(f"{self.full(name)} {file_reason(self.root / name, error)}", DATA) from error

    def stamp(self) -> Iterator[Hashable]:
        yield from super().stamp()
        yield from (stamp_of(self.root, name) for name in self.shown() if PurePosixPath(name).name in LISTS)


class Members(Packed):
    """The files in an archive."""

    def table(self) -> Table | None:
        return table_in(self.archive)

    def shown(self) -> list[str]:
        return [name for name in self.names if is_shown(split_name(name))]

    def text(self, name: str) -> str:
        content = next(content for _, content in read_members(Path(self.where), [name]))
        if not isinstance(content, bytes):
            raise Problem(f"{self.full(name)} {content}", DATA)
        return content.decode("utf-8-sig", errors="replace")


class Corpus:
    """Recordings in a folder or an archive: a folder per word, names that follow a pattern, or Speech Commands."""

    def __init__(self, files: Files, options: Options) -> None:
        self.where, self.files, self.options = files.where, files, options

    def stamp(self) -> Iterator[Hashable]:
        return self.files.stamp()

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        return self.files.contents(items)

    def full(self, name: str) -> str:
        return self.files.full(name)

    def noise(self) -> list[str]:
        """The recordings in the folder of noise."""
        return [name for name in self.files.shown() if is_noise(name) and RECORDINGS.named(name)]

    def listing(self, group_by: str | None) -> Listing:
        if table := self.files.table():
            return table.listing(group_by)
        pattern = self.options.pattern
        found = self.named(pattern, group_by) if pattern else None
        if found is None or (self.options.lenient and not found.items):
            found = self.files.listing(group_by)
        found.items = in_lists([item for item in found.items if not is_noise(item.name)], self.lists())
        return found

    def named(self, pattern: Pattern, group_by: str | None) -> Listing:
        """The recordings whose names follow the pattern; those whose names do not are bad."""
        names = [name for name in self.files.shown() if RECORDINGS.named(name) and not is_noise(name)]
        listing = Listing([])
        for name in sorted(names, key=natural):
            if (fields := pattern.fields(name)) is None:
                listing.bad.append(Bad(name, f"is not named as {pattern.text} says"))
                continue
            group = fields.get(group_by) if group_by else None
            listing.items.append(Item(name, same_label(fields["label"]), None, group, None, fields))
        listing.grouped = any(item.group for item in listing.items)
        if names and not listing.items and not self.options.lenient:
            raise Problem(f"no recording in {self.where} is named as --pattern {pattern.text} says: {names[0]}", DATA)
        return listing

    def lists(self) -> dict[str, str]:
        """The part of each recording that a list names, by its path beside the list."""
        parts: dict[str, str] = {}
        for name in self.files.shown():
            path = PurePosixPath(name.replace("\\", "/"))
            if part := LISTS.get(path.name):
                lines = filter(None, map(str.strip, self.files.text(name).splitlines()))
                parts |= {str(path.parent / line.replace("\\", "/")): part for line in lines}
        return parts


def is_noise(name: str) -> bool:
    return NOISE in PurePosixPath(name.replace("\\", "/")).parts[:-1]


def in_lists(items: Sequence[Item], parts: dict[str, str]) -> list[Item]:
    """The items, those that a list names in its part and the others in training; as they are without lists."""
    if not parts:
        return list(items)
    return [item._replace(part=parts.get(str(PurePosixPath(item.name.replace("\\", "/"))), "train")) for item in items]


class Chosen:
    """An origin whose items go where the conditions say; parts of one recording stay on one side."""

    def __init__(self, inner: Corpus | Table, options: Options) -> None:
        self.where, self.inner, self.options = inner.where, inner, options

    def stamp(self) -> Iterator[Hashable]:
        return self.inner.stamp()

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        return self.inner.contents(items)

    def full(self, name: str) -> str:
        return self.inner.full(name)

    def noise(self) -> list[str]:
        return self.inner.noise() if isinstance(self.inner, Corpus) else []

    def listing(self, group_by: str | None) -> Listing:
        found = self.inner.listing(group_by)
        found.items = self.divided(found.items)
        if not found.grouped and group_by is None and any(item.span for item in found.items):
            found.items = [item._replace(group=item.name) for item in found.items]
            found.grouped = True
        return found

    def divided(self, items: list[Item]) -> list[Item]:
        said: tuple[tuple[Condition | None, str], ...]
        said = ((self.options.valid_where, "valid"), (self.options.test_where, "test"))
        for condition, part in said:
            if condition is None or not items or (self.options.lenient and not answers(items, condition)):
                continue
            items = [item._replace(part="train") if item.part == part else item for item in items]
            items = chosen(items, condition, part)
        return items


def answers(items: Sequence[Item], condition: Condition) -> bool:
    """Whether a condition that a model remembers has a meaning here."""
    try:
        chosen(items, condition, "test")
    except Problem:
        return False
    return True


def origins(source: DataSpec, options: Options) -> list[Placed]:
    """The places that a source names: DATA, and what is given for validation and test."""
    said = ((source.data, None), (source.valid, "valid"), (source.test, "test"))
    return [Placed(origin(path, options, part is None), part) for path, part in said if path is not None]


def origin(text: str, options: Options, divides: bool) -> Origin:
    """What a path stands for; only DATA itself is divided by conditions."""
    path = Path(text)
    if not os.path.exists(text):
        raise missing(text)
    if not os.access(path, os.R_OK):
        raise Problem(f"{text} may not be read (permission denied)", DATA)
    inner = from_path(text, path, options)
    return Chosen(inner, options) if divides else inner


def from_path(text: str, path: Path, options: Options) -> Corpus | Table:
    if path.is_dir():
        return Corpus(Open(text, RECORDINGS), options)
    name = path.name.lower()
    if name.endswith(ARCHIVES):
        return Corpus(Members(text, RECORDINGS), options)
    if name.endswith(TABLES):
        return Table(text, RECORDINGS)
    found = "one recording" if RECORDINGS.named(name) else "not a kind of data that speech knows"
    raise Problem(f"{text} is {found}; expected {RECORDINGS.expected}", DATA)


def noise_in(placed: Sequence[Placed]) -> list[str]:
    """The background noise that the first place has, by its path within it."""
    origin = placed[0].origin
    return origin.noise() if isinstance(origin, Chosen) else []


def same_case(found: Survey) -> None:
    """One group for spellings that differ only in case: a person must not be on both sides. Labels are only told."""
    groups = alike({item.group for item in found.items if item.group})
    one = {name: names[0] for names in groups.values() for name in names}
    found.items = [item._replace(group=one.get(item.group or "", item.group)) for item in found.items]
    for names in groups.values():
        found.remarks.append(f"{' and '.join(names)} differ only in case and count as one group")
    for names in alike({item.label for item in found.items}).values():
        found.remarks.append(f"the labels {' and '.join(names)} differ only in case; where they are one, rename one")


def alike(names: set[str | None] | set[str]) -> dict[str, list[str]]:
    """The names that differ from another only in case, by their common spelling."""
    spelt: dict[str, list[str]] = defaultdict(list)
    for name in sorted(filter(None, names)):
        spelt[name.casefold()].append(name)
    return {common: each for common, each in spelt.items() if len(each) > 1}
