"""Building a cache: every picture decoded to one form, divided into parts, measured and written in their order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..core.sources.cache import Index, write_array
from ..core.sources.content import Content, Unreadable, digest_of, fetched
from ..core.sources.rows import Decoded, Rows, decode_all, index_of
from ..core.sources.survey import Placed, Survey
from .options import Options
from .picture import Form, Header, header, pixels

SMALL = 96  # pixels: pictures that share one size up to this keep it, all others get this side
MEASURED = 1 << 22  # bytes whose values are counted at once


class Otherwise(Exception):
    """A picture shows that not all of them have the form that the first one suggested."""

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self.form = form


@dataclass
class Forms:
    """What the pictures of a set were before they were brought to `form`."""

    form: Form
    options: Options
    sizes: set[tuple[int, int]] = field(default_factory=set)
    grey: bool = True  # whether all of them were grey

    def note(self, header: Header) -> None:
        fitting(header, self.form, self.options)
        self.sizes.add(header.size)
        self.grey &= header.grey


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
        about, array = pixels(content, form)
        return Decoded(digest, array.tobytes(), about=about)
    except Unreadable as problem:
        return Decoded(b"", None, str(problem))


def decoded(found: Survey, placed: Sequence[Placed], options: Options, form: Form, path: Path) -> tuple[Rows, Forms]:
    """Every readable picture as a row of the file `path`, and what they were before."""
    rows, forms = Rows(path, form.weight), Forms(form, options)
    decode_all(found, placed, lambda at, content: decode(content, form), rows, forms.note, options.progress)
    return rows, forms


def build(found: Survey, rows: Rows, forms: Forms, path: Path) -> Index:
    """Writes the rows to the array at `path` in the order of the parts; gives the index of it."""
    index, order = index_of(found, rows)
    form = forms.form
    measure = Measure(form)
    training = index.parts["train"] or len(order)
    write_array(path, (len(order), *form.shape), measured(rows.read(order), training, measure))
    mean, std = measure.result()
    index.preprocessing = {
        "size": list(form.size),
        "colour": form.colour,
        "fit": form.fit,
        "mean": mean,
        "std": std,
        "uniform": len(forms.sizes) == 1,  # whether all pictures had one size before they were brought to `size`
        "grey": forms.grey,
    }
    return index


class Measure:
    """Mean and standard deviation of each channel, exactly: how often each of the 256 values occurs."""

    def __init__(self, form: Form) -> None:
        channels, height, width = form.shape
        self.counts = np.zeros((channels, 256), np.int64)
        self.shape = (-1, channels, height * width)

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
