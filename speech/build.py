"""Building the cache of a speech set: every recording opened once, brought to one rate and window, written once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..core.native_output import in_one_line, native_stderr
from ..core.problem import DATA, Problem
from ..core.progress import say
from ..core.sources.cache import Index, write_array
from ..core.sources.content import Content, Unreadable, counted, digest_of, fetched
from ..core.sources.decoded_rows import Decoded, DecodedSamples, RowStore, build_index, decode_all
from ..core.sources.manifest import Manifest
from .audio import OPPOSITE, Header, RecordingInfo, Samples, Span, decode, fit, open_recording, read_header, sound
from .frontend import Frontend, samples_in
from .options import Options

RATE = 16_000  # Hz: speech has little above 8 kHz; a set whose recordings are all below keeps its own rate
COVERED = 0.95  # the share of recordings that fit the window: a few long ones must not slow down all
LONGEST = 10.0  # seconds of a window: longer recordings are sentences, not words
STORED = 30.0  # seconds: a longer recording is not kept until the window is known, but read again


@dataclass(frozen=True)
class Form:
    """The rate and the window that every recording of a set is brought to."""

    rate: int  # Hz
    samples: int  # of a window

    @property
    def weight(self) -> int:
        """Bytes of a window."""
        return 2 * self.samples

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


@dataclass(frozen=True)
class Recording:
    """A recording, decoded before the form of the set is known; `info` is None if it could not be decoded."""

    header: Header
    seconds: float  # by the header; of the part that a table names
    rate: int  # Hz, of the samples
    info: RecordingInfo | None = None
    length: int = 0  # samples
    stored: bool = True  # False if it is too long to be kept

    def has_form(self, form: Form) -> bool:
        """Returns True if the stored samples can be fitted to the window."""
        return self.stored and self.rate == form.rate


@dataclass
class SetInfo:
    """Counts of the recordings of a set before they were brought to `form`."""

    form: Form
    rates: Counter[int] = field(default_factory=Counter)
    cut: int = 0  # recordings longer than the window
    lost: float = 0.0  # seconds outside it
    seconds: float = 0.0  # of all recordings
    silent: int = 0
    cancelled: int = 0

    def note(self, recording: Recording) -> None:
        assert recording.info is not None
        lost = max(0, recording.length - self.form.samples) / self.form.rate
        self.rates[recording.header.rate] += 1
        self.seconds += recording.info.seconds
        self.lost += lost
        self.cut += lost > 0
        self.silent += recording.info.silent
        self.cancelled += recording.info.cancelled

    def remarks(self) -> list[str]:
        """Remarks on how the recordings were changed."""
        remarks, count = [], self.rates.total()
        if len(self.rates) > 1 or self.form.rate not in self.rates:
            low, high = min(self.rates), max(self.rates)
            rates = f"{low:,} to {high:,}" if low < high else f"{low:,}"
            remarks.append(f"recordings at {rates} Hz are resampled to {self.form.rate:,} Hz")
        if self.cut:
            remarks.append(
                f"{self.cut:,} of {count:,} recordings are longer than {self.form.seconds:g} s and cut to their "
                f"loudest stretch: {self.lost / self.seconds:.1%} of all sound is left out; train's --seconds sets "
                "the length, and predict uses all of it"
            )
        if self.silent:
            remarks.append(f"{self.silent:,} of {count:,} recordings are silent; check lists them")
        if self.cancelled:
            remarks.append(f"{self.cancelled:,} of {count:,} recordings have {OPPOSITE}; check lists them")
        return remarks


# --- one recording --------------------------------------------------------------------------------------------------


def bytes_of(content: Content) -> bytes:
    encoded = fetched(content)
    assert isinstance(encoded, bytes), "the sources of speech give no arrays"
    return encoded


def digest(encoded: bytes, span: Span) -> bytes:
    """The digest of a recording, or of the part that a table names."""
    return digest_of(encoded + f"{span}".encode() if span else encoded)


def span_seconds(header: Header, span: Span) -> float:
    """The length of a recording by its header, or of the part that a table names."""
    return header.seconds if span is None else max(0.0, min(span[1], header.seconds) - span[0])


def decode_first(content: Content, span: Span, options: Options) -> Decoded:
    """A recording at the rate that it probably has in the set, as long as it is: the window is not known yet."""
    recording = None
    try:
        encoded = bytes_of(content)
        with open_recording(encoded) as file:
            header = read_header(file)
            rate = options.rate or min(RATE, header.rate)
            recording = Recording(header, span_seconds(header, span), rate)
            info, samples = decode(file, header, rate, span)
    except Unreadable as problem:
        return Decoded(b"", None, str(problem), recording)
    stored = len(samples) <= STORED * rate
    recording = replace(recording, info=info, length=len(samples), stored=stored)
    return Decoded(digest(encoded, span), samples.tobytes() if stored else b"", info=recording)


def decode_again(content: Content, span: Span, form: Form, recording: Recording) -> Decoded:
    """A recording at the rate of the set, fitted to the window."""
    try:
        encoded = bytes_of(content)
        info, samples = sound(encoded, form.rate, span)
    except Unreadable as problem:
        return Decoded(b"", None, str(problem))
    recording = replace(recording, info=info, rate=form.rate, length=len(samples), stored=True)
    return Decoded(digest(encoded, span), fit(samples, form.samples).tobytes(), info=recording)


# --- the form of a set ----------------------------------------------------------------------------------------------


def form_of(recordings: Sequence[Recording], options: Options) -> Form:
    """The form given by the options or by the recordings: their highest rate, up to 16 kHz, and a window that holds
    all but the longest of them."""
    headers = [recording for recording in recordings if recording.seconds > 0]
    rate = options.rate or min(RATE, max((recording.header.rate for recording in headers), default=RATE))
    seconds = options.seconds or window_for([recording.seconds for recording in headers] or [1.0])
    samples = round(seconds * rate)
    if samples < samples_in(options.frame, rate):
        raise Problem(
            f"a window of {seconds:g} s is shorter than one frame of {options.frame:g} ms; give more --seconds, "
            "or --set frame=MILLISECONDS",
            DATA,
        )
    return Form(rate, samples)


def window_for(lengths: Sequence[float]) -> float:
    """The seconds that hold all but the longest recordings, rounded up to a tenth."""
    covered = float(np.quantile(lengths, COVERED, method="higher" if len(lengths) < 100 else "linear"))
    return min(LONGEST, max(0.1, ceil(covered * 10 - 1e-6) / 10))


# --- a set ----------------------------------------------------------------------------------------------------------


@dataclass
class RecordingSet:
    """The decoded recordings of a manifest, as long as they are: a row of `store` each."""

    manifest: Manifest
    samples: DecodedSamples
    recordings: list[Recording]  # of `samples`
    headers: list[Recording]  # of all files with a readable header
    store: RowStore


def decode_set(manifest: Manifest, options: Options, store: RowStore) -> RecordingSet:
    """Decodes every recording once."""
    headers = list[Recording]()
    samples = decode_all(
        manifest,
        manifest.contents(),
        lambda index, content: decode_first(content, manifest.samples[index].span, options),
        store,
        headers.append,
        options.progress,
    )
    recordings = [recording for recording in headers if recording.info is not None]
    return RecordingSet(manifest, samples, recordings, headers, store)


def bring_to_form(decoded: RecordingSet, form: Form) -> None:
    """Decodes the recordings again that were decoded at another rate or were too long to be kept."""
    rows = {
        index: row for row, index in enumerate(decoded.samples.indices) if not decoded.recordings[row].has_form(form)
    }
    if not rows:
        return
    manifest = decoded.manifest
    changed = list[Recording]()
    again = decode_all(
        manifest,
        manifest.contents(rows.keys()),
        lambda index, content: decode_again(
            content, manifest.samples[index].span, form, decoded.recordings[rows[index]]
        ),
        decoded.store,
        changed.append,
        None,
    )
    appended = len(decoded.store.ranges) - len(again.indices)
    for offset, (index, recording) in enumerate(zip(again.indices, changed, strict=True)):
        row = rows[index]
        decoded.store.ranges[row] = decoded.store.ranges[appended + offset]
        decoded.recordings[row] = recording
    remove(decoded, {rows[index] for index in rows.keys() - set(again.indices)})
    decoded.samples.bad += again.bad


def remove(decoded: RecordingSet, rows: Collection[int]) -> None:
    """Removes recordings that could not be read a second time."""
    kept = [row for row in range(len(decoded.recordings)) if row not in rows]
    decoded.samples.indices = [decoded.samples.indices[row] for row in kept]
    decoded.samples.digests = [decoded.samples.digests[row] for row in kept]
    decoded.recordings = [decoded.recordings[row] for row in kept]
    decoded.store.ranges = [decoded.store.ranges[row] for row in kept]


def build(decoded: RecordingSet, form: Form, options: Options, path: Path) -> Index:
    """Writes the recordings to the array at `path` in the order of the splits; returns its index."""
    index, order = build_index(decoded.manifest, decoded.samples)
    write_array(path, (len(order), form.samples), windows(decoded.store, order, form), "<i2")
    index.preprocessing = preprocessing_of(form, options)
    if options.normalise == "set":
        inputs = np.load(path, mmap_mode="r")[: index.splits["train"] or len(order)]
        index.preprocessing |= band_statistics(inputs, index.preprocessing)
    info = SetInfo(form)
    for recording in decoded.recordings:
        info.note(recording)
    index.remarks += info.remarks()
    return index


def windows(store: RowStore, order: Sequence[int], form: Form) -> Iterator[bytes]:
    """The rows in `order`, each fitted to the window."""
    for row in order:
        yield fit(np.frombuffer(store[row], np.int16), form.samples).tobytes()


def preprocessing_of(form: Form, options: Options) -> dict[str, Any]:
    """The values that the frontend and `read` depend on."""
    return {
        "rate": form.rate,
        "samples": form.samples,
        "bands": options.bands,
        "frame": options.frame,
        "hop": options.hop,
        "deltas": options.deltas,
        "normalise": options.normalise,
        **({"scale": options.scale} if options.scale != "mel" else {}),
    }


def band_statistics(
    inputs: np.ndarray[Any, Any], preprocessing: dict[str, Any], together: int = 256
) -> dict[str, list[float]]:
    """Mean and standard deviation in dB of each band over the training recordings."""
    frontend = Frontend({**preprocessing, "normalise": "none", "deltas": False})
    total, squares = torch.zeros(2, preprocessing["bands"]).double()
    count = 0
    for start in range(0, len(inputs), together):
        maps = frontend(torch.from_numpy(inputs[start : start + together].copy()))[:, 0].double()  # (B, bands, frames)
        total += maps.sum((0, 2))
        squares += maps.square().sum((0, 2))
        count += len(maps) * maps.shape[2]
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt().clamp_min(1.0)
    return {
        "mean": [round(value, 3) for value in mean.tolist()],
        "std": [round(value, 3) for value in std.tolist()],
    }


def build_noise(
    contents: Sequence[Content], names: Sequence[str], form: Form, path: Path
) -> tuple[list[tuple[int, str]], str]:
    """Writes the background recordings, concatenated, to the array at `path` if they are longer than a window.

    Returns those that cannot be used, with their reasons, and a remark.
    """
    pieces: list[Samples] = []
    bad = []
    with native_stderr() as output:
        for index, content in enumerate(contents):
            try:
                pieces.append(sound(bytes_of(content), form.rate)[1])
            except Unreadable as problem:
                bad.append((index, str(problem)))
            if lines := output.new_lines():
                say(f"{names[index]}: its decoder reports: {in_one_line(lines)}")
    count = sum(map(len, pieces))
    remark = f"background noise: {counted(len(pieces), 'recording')}, {count / form.rate:.1f} s"
    if count <= form.samples:
        return bad, f"{remark}, which is not used: a window has {form.seconds:g} s"
    np.save(path, np.concatenate(pieces))
    return bad, remark
