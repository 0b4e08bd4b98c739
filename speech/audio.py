"""Decoding of recordings: the bytes of a file -> int16 samples of one channel at a given rate."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
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
FOREIGN = frozenset(
    [".m4a", ".aac", ".mp4", ".wma", ".amr", ".webm", ".3gp"]
)  # listed as bad files instead of being ignored
RECORDINGS = Kind(
    "speech",
    "recording",
    SUFFIXES,
    "a folder with one folder per word, a folder whose file names follow a --pattern, a .zip or .tar of either, "
    "or a .csv of path, label",
    patterns=True,
    foreign=FOREIGN,
)
READABLE = "readable are WAV, FLAC, OGG, Opus, MP3, AIFF"
LOOK = 1 << 12  # bytes that identify the format
BLOCK = 1 << 20  # frames decoded at a time: three hours as floating point numbers would fill the memory
SHORTEST = 0.01  # seconds: a shorter recording holds no audible pitch
LOUDEST = 32767
CLIPPED = 0.001  # share of samples at full scale from which a recording sounds broken
COMPLETE = 0.99  # of the samples that a header promises: a file with fewer is truncated
STREAMED = 0x7FFFF000  # bytes in the header of a stream of unknown length
SILENT = 0.001  # of full scale (−60 dB): a recording that never exceeds it is silent


class Header(NamedTuple):
    """A recording before it is changed."""

    rate: int  # Hz
    channels: int
    frames: int
    format: str

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


@dataclass
class RecordingInfo:
    """The header of a recording and measurements of its samples."""

    header: Header
    seconds: float  # of the recording, or of the part that a table names
    peak: float = 0.0  # the largest absolute value; full scale is 1
    clipped_samples: int = 0  # at full scale
    count: int = 0  # samples in all channels

    def measure(self, block: Block, start: int) -> None:
        """Updates the measurements with a block. Raises Unreadable if it holds NaN or infinite values."""
        level = np.abs(block)
        peak = float(level.max(initial=0))
        if not np.isfinite(peak):
            first = start + int(np.flatnonzero(~np.isfinite(block).all(1))[0])
            raise Unreadable(
                f"holds samples that are no numbers (NaN or infinite), first at {in_seconds(first, self.header)}"
            )
        self.peak = max(self.peak, peak)
        self.clipped_samples += int((level >= LOUDEST / 32768).sum())
        self.count += block.size

    @property
    def clipped(self) -> bool:
        return self.clipped_samples > CLIPPED * self.count

    @property
    def silent(self) -> bool:
        return self.peak < SILENT


def in_seconds(frames: int, header: Header) -> str:
    return f"{frames / header.rate:.2f} s"


Span = tuple[float, float] | None  # start and end in seconds, if only a part of a recording is used


def sound(content: bytes | Path, rate: int | None, span: Span = None) -> tuple[RecordingInfo, Samples]:
    """A recording, or a part of it, as samples at `rate` Hz (its own if None), averaged over its channels.

    Raises Unreadable with the reason, worded to follow its name.
    """
    with open_recording(content) as file:
        return decode(file, read_header(file), rate, span)


def decode(file: Any, header: Header, rate: int | None, span: Span = None) -> tuple[RecordingInfo, Samples]:
    """The samples of an open recording, as `sound` gives them.

    It is decoded block by block as it is read: three hours take no more memory than their samples at `rate`.
    """
    start, stop = frame_range(header, span)
    info = RecordingInfo(header, (stop - start) / header.rate)
    buffer = bytearray()  # grows in place, unlike a list of blocks that are joined
    for block in resample(blocks(file, start, stop, info), header.rate, rate or header.rate):
        buffer += block.tobytes()
    info.seconds = info.count / (header.rate * header.channels)  # the header of an MP3 only estimates it
    if info.count < max(2, SHORTEST * header.rate) * header.channels:
        count = info.count // header.channels
        noun = "sample" if count == 1 else "samples"
        raise Unreadable(f"has {count} {noun}; a recording lasts at least {SHORTEST * 1000:.0f} ms")
    return info, np.frombuffer(buffer, np.int16)


def open_recording(content: bytes | Path) -> Any:
    """An open recording. Raises Unreadable if it is none, or truncated."""
    size = len(content) if isinstance(content, bytes) else size_of(content)
    if not size:
        raise Unreadable("is empty (0 bytes)")
    first = content[:LOOK] if isinstance(content, bytes) else beginning(content, LOOK)
    try:
        file = soundfile.SoundFile(io.BytesIO(content) if isinstance(content, bytes) else content)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise Unreadable(unknown_format(first, error)) from error
    if (share := share_of_samples(first, size)) < COMPLETE:
        file.close()
        raise Unreadable(f"is cut short: {share:.0%} of the samples that its header promises are there")
    return file


def share_of_samples(first: bytes, size: int) -> float:
    """The share of the samples promised by a WAV or AIFF header that is in the file; libsndfile ignores the rest.

    It is 1 for other formats, and for streams, whose header promises nothing or more than 2 GB.
    """
    order: Any = {b"RIFF": "little", b"FORM": "big"}.get(first[:4])
    offset = 12
    while order and offset + 8 <= len(first):
        length = int.from_bytes(first[offset + 4 : offset + 8], order)
        if first[offset : offset + 4] in (b"data", b"SSND"):
            return (size - offset - 8) / length if 0 < length < STREAMED else 1.0
        offset += 8 + length + length % 2
    return 1.0


def read_header(file: Any) -> Header:
    return Header(int(file.samplerate), int(file.channels), int(file.frames), f"{file.format} {file.subtype}")


def frame_range(header: Header, span: Span) -> tuple[int, int]:
    """The frames of a span in seconds. Raises Unreadable if they are not in the recording."""
    if span is None:
        return 0, header.frames
    start, stop = span
    # Tables round to 10 ms.
    if not 0 <= start < stop or round(stop * header.rate) > header.frames + header.rate // 100:
        raise Unreadable(
            f"lasts {header.seconds:.2f} s; the table asks for {start:g} to {stop:g} s, which is no part of that"
        )
    return round(start * header.rate), min(header.frames, round(stop * header.rate))


def blocks(file: Any, start: int, stop: int, info: RecordingInfo) -> Iterator[Block]:
    """The frames from `start` to `stop`, at most BLOCK at a time, measured by `info`."""
    position = start
    try:
        if start:
            file.seek(start)
        while position < stop:
            block = file.read(min(BLOCK, stop - position), dtype="float32", always_2d=True)
            if not len(block):
                return  # the header of an MP3 may promise too much
            info.measure(block, position)
            yield block
            position += len(block)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        where = f"{in_seconds(max(position, decoder_position(file)), info.header)} of {info.header.seconds:.2f} s"
        raise Unreadable(f"is damaged: the decoder fails after {where} ({reason(error)})") from error


def decoder_position(file: Any) -> int:
    """The frame at which a decoder failed."""
    try:
        return int(file.tell())
    except (soundfile.LibsndfileError, RuntimeError):
        return 0


def resample(blocks: Iterator[Block], old: int, new: int) -> Iterator[Samples]:
    """Averages blocks over their channels and resamples them from `old` to `new` Hz."""
    mono = (block[:, 0] if block.shape[1] == 1 else block.mean(1) for block in blocks)
    if old == new:
        yield from map(to_int16, mono)
        return
    stream = soxr.ResampleStream(old, new, 1, dtype="float32")
    for block in mono:
        yield to_int16(stream.resample_chunk(np.ascontiguousarray(block)))
    yield to_int16(stream.resample_chunk(np.zeros(0, np.float32), last=True))


def to_int16(block: npt.NDArray[np.float32]) -> Samples:
    """Full scale 1 to int16; louder samples are clipped."""
    return (block * 32768).round().clip(-32768, 32767).astype(np.int16)


def unknown_format(content: bytes, error: Exception) -> str:
    """The reason why a file is not a recording that can be read."""
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
    """The message of libsndfile."""
    message = getattr(error, "error_string", str(error))
    return str(message).removeprefix("Error : ").strip(" .")


# --- a recording and a window ---------------------------------------------------------------------------------------


def fit(samples: Samples, length: int) -> Samples:
    """A window of `length` samples: a shorter recording is centred in silence, a longer one cut to its loudest part."""
    if len(samples) == length:
        return samples
    if len(samples) > length:
        start = loudest(samples, length)
        return samples[start : start + length]
    window = np.zeros(length, np.int16)
    start = (length - len(samples)) // 2
    window[start : start + len(samples)] = samples
    return window


def loudest(samples: Samples, length: int) -> int:
    """The start of the window of `length` samples with the most energy; the first one on a tie."""
    energy = np.cumsum(np.square(samples, dtype=np.float64))
    window_energy = energy[length - 1 :].copy()
    window_energy[1:] -= energy[: len(samples) - length]
    return int(window_energy.argmax())


def starts(count: int, length: int) -> list[int]:
    """The starts of windows of `length` samples that overlap by half and cover `count` samples.

    The last window ends with the recording; a recording that fits has a single window.
    """
    last = count - length
    return [0] if last <= 0 else [*range(0, last, max(1, length // 2)), last]
