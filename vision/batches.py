"""CIFAR-10's python and binary batches, in a folder or an archive. https://www.cs.toronto.edu/~kriz/cifar.html"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.problem import DATA, Problem
from ..core.sources.archive import read_members
from ..core.sources.content import Content, Unreadable, file_reason
from ..core.sources.folder import stamp_of
from ..core.sources.listing import Item, Listing
from .pickled import Refused, array_of, read_pickle, text_of
from .picture import Pixels

BATCH = re.compile(r"(data_batch(_[0-9]+)?|test_batch)(\.bin)?")
META = ("batches.meta", "batches.meta.txt")
SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32  # bytes of a binary record: the label, then red, green and blue rows
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


class Batch(NamedTuple):
    """Pictures (N, 3, 32, 32) and their labels as numbers."""

    name: str
    pixels: Pixels
    labels: list[int]


class Batches:
    """`members` are the names of the batch files, and of the file that names the labels, in a folder or an archive."""

    def __init__(self, path: str, members: Sequence[str]) -> None:
        self.where = path
        self.path = Path(path)
        self.members = members

    def stamp(self) -> Iterator[Hashable]:
        yield str(self.path.resolve())
        if self.path.is_file():
            yield stamp_of(self.path.parent, self.path.name)
        else:
            yield from (stamp_of(self.path, name) for name in self.members)

    def listing(self, group_by: str | None) -> Listing:
        names = next((names_of(content, self.full(name)) for name, content in self.files(META)), NAMES)
        items = [
            Item(f"{batch.name}[{k}]", names[value] if value < len(names) else str(value), part_of(batch.name))
            for batch in self.batches()
            for k, value in enumerate(batch.labels)
        ]
        return Listing(items, order=names)

    def contents(self, items: Sequence[Item]) -> Iterator[tuple[int, Content]]:
        place_of = {item.name: at for at, item in enumerate(items)}
        for batch in self.batches():
            for k, pixels in enumerate(batch.pixels):
                if (at := place_of.get(f"{batch.name}[{k}]")) is not None:
                    yield at, pixels

    def batches(self) -> Iterator[Batch]:
        for name, content in self.files():
            if base_of(name) not in META:
                yield batch_of(base_of(name), content, self.full(name))

    def files(self, only: Sequence[str] = ()) -> Iterator[tuple[str, bytes]]:
        wanted = [name for name in self.members if not only or base_of(name) in only]
        pairs = read_members(self.path, wanted) if self.path.is_file() else read_files(self.path, wanted)
        for name, content in pairs:
            if isinstance(content, Unreadable):
                raise Problem(f"{self.full(name)} {content}", DATA)
            yield name, content

    def full(self, name: str) -> str:
        return f"{self.where}!{name}" if self.path.is_file() else str(self.path / name)


def batches_among(path: str, names: Sequence[str]) -> Batches | None:
    """The batches among the files of a folder or an archive; None where there are none."""
    members = sorted(name for name in names if BATCH.fullmatch(base_of(name)) or base_of(name) in META)
    return Batches(path, members) if any(base_of(name) not in META for name in members) else None


def base_of(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def part_of(batch: str) -> str:
    return "test" if batch.startswith("test") else "train"


def read_files(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes | Unreadable]]:
    for name in names:
        try:
            yield name, (folder / name).read_bytes()
        except OSError as error:
            yield name, Unreadable(file_reason(folder / name, error))


def batch_of(name: str, content: bytes, where: str) -> Batch:
    return binary_batch(name, content, where) if name.endswith(".bin") else python_batch(name, content, where)


def binary_batch(name: str, content: bytes, where: str) -> Batch:
    if not content or len(content) % RECORD:
        raise Problem(f"{where} has {len(content):,} bytes; expected a multiple of {RECORD:,}: it breaks off", DATA)
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    return Batch(name, records[:, 1:].reshape(-1, *SHAPE), records[:, 0].tolist())


def python_batch(name: str, content: bytes, where: str) -> Batch:
    try:
        found = read_pickle(content)
        if "data" not in found or "labels" not in found:
            raise Refused(f"it has {', '.join(sorted(found)) or 'nothing'}; expected data and labels")
        pixels, labels = array_of(found["data"]), found["labels"]
        if pixels.ndim != 2 or pixels.shape[1] != RECORD - 1:
            raise Refused(f"its data have the shape {pixels.shape}; expected rows of {RECORD - 1:,}")
        if not isinstance(labels, list) or not all(type(label) is int and label >= 0 for label in labels):
            raise Refused("its labels are not a list of numbers")
        if len(labels) != len(pixels):
            raise Refused(f"it has {len(pixels):,} pictures and {len(labels):,} labels")
    except Refused as error:
        raise Problem(f"{where} is not a CIFAR-10 batch: {error}", DATA) from error
    return Batch(name, pixels.reshape(-1, *SHAPE), labels)


def names_of(content: bytes, where: str) -> list[str]:
    """The names of the labels, from batches.meta (a pickle) or batches.meta.txt (a name in each line)."""
    if where.endswith(".txt"):
        return content.decode("utf-8", errors="replace").split()
    try:
        names = read_pickle(content).get("label_names")
        if not isinstance(names, list):
            raise Refused("it has no label_names")
    except Refused as error:
        raise Problem(f"{where} does not name CIFAR-10's labels: {error}", DATA) from error
    return [text_of(name) for name in names]
