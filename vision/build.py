"""Building the cache of a picture set: every picture decoded to one form, measured, written in the order of splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from ..core.sources.cache import Cache, Index, write_array
from ..core.sources.content import Content, Unreadable, digest_of, fetched
from ..core.sources.decoded_rows import Decoded, DecodedSamples, RowStore, build_index, decode_all
from ..core.sources.manifest import Manifest
from .options import Options
from .picture import Form, Header, header, pixels

SMALL = 96  # pixels: pictures that share one size up to this keep it, all others get this side
MEASURED = 1 << 22  # bytes whose values are counted at a time

Contents = Iterable[tuple[int, Content]]


class OtherForm(Exception):
    """Raised for a picture that does not have the form that the first one suggested."""

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self.form = form


@dataclass
class PictureSet:
    """The decoded pictures of a manifest: a row of `store` each."""

    samples: DecodedSamples
    form: Form
    store: RowStore


def decode_set(manifest: Manifest, options: Options, cache: Cache, store: RowStore) -> PictureSet:
    """Decodes every picture once, or again from the start when one does not have the form of the first."""
    form, contents = first_form(manifest.contents(), options)
    while True:
        cache.require(form.weight * len(manifest.samples))
        try:
            return decode_to(form, manifest, contents, options, store)
        except OtherForm as other:
            form, contents = other.form, manifest.contents()
            store.clear()


def decode_to(form: Form, manifest: Manifest, contents: Contents, options: Options, store: RowStore) -> PictureSet:
    samples = decode_all(
        manifest,
        contents,
        lambda index, content: decode(content, form),
        store,
        lambda header: require_form(header, form, options),
        options.progress,
    )
    return PictureSet(samples, form, store)


def first_form(contents: Contents, options: Options) -> tuple[Form, Contents]:
    """The form that the first readable picture suggests, and all contents; `require_form` finds deviations."""
    if options.size is not None and options.colour != "auto":
        return Form(options.size, options.colour, options.fit), contents
    remaining = iter(contents)
    examined = []
    for entry in remaining:
        examined.append(entry)
        try:
            first = header(fetched(entry[1]))
        except Unreadable:
            continue
        size = options.size or (first.size if max(first.size) <= SMALL else (SMALL, SMALL))
        colour = options.colour if options.colour != "auto" else "grey" if first.grey else "rgb"
        return Form(size, colour, options.fit), chain(examined, remaining)
    return Form(options.size or (SMALL, SMALL), "rgb", options.fit), examined


def require_form(header: Header, form: Form, options: Options) -> None:
    """Raises OtherForm for a picture that shows that the form does not hold for all."""
    if options.size is None and form.size != (SMALL, SMALL) and header.size != form.size:
        raise OtherForm(replace(form, size=(SMALL, SMALL)))
    if options.colour == "auto" and form.colour == "grey" and not header.grey:
        raise OtherForm(replace(form, colour="rgb"))


def decode(content: Content, form: Form) -> Decoded:
    try:
        content = fetched(content)
        digest = digest_of(content)
        info, array = pixels(content, form)
        return Decoded(digest, array.tobytes(), info=info)
    except Unreadable as problem:
        return Decoded(b"", None, str(problem))


def build(manifest: Manifest, decoded: PictureSet, path: Path) -> Index:
    """Writes the pictures to the array at `path` in the order of the splits; returns its index."""
    index, order = build_index(manifest, decoded.samples)
    form = decoded.form
    statistics = PixelStatistics(form)
    training = index.splits["train"] or len(order)
    rows = (decoded.store[row] for row in order)
    write_array(path, (len(order), *form.shape), measured(rows, training, statistics))
    mean, std = statistics.result()
    index.preprocessing = {
        "size": list(form.size),
        "colour": form.colour,
        "fit": form.fit,
        "mean": mean,
        "std": std,
    }
    return index


class PixelStatistics:
    """Exact mean and standard deviation of each channel, from the counts of the 256 values."""

    def __init__(self, form: Form) -> None:
        channels, height, width = form.shape
        self.counts = np.zeros((channels, 256), np.int64)
        self.shape = (-1, channels, height * width)

    def add(self, rows: bytes) -> None:
        for channel, values in enumerate(np.frombuffer(rows, np.uint8).reshape(self.shape).transpose(1, 0, 2)):
            self.counts[channel] += np.bincount(values.ravel(), minlength=256)

    def result(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation of each channel, scaled so that 255 is 1."""
        values = np.arange(256) / 255
        shares = self.counts / self.counts.sum(1, keepdims=True)
        mean = shares @ values
        std = np.sqrt((shares * (values - mean[:, None]) ** 2).sum(1))
        # A constant channel would be divided by 0.
        return mean.round(6).tolist(), std.clip(1 / 255).round(6).tolist()


def measured(rows: Iterator[bytes], training: int, statistics: PixelStatistics) -> Iterator[bytes]:
    """Passes the rows on unchanged and measures the first `training` of them."""
    waiting: list[bytes] = []
    weight = 0
    for number, row in enumerate(rows):
        if number < training:
            waiting.append(row)
            weight += len(row)
        if waiting and (weight >= MEASURED or number >= training - 1):
            statistics.add(b"".join(waiting))
            waiting, weight = [], 0
        yield row
