"""Sources: what DATA, --test and --valid may be, told apart by looking at them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePath

from ..core.data import DataSpec
from ..core.problem import DATA, Bad, Problem
from ..core.sources import packed
from ..core.sources.archive import ENDINGS as ARCHIVES
from ..core.sources.archive import split_name
from ..core.sources.content import Content, Kind, Unreadable, fetched, file_reason
from ..core.sources.expand import missing
from ..core.sources.listing import Item, Listing, kind_of_file, place
from ..core.sources.survey import Placed
from . import jsonl, lines, parquet, table
from .decode import decoded
from .options import Reading
from .places import Disk, Packed, Place
from .roles import CLASSES, JSONL, PARQUET, TABLES, Role, part_in, roles
from .rows import Row, Written

EXPECTED = (
    "a CSV, TSV, JSON Lines or Parquet file with a column of texts and one of labels, a folder with one folder of "
    ".txt files (or one file of lines) per class, a file of `label text` lines, or a zip or tar of any of them"
)
TEXTS = Kind("text", "text", frozenset({".txt", ".text", ".md", ""}), EXPECTED)


class Whole:
    """Files of which each is one text, in a folder per class."""

    def __init__(self, place: Place, names: Sequence[str]) -> None:
        self.place, self.names, self.where = place, names, place.where
        self.remarks: list[str] = []

    def stamp(self) -> Iterator[Hashable]:
        return self.place.stamp(self.names)

    def listing(self, group_by: str | None) -> Listing:
        items, outside = place([(name, split_name(name)) for name in self.names])
        chosen = set(self.names)
        ignored = Counter(kind_of_file(name) for name in self.place.names if name not in chosen)
        return Listing(items, list(self.place.bad), ignored, outside)

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        place_of = {item.name: at for at, item in enumerate(items)}
        for name, content in self.place.read(list(place_of)):
            yield place_of[name], content

    def full(self, name: str) -> str:
        return self.place.full(name)


class Rows:
    """Texts in the rows or lines of one or more files."""

    def __init__(self, place: Place, files: Sequence[Role], reading: Reading) -> None:
        self.place, self.files, self.reading, self.where = place, files, reading, place.where
        self.texts: dict[str, str] = {}
        self.remarks: list[str] = []

    @property
    def names(self) -> list[str]:
        beside = [name for name in self.place.names if PurePath(name).name == CLASSES]
        return [role.name for role in self.files] + beside

    def stamp(self) -> Iterator[Hashable]:
        yield repr(self.reading)
        yield from self.place.stamp(self.names)

    def listing(self, group_by: str | None) -> Listing:
        found = Listing([])
        role_of = {role.name: role for role in self.files}
        names: list[str] = []
        for name, content in self.place.read(self.names):
            if (role := role_of.get(name)) is None:
                names = decoded(_bytes(content, name))[0].split("\n")
            else:
                self.note(role, self.rows(role, content, group_by), found)
        found.grouped = any(item.group is not None for item in found.items)
        found.items = named(found.items, [each.strip() for each in names if each.strip()])
        return found

    def note(self, role: Role, rows: Iterator[Row | Bad], found: Listing) -> None:
        for row in rows:
            if isinstance(row, Bad):
                found.bad.append(row)
            else:
                name = f"{role.name}:{row.line}"
                self.texts[name] = row.text
                found.items.append(Item(name, row.label, row.part, row.group))

    def rows(self, role: Role, content: Content, group_by: str | None) -> Iterator[Row | Bad]:
        """The rows of one file, by what its name and its first lines say that it is."""
        suffix = PurePath(role.name).suffix.lower()
        if suffix in PARQUET:
            yield from parquet.parse(_bytes(content, role.name), role.name, self.reading, group_by, role.part)
            return
        text, trouble = decoded(_bytes(content, role.name), self.reading.encoding)
        self.remarks += trouble.sentences(role.name)
        file = Written(role.name, text, role.part, role.label)
        if suffix in JSONL:
            yield from jsonl.parse(file, self.reading, group_by)
        elif suffix in TABLES or (role.label is None and lines.looks_like_a_table(text)):
            yield from table.parse(file, self.reading, group_by, self.remarks)
        elif role.label is not None:
            yield from lines.plain(file)
        else:
            yield from lines.labelled(file, self.reading, self.remarks)

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        for at, item in enumerate(items):
            yield at, self.texts[item.name].encode("utf-8", "surrogatepass")

    def full(self, name: str) -> str:
        return self.place.full(name)


class Archived(packed.Packed):
    """An archive of texts, which are rows of the files in it."""

    def __init__(self, where: str, reading: Reading) -> None:
        super().__init__(where, TEXTS)
        self.reading = reading

    @cached_property
    def inner(self) -> Whole | Rows:
        return among(Packed(self.where), self.reading)

    @property
    def remarks(self) -> list[str]:
        return self.inner.remarks

    def stamp(self) -> Iterator[Hashable]:
        yield repr(self.reading)
        yield from super().stamp()


Origin = Whole | Rows | Archived


def named(items: list[Item], names: Sequence[str]) -> list[Item]:
    """Items with the names of their classes, where all labels are numbers from 1 to as many as there are names."""
    numbers = {item.label for item in items}
    if not names or not all(label.isdecimal() and 1 <= int(label) <= len(names) for label in numbers):
        return items
    return [item._replace(label=names[int(item.label) - 1]) for item in items]


def _bytes(content: Content, name: str) -> bytes:
    try:
        found = fetched(content)
    except Unreadable as problem:
        raise Problem(f"{name} {problem}", DATA) from None
    assert isinstance(found, bytes)
    return found


# --- telling them apart ----------------------------------------------------------------------------------------------


def origins(source: DataSpec, reading: Reading) -> list[Placed]:
    """The places that a source names: DATA, and what is given for validation and test."""
    said = ((source.data, None), (source.valid, "valid"), (source.test, "test"))
    return [Placed(origin(path, reading), part) for path, part in said if path is not None]


def origin(text: str, reading: Reading) -> Origin:
    """What a path stands for. Raises Problem where there is nothing, or nothing that holds texts."""
    path = Path(text)
    if not os.path.exists(text):
        return by_beginning(text, path, reading)
    if not os.access(path, os.R_OK):
        raise Problem(f"{text} may not be read (permission denied)", DATA)
    if path.is_dir():
        try:
            os.listdir(path)
        except OSError as error:
            raise Problem(f"{text} {file_reason(path, error)}", DATA) from error
        return among(Disk(text), reading)
    if path.name.lower().endswith(ARCHIVES):
        return Archived(text, reading)
    return Rows(Disk(os.path.dirname(text) or ".", [path.name]), [Role(path.name)], reading)


def by_beginning(text: str, path: Path, reading: Reading) -> Origin:
    """`sst/stsa.binary`, where stsa.binary.train, .dev and .test are."""
    near = sorted(each.name for each in path.parent.iterdir()) if path.parent.is_dir() else []
    chosen = [Role(name, part_in(name)[0]) for name in near if part_in(name) != (None, name)]
    chosen = [role for role in chosen if path.name and part_in(role.name)[1] == path.name]
    if not chosen:
        raise missing(text)
    return Rows(Disk(str(path.parent), near), chosen, reading)


def among(place: Place, reading: Reading) -> Whole | Rows:
    """The texts among the files of a folder or an archive: a file each in class folders, or in lines and rows."""
    inner = [name for name in place.names if len(split_name(name)) > 1 and TEXTS.named(name)]
    classes = in_class_folders(inner)
    if len({split_name(name)[:-1] for name in classes}) > 1:
        return Whole(place, classes)
    archives = [name for name in place.names if name.lower().endswith(ARCHIVES)]
    found = roles(place.where, [name for name in place.names if name not in archives])
    if not found and archives:
        raise Problem(f"{place.where} holds no texts but in {archives[0]}; unpack it, or name it as the data", DATA)
    if not found:
        raise Problem(f"{place.where} holds nothing that texts could be in; expected {EXPECTED}", DATA)
    return Rows(place, found, reading)


def in_class_folders(names: Sequence[str]) -> list[str]:
    """The files that lie in the innermost folders: lists of addresses beside the class folders are not texts."""
    outer = {pieces[:depth] for name in names for pieces in [split_name(name)[:-1]] for depth in range(len(pieces))}
    return [name for name in names if split_name(name)[:-1] not in outer]
