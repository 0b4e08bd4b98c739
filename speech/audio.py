"""Decoding of recordings: the bytes of a file -> int16 samples of one channel at a given rate."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from ..core.file_formats import binary_format
from ..core.sources.content import Kind, Unreadable, beginning, counted, file_reason, is_text, size_of
from .containers import completed, read_range, share_of_samples, streams

Samples = npt.NDArray[np.int16]  # (N,)
Block = npt.NDArray[np.float32]  # (frames, channels), full scale is 1
Mono = npt.NDArray[np.float32]  # (frames,)

SUFFIXES = frozenset(
    [
        ".wav",
        ".rf64",
        ".w64",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".sph",
        ".nist",
    ]
)
FOREIGN = frozenset(
    [".m4a", ".aac", ".mp4", ".wma", ".amr", ".webm", ".3gp"]
)  # listed as bad files instead of being ignored
RECORDINGS = Kind(
    "speech",
    "recording",
    SUFFIXES,
    "a folder with one folder per word, a folder whose file names follow a --pattern, a .zip or .tar of either, "
    "a .csv of path, label, or Parquet files with the recordings in them",
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
SILENT = 0.001  # of full scale (−60 dB): a recording that never exceeds it is silent
CANCELLED = 0.01  # of the power of independent channels: less is left where channels are in opposite phase

OPPOSITE = "channels in opposite phase, whose average is silence: the loudest channel is used"


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
    peak: float = 0.0  # the largest absolute value in any channel; full scale is 1
    mixed_peak: float = 0.0  # of the average over the channels
    clipped_samples: int = 0  # at full scale
    count: int = 0  # samples in all channels
    cancelled: bool = False  # channels in opposite phase: the loudest one is used instead of the average

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
        return self.mixed_peak < SILENT


class Mixer:
    """Averages channels, or takes the loudest one of those that cancel each other, such as a stereo in opposite phase.

    The first block that is not silent decides.
    """

    def __init__(self, info: RecordingInfo) -> None:
        self.info = info
        self.decided = False
        self.channel: int | None = None

    def __call__(self, block: Block) -> Mono:
        if block.shape[1] == 1:
            self.info.mixed_peak = self.info.peak
            return block[:, 0]
        mono: Mono = block.mean(1)
        if not self.decided:
            self.decide(np.square(block).mean(0), float(np.square(mono).mean()))
        if self.channel is not None:
            mono = block[:, self.channel]
        self.info.mixed_peak = max(self.info.mixed_peak, float(np.abs(mono).max(initial=0)))
        return mono

    def decide(self, powers: Mono, mixed: float) -> None:
        """Compares the power of the average with that of independent channels."""
        self.decided = float(powers.max()) >= SILENT**2
        if self.decided and mixed < CANCELLED * float(powers.sum()) / len(powers) ** 2:
            self.channel = int(powers.argmax())
            self.info.cancelled = True


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
    mono = map(Mixer(info), blocks(file, start, stop, info))
    for block in resample(mono, header.rate, rate or header.rate):
        buffer += block.tobytes()
    info.seconds = info.count / (header.rate * header.channels)  # the header of an MP3 only estimates it
    if info.count < max(2, SHORTEST * header.rate) * header.channels:
        count = info.count // header.channels
        noun = "sample" if count == 1 else "samples"
        raise Unreadable(f"has {count} {noun}; a recording lasts at least {SHORTEST * 1000:.0f} ms")
    return info, np.frombuffer(buffer, np.int16)


def open_recording(content: bytes | Path) -> Any:
    """An open recording, of all streams in the file. Raises Unreadable if it is none, or truncated."""
    size = len(content) if isinstance(content, bytes) else size_of(content)
    if not size:
        raise Unreadable("is empty (0 bytes)")
    with binary_file(content) as file:
        if (share := share_of_samples(file, size)) < COMPLETE:
            raise Unreadable(f"is cut short: {share:.0%} of the samples that its header promises are there")
        ranges = streams(file, size)
        parts = [read_range(file, start, stop - start) for start, stop in ranges] if len(ranges) > 1 else []
        if (with_length := completed(file, size)) is not None:
            return open_sound(io.BytesIO(with_length))
    if parts:
        return Chain([open_sound(io.BytesIO(part)) for part in parts])
    return open_sound(io.BytesIO(content) if isinstance(content, bytes) else content)


def binary_file(content: bytes | Path) -> BinaryIO:
    """An open file of some bytes or of a path. Raises Unreadable."""
    if isinstance(content, bytes):
        return io.BytesIO(content)
    try:
        return content.open("rb")
    except OSError as error:
        raise Unreadable(file_reason(content, error)) from error


def open_sound(content: BinaryIO | Path) -> Any:
    try:
        return soundfile.SoundFile(content)
    except (soundfile.LibsndfileError, RuntimeError, ValueError, TypeError) as error:
        raise Unreadable(unknown_format(error, content)) from error


class Chain:
    """Several streams of one file, read as one recording. Raises Unreadable if their rates or channels differ."""

    def __init__(self, files: Sequence[Any]) -> None:
        self.files, self.index = files, 0
        first = files[0]
        self.samplerate, self.channels = first.samplerate, first.channels
        self.format, self.subtype = first.format, first.subtype
        self.frames = sum(file.frames for file in files)
        forms = dict.fromkeys(f"{file.samplerate:,} Hz, {counted(file.channels, 'channel')}" for file in files)
        if len(forms) > 1:
            self.close()
            raise Unreadable(
                f"holds {len(files)} streams one after the other that differ ({'; '.join(forms)}); split it, or "
                "convert it to one stream"
            )

    def __enter__(self) -> Chain:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        for file in self.files:
            file.close()

    def read(self, frames: int, dtype: str, always_2d: bool) -> Any:
        """The next frames; fewer at the end of a stream, none only at the end of the last."""
        block = self.files[self.index].read(frames, dtype=dtype, always_2d=always_2d)
        while not len(block) and self.index + 1 < len(self.files):
            self.index += 1
            block = self.files[self.index].read(frames, dtype=dtype, always_2d=always_2d)
        return block

    def seek(self, frame: int) -> None:
        self.index = 0
        while frame > self.files[self.index].frames and self.index + 1 < len(self.files):
            frame -= self.files[self.index].frames
            self.index += 1
        self.files[self.index].seek(frame)

    def tell(self) -> int:
        return int(sum(file.frames for file in self.files[: self.index]) + self.files[self.index].tell())


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


def resample(mono: Iterator[Mono], old: int, new: int) -> Iterator[Samples]:
    """Resamples blocks of one channel from `old` to `new` Hz."""
    if old == new:
        yield from map(to_int16, mono)
        return
    stream = soxr.ResampleStream(old, new, 1, dtype="float32")
    for block in mono:
        yield to_int16(stream.resample_chunk(np.ascontiguousarray(block)))
    yield to_int16(stream.resample_chunk(np.zeros(0, np.float32), last=True))


def to_int16(block: Mono) -> Samples:
    """Full scale 1 to int16; louder samples are clipped."""
    return (block * 32768).round().clip(-32768, 32767).astype(np.int16)


def unknown_format(error: Exception, source: BinaryIO | Path) -> str:
    """The reason why a file is not a recording that can be read."""
    content = beginning(source, LOOK) if isinstance(source, Path) else read_range(source, 0, LOOK)
    if content[4:8] == b"ftyp":
        return f"is M4A or MP4 (AAC); {convert('m4a')}"
    if content[:4] == b"\x30\x26\xb2\x75":
        return f"is WMA; {convert('wma')}"
    if content[:5] == b"#!AMR":
        return f"is AMR; {convert('amr')}"
    if content[:4] == b"\x1a\x45\xdf\xa3":
        return f"is WebM or Matroska; {convert('webm')}"
    if (form := binary_format(content)) and "recording" not in form:
        return f"is {form}, not a recording ({READABLE})"
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
