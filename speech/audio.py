"""One recording: a file's bytes -> int16 samples of one channel at a given rate. `load` and `read` both come here."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from ..core.sources.content import Kind, Unreadable, beginning, is_text, size_of

Samples = npt.NDArray[np.int16]  # (N,)
Block = npt.NDArray[np.float32]  # (frames, channels), full scale is 1

SUFFIXES = frozenset([".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".w64"])
FOREIGN = frozenset([".m4a", ".aac", ".mp4", ".wma", ".amr", ".webm", ".3gp"])  # named, so that nobody misses them
RECORDINGS = Kind(
    "speech",
    "recording",
    SUFFIXES,
    "a folder with one folder per word, a folder whose file names follow a --pattern, a .zip or .tar of either, "
    "or a .csv of path, label",
    FOREIGN,
)
READABLE = "readable are WAV, FLAC, OGG, Opus, MP3, AIFF"
LOOK = 1 << 12  # bytes that tell what kind of file it is
BLOCK = 1 << 20  # frames decoded at once: three hours must not be in memory as floating point numbers
SHORTEST = 0.01  # seconds: what is shorter holds no sound that has a pitch
LOUDEST = 32767
CLIPPED = 0.001  # share of samples at full scale from which a recording sounds broken
WHOLE = 0.99  # of the samples that a header promises: what has less was cut short
UNKNOWN = 0x7FFFF000  # bytes that a header names where nobody knew how many would come
SILENT = 0.001  # of full scale (−60 dB): what never gets louder is silence


class Header(NamedTuple):
    """What a recording is before it is changed."""

    rate: int  # Hz
    channels: int
    frames: int
    format: str

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


@dataclass
class About:
    """A recording's header, and what was heard in it."""

    header: Header
    seconds: float  # of it, or of the part that a table names
    peak: float = 0.0  # the loudest sample, full scale is 1
    full: int = 0  # samples at full scale
    count: int = 0  # samples in all its channels
    cut: float = field(default=0.0)  # seconds that do not fit the window

    def hear(self, block: Block, at: int) -> None:
        """Notes how loud it is. Raises Unreadable where it is not made of numbers."""
        level = np.abs(block)
        peak = float(level.max(initial=0))
        if not np.isfinite(peak):
            first = at + int(np.flatnonzero(~np.isfinite(block).all(1))[0])
            raise Unreadable(f"holds samples that are no numbers (NaN or infinite), first at {seconds(first, self)}")
        self.peak = max(self.peak, peak)
        self.full += int((level >= LOUDEST / 32768).sum())
        self.count += block.size

    @property
    def clipped(self) -> bool:
        return self.full > CLIPPED * self.count

    @property
    def silent(self) -> bool:
        return self.peak < SILENT


def seconds(frames: int, about: About) -> str:
    return f"{frames / about.header.rate:.2f} s"


Span = tuple[float, float] | None  # from and to in seconds, where only a part of a recording is meant


def header(content: bytes | Path) -> Header:
    """What a recording is, from its first bytes. Raises Unreadable."""
    with opened(content) as file:
        return header_of(file)


def sound(content: bytes | Path, rate: int | None, span: Span = None) -> tuple[About, Samples]:
    """A recording, or a part of it, as samples at `rate` Hz (its own where that is None), mixed over its channels.

    A file is decoded as it is read, block by block: three hours take no more memory than their samples at `rate`.
    Raises Unreadable with the reason, in words that can follow its name.
    """
    with opened(content) as file:
        told = header_of(file)
        start, stop = part(told, span)
        about = About(told, (stop - start) / told.rate)
        heard = bytearray()  # grows where it lies, as a list of blocks that are joined would not
        for block in resampled(blocks(file, start, stop, about), told.rate, rate or told.rate):
            heard += block.tobytes()
        about.seconds = about.count / (told.rate * told.channels)  # an MP3's header only guesses
    if about.count < max(2, SHORTEST * told.rate) * told.channels:
        count = about.count // told.channels
        noun = "sample" if count == 1 else "samples"
        raise Unreadable(f"has {count} {noun}; a recording lasts at least {SHORTEST * 1000:.0f} ms")
    return about, np.frombuffer(heard, np.int16)


def opened(content: bytes | Path) -> Any:
    size = len(content) if isinstance(content, bytes) else size_of(content)
    if not size:
        raise Unreadable("is empty (0 bytes)")
    first = content[:LOOK] if isinstance(content, bytes) else beginning(content, LOOK)
    try:
        file = soundfile.SoundFile(io.BytesIO(content) if isinstance(content, bytes) else content)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise Unreadable(strange(first, error)) from error
    if (there := share_of(first, size)) < WHOLE:
        file.close()
        raise Unreadable(f"is cut short: {there:.0%} of the samples that its header promises are there")
    return file


