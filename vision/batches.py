"""The Python and binary batches of CIFAR-10, in a folder or an archive. https://www.cs.toronto.edu/~kriz/cifar.html"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ..core.problem import DATA, Problem
from ..core.sources.content import Content, Unreadable, fetched
from ..core.sources.source import Files, SampleInfo, SourceManifest
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
    """`members` are the names of the batch files, and of the file that names the labels."""

    def __init__(self, files: Files, members: Sequence[str]) -> None:
        self.files, self.members = files, members

    @property
    def location(self) -> str:
        return self.files.location

    def fingerprint(self) -> Iterator[Hashable]:
        return self.files.fingerprint(self.members)

    def scan(self, group_by: str | None) -> SourceManifest:
        names = next((names_of(content, self.display_name(name)) for name, content in self.read(META)), NAMES)
        samples = [
            SampleInfo(f"{batch.name}[{k}]", names[value] if value < len(names) else str(value), split_of(batch.name))
            for batch in self.batches()
            for k, value in enumerate(batch.labels)
        ]
        return SourceManifest(samples, label_order=names)

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        index_of = {sample.name: index for index, sample in enumerate(samples)}
        for batch in self.batches():
            for k, pixels in enumerate(batch.pixels):
                if (index := index_of.get(f"{batch.name}[{k}]")) is not None:
                    yield index, pixels

    def batches(self) -> Iterator[Batch]:
        for name, content in self.read():
            if base_of(name) not in META:
                yield batch_of(base_of(name), content, self.display_name(name))

    def read(self, only: Sequence[str] = ()) -> Iterator[tuple[str, bytes]]:
        """The batch files with their bytes, or the `only` ones. Raises Problem if one cannot be read."""
        for name, content in self.files.read([name for name in self.members if not only or base_of(name) in only]):
            try:
                encoded = fetched(content)
            except Unreadable as problem:
                raise Problem(f"{self.display_name(name)} {problem}", DATA) from problem
            assert isinstance(encoded, bytes)
            yield name, encoded

    def display_name(self, name: str) -> str:
        return self.files.display_name(name)


def batches_among(files: Files, names: Sequence[str]) -> Batches | None:
    """The batches among the names of files; None if there are none."""
    members = sorted(name for name in names if BATCH.fullmatch(base_of(name)) or base_of(name) in META)
    return Batches(files, members) if any(base_of(name) not in META for name in members) else None


def base_of(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def split_of(batch: str) -> str:
    return "test" if batch.startswith("test") else "train"


def batch_of(name: str, content: bytes, where: str) -> Batch:
    return binary_batch(name, content, where) if name.endswith(".bin") else python_batch(name, content, where)


def binary_batch(name: str, content: bytes, where: str) -> Batch:
    if not content or len(content) % RECORD:
        raise Problem(f"{where} has {len(content):,} bytes; expected a multiple of {RECORD:,}: it breaks off", DATA)
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)
    return Batch(name, records[:, 1:].reshape(-1, *SHAPE), records[:, 0].tolist())


def python_batch(name: str, content: bytes, where: str) -> Batch:
    try:
        batch = read_pickle(content)
        if "data" not in batch or "labels" not in batch:
            raise Refused(f"it has {', '.join(sorted(batch)) or 'nothing'}; expected data and labels")
        pixels, labels = array_of(batch["data"]), batch["labels"]
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
