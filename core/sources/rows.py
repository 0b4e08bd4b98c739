"""Decoding every example of a survey into one file of equal rows, and dividing the rows into parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..data import Progress
from ..split import PARTS
from .cache import Index
from .content import Content, Kind
from .parallel import in_parallel
from .survey import Placed, Survey, divide, in_order

TOLD = 100  # examples between two reports of progress


class Decoded(NamedTuple):
    """An example as a row and the hash of its file, or the reason why there is none."""

    digest: bytes
    row: bytes | None
    reason: str = ""
    about: Any = None  # what the domain remembers of it


@dataclass
class Rows:
    """What was decoded: the file `path`, row by row, and for each row the position of its item."""

    path: Path
    weight: int  # bytes of a row
    items: list[int] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    bad: list[tuple[int, str, str]] = field(default_factory=list)  # origin, name, reason

    def read(self, order: Sequence[int]) -> Iterator[bytes]:
        """The rows at `order`. Read, not mapped: mapped pages would count as memory of this process."""
        with open(self.path, "rb", buffering=0) as file:
            for row in order:
                file.seek(row * self.weight)
                yield file.read(self.weight)


def decode_all(
    found: Survey,
    placed: Sequence[Placed],
    decode: Callable[[int, Content], Decoded],
    rows: Rows,
    note: Callable[[Any], object],
    progress: Progress | None,
) -> None:
    """Every readable example into `rows`, in parallel; `note` is told what `decode` says about each, in order."""
    with open(rows.path, "wb") as file:
        for done, (at, made) in enumerate(in_parallel(found.contents(placed), decode), 1):
            if made.row is None:
                rows.bad.append((found.whose[at], found.items[at].name, made.reason))
            else:
                note(made.about)
                file.write(made.row)
                rows.items.append(at)
                rows.hashes.append(made.digest)
            if progress and (done % TOLD == 0 or done == len(found.items)):
                progress(done, len(found.items))


def index_of(found: Survey, rows: Rows) -> tuple[Index, list[int]]:
    """The index of decoded rows, all but the domain's facts, and the order of the rows by their parts."""
    items = [found.items[at] for at in rows.items]
    parts, rare = divide(items, rows.hashes, found.source)
    order = sorted(range(len(items)), key=lambda row: (PARTS.index(parts[row]), rows.items[row]))
    labels = in_order({item.label for item in items}, found.order)
    target = {label: at for at, label in enumerate(labels)}
    index = Index(
        names=[items[row].name for row in order],
        whose=[found.whose[rows.items[row]] for row in order],
        labels=labels,
        targets=[target[items[row].label] for row in order],
        hashes=[rows.hashes[row].hex() for row in order],
        parts={part: parts.count(part) for part in PARTS},
        given=found.given,
        bad=found.bad + rows.bad,
        remarks=found.remarks + remarks(parts, rows.hashes, rare, found.kind),
    )
    return index, order


def remarks(parts: Sequence[str], hashes: Sequence[bytes], rare: Sequence[str], kind: Kind) -> list[str]:
    """What a person should know of how the examples were divided."""
    told = []
    if rare:
        told.append(f"classes with a single {kind.noun}, which stays in training: {', '.join(rare)}")
    across = defaultdict(set)
    for part, digest in zip(parts, hashes, strict=True):
        across[digest].add(part)
    if twice := sum(len(each) > 1 for each in across.values()):
        verb = "lies" if twice == 1 else "lie"
        told.append(
            f"{kind.counted(twice)} {verb} in more than one part, byte for byte, and flatter the scores; "
            "check lists them"
        )
    return told