def share_of(first: bytes, size: int) -> float:
    """How much of the samples that a WAV or AIFF file promises is in it: libsndfile takes what there is for all.

    Programs that write into a pipe promise nothing, or more than any file of 2 GB holds: 1 for those and other formats.
    """
    order: Any = {b"RIFF": "little", b"FORM": "big"}.get(first[:4])
    at = 12
    while order and at + 8 <= len(first):
        length = int.from_bytes(first[at + 4 : at + 8], order)
        if first[at : at + 4] in (b"data", b"SSND"):
            return (size - at - 8) / length if 0 < length < UNKNOWN else 1.0
        at += 8 + length + length % 2
    return 1.0


def header_of(file: Any) -> Header:
    return Header(int(file.samplerate), int(file.channels), int(file.frames), f"{file.format} {file.subtype}")


def part(told: Header, span: Span) -> tuple[int, int]:
    """The frames that a span in seconds means. Raises Unreadable where they are not in the recording."""
    if span is None:
        return 0, told.frames
    start, stop = span
    if not 0 <= start < stop or round(stop * told.rate) > told.frames + told.rate // 100:  # tables round to 10 ms
        raise Unreadable(
            f"lasts {told.seconds:.2f} s; the table asks for {start:g} to {stop:g} s, which is no part of that"
        )
    return round(start * told.rate), min(told.frames, round(stop * told.rate))


def blocks(file: Any, start: int, stop: int, about: About) -> Iterator[Block]:
    """The frames from `start` to `stop`, at most BLOCK at a time, told to `about`."""
    at = start
    try:
        if start:
            file.seek(start)
        while at < stop:
            block = file.read(min(BLOCK, stop - at), dtype="float32", always_2d=True)
            if not len(block):
                return  # a header may promise more than there is: MP3 guesses
            about.hear(block, at)
            yield block
            at += len(block)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        where = f"{seconds(max(at, reached(file)), about)} of {about.header.seconds:.2f} s"
        raise Unreadable(f"is damaged: the decoder fails after {where} ({reason(error)})") from error


def reached(file: Any) -> int:
    """The frame up to which a decoder came before it failed."""
    try:
        return int(file.tell())
    except (soundfile.LibsndfileError, RuntimeError):
        return 0


def resampled(found: Iterator[Block], old: int, new: int) -> Iterator[Samples]:
    """Blocks mixed over their channels (not over time) and brought to another rate."""
    mixed = (block[:, 0] if block.shape[1] == 1 else block.mean(1) for block in found)
    if old == new:
        yield from map(whole, mixed)
        return
    stream = soxr.ResampleStream(old, new, 1, dtype="float32")
    for block in mixed:
        yield whole(stream.resample_chunk(np.ascontiguousarray(block)))
    yield whole(stream.resample_chunk(np.zeros(0, np.float32), last=True))


def whole(block: npt.NDArray[np.float32]) -> Samples:
    """Full scale 1 to int16; what is louder is cut off, as every sound card does."""
    return (block * 32768).round().clip(-32768, 32767).astype(np.int16)


def strange(content: bytes, error: Exception) -> str:
    """Why these bytes give no recording."""
    if content[4:8] == b"ftyp":
        return f"is M4A or MP4 (AAC); {convert('m4a')}"
    if content[:4] == b"\x30\x26\xb2\x75":
        return f"is WMA; {convert('wma')}"
    if content[:5] == b"#!AMR":
        return f"is AMR; {convert('amr')}"
    if content[:4] == b"\x1a\x45\xdf\xa3":
        return f"is WebM or Matroska; {convert('webm')}"
    if is_text(content):
        return f"holds text, not a recording ({READABLE})"
    return f"is not a recording that can be read: {reason(error)} ({READABLE})"


def convert(suffix: str) -> str:
    return f"convert it to FLAC or WAV, as in: ffmpeg -i x.{suffix} x.flac"


def reason(error: Exception) -> str:
    """libsndfile's own words."""
    told = getattr(error, "error_string", str(error))
    return str(told).removeprefix("Error : ").strip(" .")


# --- a recording and a window ---------------------------------------------------------------------------------------


def fitted(samples: Samples, length: int) -> Samples:
    """A recording in a window of `length` samples: a shorter one in the middle of silence, of a longer one the
    loudest stretch."""
    if len(samples) >= length:
        start = loudest(samples, length)
        return samples[start : start + length]
    window = np.zeros(length, np.int16)
    start = (length - len(samples)) // 2
    window[start : start + len(samples)] = samples
    return window


def loudest(samples: Samples, length: int) -> int:
    """Where the window of `length` samples with the most power begins; the first of equals."""
    grown = np.cumsum(np.square(samples, dtype=np.float64))
    power = grown[length - 1 :].copy()
    power[1:] -= grown[: len(samples) - length]
    return int(power.argmax())


def starts(count: int, length: int) -> list[int]:
    """Where windows of `length` samples begin that overlap by half and hear all of `count` samples.

    The last one ends with the recording; one that fits the window is a single one.
    """
    last = count - length
    return [0] if last <= 0 else [*range(0, last, max(1, length // 2)), last]
