"""Building a cache: every recording brought to one rate and window, divided into parts and written in their order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.problem import DATA, Problem
from ..core.sources.cache import Index, write_array
from ..core.sources.content import Content, Unreadable, counted, digest_of, fetched
from ..core.sources.parallel import in_parallel
from ..core.sources.rows import Decoded, Rows, decode_all, index_of
from ..core.sources.survey import Placed, Survey
from .audio import About, Header, Samples, Span, fitted, header, sound
from .frontend import Frontend
from .options import Options

RATE = 16_000  # Hz: speech has little above 8 kHz; a set whose recordings are all below keeps its own rate
COVERED = 0.95  # the share of recordings that fit the window: a few long ones must not slow down all
LONGEST = 10.0  # seconds: more than that is a sentence, not a word


@dataclass(frozen=True)
class Form:
    """What every recording of a set is brought to."""

    rate: int  # Hz
    samples: int  # of a window

    @property
    def weight(self) -> int:
        """Bytes of a window."""
        return 2 * self.samples

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


@dataclass
class Heard:
    """What the recordings of a set were before they were brought to `form`."""

    form: Form
    rates: Counter[int] = field(default_factory=Counter)
    cut: int = 0  # recordings longer than the window
    lost: float = 0.0  # seconds of them outside it
    seconds: float = 0.0  # of all recordings
    silent: int = 0

    def note(self, about: About) -> None:
        self.rates[about.header.rate] += 1
        self.seconds += about.seconds
        self.lost += about.cut
        self.cut += about.cut > 0
        self.silent += about.silent

    def remarks(self) -> list[str]:
        """What a person should know of how the recordings were changed."""
        told, count = [], self.rates.total()
        if len(self.rates) > 1 or self.form.rate not in self.rates:
            low, high = min(self.rates), max(self.rates)
            rates = f"{low:,} to {high:,}" if low < high else f"{low:,}"
            told.append(f"recordings at {rates} Hz are brought to {self.form.rate:,} Hz")
        if self.cut:
            told.append(
                f"{self.cut:,} of {count:,} recordings are longer than {self.form.seconds:g} s and cut to their "
                f"loudest stretch: {self.lost / self.seconds:.1%} of all sound is not heard; train's --seconds sets "
                "the length, and predict hears all of it"
            )
        if self.silent:
            told.append(f"{self.silent:,} of {count:,} recordings are silent; check lists them")
        return told


def form_of(found: Survey, placed: Sequence[Placed], options: Options) -> Form:
    """The form that was asked for, or that the recordings suggest: their highest rate, up to 16 kHz, and a window that
    holds all but the longest of them."""
    rate, seconds = options.rate, options.seconds
    if rate is None or seconds is None:
        headers = [each for each in headers_in(found, placed) if each is not None and each[1] > 0]
        rates, lengths = zip(*headers, strict=True) if headers else ((RATE,), (1.0,))
        rate = rate or min(RATE, max(rates))
        seconds = seconds or window_for(lengths)
    samples = round(seconds * rate)
    frame = Frontend(form_facts(Form(rate, samples), options)).frame
    if samples < frame:
        raise Problem(
            f"a window of {seconds:g} s is shorter than one frame of {options.frame:g} ms; give more --seconds, "
            "or --set frame=MILLISECONDS",
            DATA,
        )
    return Form(rate, samples)


def window_for(lengths: Sequence[float]) -> float:
    """The seconds that hold all but the longest recordings, up to a tenth."""
    covered = float(np.quantile(lengths, COVERED, method="higher" if len(lengths) < 100 else "linear"))
    return min(LONGEST, max(0.1, ceil(covered * 10 - 1e-6) / 10))


def headers_in(found: Survey, placed: Sequence[Placed]) -> Iterator[tuple[int, float] | None]:
    """Rate in Hz and length in seconds of each recording, or of its part; None where it cannot be read."""
    for _, told in in_parallel(found.contents(placed), lambda at, content: heading(content, found.items[at].span)):
        yield told


def heading(content: Content, span: Span) -> tuple[int, float] | None:
    try:
        told: Header = header(content if isinstance(content, Path) else bytes_of(content))
    except Unreadable:
        return None
    return told.rate, told.seconds if span is None else max(0.0, min(span[1], told.seconds) - span[0])


def bytes_of(content: Content) -> bytes:
    found = fetched(content)
    assert isinstance(found, bytes), "no origin of speech hands over arrays"
    return found


def decode(content: Content, form: Form, span: Span) -> Decoded:
    try:
        encoded = bytes_of(content)
        about, samples = sound(encoded, form.rate, span)
        about.cut = max(0, len(samples) - form.samples) / form.rate
        told = f"{span}".encode() if span else b""
        return Decoded(digest_of(encoded + told), fitted(samples, form.samples).tobytes(), about=about)
    except Unreadable as problem:
        return Decoded(b"", None, str(problem))


def decoded(found: Survey, placed: Sequence[Placed], options: Options, form: Form, path: Path) -> tuple[Rows, Heard]:
    """Every readable recording as a row of the file `path`, and what they were before."""
    rows, heard = Rows(path, form.weight), Heard(form)
    decode_all(
        found,
        placed,
        lambda at, content: decode(content, form, found.items[at].span),
        rows,
        heard.note,
        options.progress,
    )
    return rows, heard


def build(found: Survey, rows: Rows, heard: Heard, options: Options, path: Path) -> Index:
    """Writes the rows to the array at `path` in the order of the parts; gives the index of it."""
    index, order = index_of(found, rows)
    write_array(path, (len(order), heard.form.samples), rows.read(order), "<i2")
    index.preprocessing = form_facts(heard.form, options)
    if options.normalise == "set":
        inputs = np.load(path, mmap_mode="r")[: index.parts["train"] or len(order)]
        index.preprocessing |= measured(inputs, index.preprocessing)
    index.remarks += heard.remarks()
    return index


def form_facts(form: Form, options: Options) -> dict[str, Any]:
    """What the frontend and `read` depend on."""
    return {
        "rate": form.rate,
        "samples": form.samples,
        "bands": options.bands,
        "frame": options.frame,
        "hop": options.hop,
        "deltas": options.deltas,
        "normalise": options.normalise,
    }


def measured(
    inputs: np.ndarray[Any, Any], preprocessing: dict[str, Any], together: int = 256
) -> dict[str, list[float]]:
    """Mean and deviation in dB of each band over the training recordings."""
    plain = Frontend({**preprocessing, "normalise": "none", "deltas": False})
    total, squares, count = (
        torch.zeros(preprocessing["bands"]).double(),
        torch.zeros(preprocessing["bands"]).double(),
        0,
    )
    for start in range(0, len(inputs), together):
        maps = plain(torch.from_numpy(inputs[start : start + together].copy()))[:, 0].double()  # (B, bands, frames)
        total += maps.sum((0, 2))
        squares += maps.square().sum((0, 2))
        count += len(maps) * maps.shape[2]
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt().clamp_min(1.0)
    return {"mean": [round(each, 3) for each in mean.tolist()], "std": [round(each, 3) for each in std.tolist()]}


def noise_of(contents: Sequence[Content], form: Form, path: Path) -> tuple[list[tuple[int, str]], str]:
    """The background recordings, one after the other, as the array at `path`, where they are longer than a window.

    Gives those that cannot be used, and why, and a remark.
    """
    pieces: list[Samples] = []
    bad = []
    for at, content in enumerate(contents):
        try:
            pieces.append(sound(bytes_of(content), form.rate)[1])
        except Unreadable as problem:
            bad.append((at, str(problem)))
    count = sum(map(len, pieces))
    told = f"background noise: {counted(len(pieces), 'recording')}, {count / form.rate:.1f} s"
    if count <= form.samples:
        return bad, f"{told}, which is not used: a window has {form.seconds:g} s"
    np.save(path, np.concatenate(pieces))
    return bad, told
