"""Building a cache: every picture decoded, divided into parts, measured and written in the order of the parts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..core.split import PARTS
from .cache import Index, write_array
from .options import Options
from .parallel import in_parallel
from .picture import Content, Form, Header, Pixels, Unreadable, fetched, header, pixels
from .sources import Placed
from .survey import Survey, counted, divide, in_order

SMALL = 96  # pixels: pictures that share one size up to this keep it, all others get this side
TOLD = 100  # pictures between two reports of progress
MEASURED = 1 << 22  # bytes whose values are counted at once


class Decoded(NamedTuple):
    """A picture in its form and the hash of its file, or the reason why there is none."""

    digest: bytes
    header: Header | None
    pixels: Pixels | None
    reason: str = ""


class Otherwise(Exception):
    """A picture shows that not all of them have the form that the first one suggested."""

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self.form = form


@dataclass
class Rows:
    """What was decoded: pixels in the file `path`, row by row, and for each row the position of its item."""

    path: Path
    form: Form
    items: list[int] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    bad: list[tuple[int, str, str]] = field(default_factory=list)  # origin, name, reason
    sizes: set[tuple[int, int]] = field(default_factory=set)  # of the pictures before they were brought to the form
    grey: bool = True  # whether all of them were grey

    @property
    def channels(self) -> int:
        return 1 if self.form.colour == "grey" else 3

    @property
    def weight(self) -> int:
        """Bytes of a row."""
        return self.channels * self.form.size[0] * self.form.size[1]

    def add(self, item: int, digest: bytes, header: Header) -> None:
        self.items.append(item)
        self.hashes.append(digest)
        self.sizes.add(header.size)
        self.grey &= header.grey

    def read(self, order: Sequence[int]) -> Iterator[bytes]:
        """The rows at `order`. Read, not mapped: mapped pages would count as memory of this process."""
        with open(self.path, "rb", buffering=0) as file:
            for row in order:
                file.seek(row * self.weight)
                yield file.read(self.weight)


def first_form(found: Survey, placed: Sequence[Placed], options: Options) -> Form:
    """The form that the first readable picture suggests; `fitting` finds out when another one differs."""
    if options.size is not None and options.colour != "auto":
        return Form(options.size, options.colour, options.fit)
    for _, content in found.contents(placed):
        try:
            first = header(fetched(content))
        except Unreadable:
            continue
        size = options.size or (first.size if max(first.size) <= SMALL else (SMALL, SMALL))
        colour = options.colour if options.colour != "auto" else "grey" if first.grey else "rgb"
        return Form(size, colour, options.fit)
    return Form(options.size or (SMALL, SMALL), "rgb", options.fit)


def fitting(header: Header, form: Form, options: Options) -> None:
    """Raises Otherwise where a picture shows that the form does not hold for all."""
    if options.size is None and form.size != (SMALL, SMALL) and header.size != form.size:
        raise Otherwise(replace(form, size=(SMALL, SMALL)))
    if options.colour == "auto" and form.colour == "grey" and not header.grey:
        raise Otherwise(replace(form, colour="rgb"))


def decode(content: Content, form: Form) -> Decoded:
    try:
        content = fetched(content)
        digest = digest_of(content)
        return Decoded(digest, *pixels(content, form))
    except Unreadable as problem:
        return Decoded(b"", None, None, str(problem))


def digest_of(content: Pixels | bytes) -> bytes:
    return blake2b(content if isinstance(content, bytes) else content.tobytes(), digest_size=16).digest()


def decode_all(found: Survey, placed: Sequence[Placed], options: Options, form: Form, path: Path) -> Rows:
    """Every readable picture as a row of the file `path`."""
    rows = Rows(path, form)
    with open(path, "wb") as file:
        decoded = in_parallel(found.contents(placed), lambda content: decode(content, form))
        for done, (at, picture) in enumerate(decoded, 1):
            if picture.header is None or picture.pixels is None:
                rows.bad.append((found.whose[at], found.items[at].name, picture.reason))
            else:
                fitting(picture.header, form, options)
                file.write(picture.pixels.tobytes())
                rows.add(at, picture.digest, picture.header)
            if options.progress and (done % TOLD == 0 or done == len(found.items)):
                options.progress(done, len(found.items))
    return rows


def index_of(found: Survey, rows: Rows) -> tuple[Index, list[int]]:
    """The index of decoded rows, all but what is measured, and the order of the rows by their parts."""
    items = [found.items[at] for at in rows.items]
    parts, rare = divide(items, rows.hashes)
    order = sorted(range(len(items)), key=lambda row: (PARTS.index(parts[row]), rows.items[row]))
    labels = in_order({item.label for item in items}, found.order)
    target = {label: at for at, label in enumerate(labels)}
    index = Index(
        size=rows.form.size,
        colour=rows.form.colour,
        fit=rows.form.fit,
        mean=[],
        std=[],
        names=[items[row].name for row in order],
        whose=[found.whose[rows.items[row]] for row in order],
        labels=labels,
        targets=[target[items[row].label] for row in order],
        hashes=[rows.hashes[row].hex() for row in order],
        parts={part: parts.count(part) for part in PARTS},
        given=found.given,
        uniform=len(rows.sizes) == 1,
        grey=rows.grey,
        bad=found.bad + rows.bad,
        remarks=found.remarks + remarks(parts, rows.hashes, rare),
    )
    return index, order


def build(found: Survey, rows: Rows, path: Path) -> Index:
    """Writes the rows to the array at `path` in the order of the parts; gives the index of it."""
    index, order = index_of(found, rows)
    measure = Measure(rows.channels, rows.form.size)
    training = index.parts["train"] or len(order)
    write_array(path, index.shape, measured(rows.read(order), training, measure))
    index.mean, index.std = measure.result()
    return index


def remarks(parts: Sequence[str], hashes: Sequence[bytes], rare: Sequence[str]) -> list[str]:
    """What a person should know of how the examples were divided."""
    told = []
    if rare:
        told.append(f"classes with a single picture, which stays in training: {', '.join(rare)}")
    across = defaultdict(set)
    for part, digest in zip(parts, hashes, strict=True):
        across[digest].add(part)
    if twice := sum(len(each) > 1 for each in across.values()):
        verb = "lies" if twice == 1 else "lie"
        told.append(
            f"{counted(twice, 'picture')} {verb} in more than one part, byte for byte, and flatter the scores; "
            "check lists them"
        )
    return told


class Measure:
    """Mean and standard deviation of each channel, exactly: how often each of the 256 values occurs."""

    def __init__(self, channels: int, size: tuple[int, int]) -> None:
        self.counts = np.zeros((channels, 256), np.int64)
        self.shape = (-1, channels, size[0] * size[1])

    def add(self, rows: bytes) -> None:
        for channel, values in enumerate(np.frombuffer(rows, np.uint8).reshape(self.shape).transpose(1, 0, 2)):
            self.counts[channel] += np.bincount(values.ravel(), minlength=256)

    def result(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel, where 255 counts as 1."""
        values = np.arange(256) / 255
        shares = self.counts / self.counts.sum(1, keepdims=True)
        mean = shares @ values
        std = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(1))
        # A channel of one flat value would be divided by nothing.
        return mean.round(6).tolist(), std.clip(1 / 255).round(6).tolist()


def measured(rows: Iterator[bytes], training: int, measure: Measure) -> Iterator[bytes]:
    """The rows unchanged, the first `training` of them measured on the way."""
    waiting: list[bytes] = []
    weight = 0
    for number, row in enumerate(rows):
        if number < training:
            waiting.append(row)
            weight += len(row)
        if waiting and (weight >= MEASURED or number >= training - 1):
            measure.add(b"".join(waiting))
            waiting, weight = [], 0
        yield row
