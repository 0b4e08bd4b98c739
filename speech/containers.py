"""Containers of recordings: the bytes that a header promises, and the streams that a file holds one after the other.

libsndfile reads what is there of a truncated file and only the first of several streams, and reports neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

STREAMED = 0x7FFFF000  # bytes in the header of a stream of unknown length, or more
CHUNKS = 1000  # chunks before the samples; a file of zeros would have millions
RIFF = {b"RIFF": "little", b"RIFX": "big", b"RF64": "little", b"BW64": "little", b"FORM": "big"}
W64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
AU = {b".snd": "big", b"dns.": "little"}
NIST = b"NIST_1A\n"


class Promise(NamedTuple):
    """The samples that a header promises, in bytes, and the field of the header that does so."""

    start: int  # of the samples in the file
    length: int
    field: slice  # of the file: the length as an integer; empty if it is not written so
    order: str  # "little" or "big"
    extra: int = 0  # that the field counts besides the samples


def read_range(file: BinaryIO, start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)


def integer(content: bytes, order: str) -> int:
    return int.from_bytes(content, "little" if order == "little" else "big")


# --- what a header promises ----------------------------------------------------------------------------------------


def promise_of(file: BinaryIO) -> Promise | None:
    """The promise of a WAV, RF64, W64, AIFF, AU, CAF or NIST header; None for other formats and for streams."""
    head = read_range(file, 0, 16)
    if head[:4] in RIFF:
        return riff_promise(file, RIFF[head[:4]])
    if head == W64:
        return w64_promise(file)
    if head[:4] in AU:
        order = AU[head[:4]]
        length = integer(head[8:12], order)
        return Promise(integer(head[4:8], order), length, slice(8, 12), order) if length < STREAMED else None
    if head[:4] == b"caff":
        return caf_promise(file)
    return nist_promise(file) if head[:8] == NIST else None


def riff_promise(file: BinaryIO, order: str) -> Promise | None:
    """RIFF and its relatives: chunks of a name, a length and content, padded to even lengths."""
    start, large, large_field = 12, None, slice(0, 0)
    for _ in range(CHUNKS):
        head = read_range(file, start, 8)
        if len(head) < 8:
            return None
        length, field = integer(head[4:], order), slice(start + 4, start + 8)
        if head[:4] == b"ds64":  # of RF64: its lengths have 64 bits
            large_field = slice(start + 16, start + 24)
            large = integer(read_range(file, large_field.start, 8), order)
        if head[:4] in (b"data", b"SSND"):
            if length == 0xFFFFFFFF and large is not None:
                return Promise(start + 8, large, large_field, order)
            return Promise(start + 8, length, field, order) if length < STREAMED else None
        start += 8 + length + length % 2
    return None


def w64_promise(file: BinaryIO) -> Promise | None:
    """Sony Wave64: chunks of a GUID of 16 bytes, a length that counts its head, and content, aligned to 8 bytes."""
    start = 40
    for _ in range(CHUNKS):
        head = read_range(file, start, 24)
        length = integer(head[16:], "little")
        if len(head) < 24:
            return None
        if head[:4] == b"data":
            field = slice(start + 16, start + 24)
            return Promise(start + 24, max(0, length - 24), field, "little", 24)
        start += max(24, (length + 7) // 8 * 8)
    return None


def caf_promise(file: BinaryIO) -> Promise | None:
    """Core Audio: chunks of a name, a length of 64 bits (−1 in a stream) and content."""
    start = 8
    for _ in range(CHUNKS):
        head = read_range(file, start, 12)
        if len(head) < 12:
            return None
        length = integer(head[4:], "big")
        if head[:4] == b"data":
            return Promise(start + 12, length, slice(start + 4, start + 12), "big") if length < 1 << 62 else None
        start += 12 + length
    return None


def nist_promise(file: BinaryIO) -> Promise | None:
    """NIST Sphere: the second line gives the length of the header, further lines the samples."""
    head = read_range(file, 0, 1 << 16)
    size = re.match(rb"NIST_1A\n\s*(\d{1,5})\n", head)
    values = [re.search(rb"\n" + name + rb" -i (\d{1,12})\s", head) for name in (b"sample_count", b"sample_n_bytes")]
    channels = re.search(rb"\nchannel_count -i (\d{1,4})\s", head)
    if not size or not all(values):
        return None
    length = int(channels[1]) if channels else 1
    for value in filter(None, values):
        length *= int(value[1])
    return Promise(int(size[1]), length, slice(0, 0), "big")


def share_of_samples(file: BinaryIO, size: int) -> float:
    """The share of the samples promised by a header that is in the file; 1 where nothing is promised."""
    promise = promise_of(file)
    return 1.0 if promise is None or promise.length == 0 else max(0.0, (size - promise.start) / promise.length)


def completed(file: BinaryIO, size: int) -> bytes | None:
    """A file with samples behind a header that promises none, as unfinished recordings have, with a length for them.

    None for every other file.
    """
    promise = promise_of(file)
    if promise is None or promise.length or promise.field == slice(0, 0) or promise.start >= size:
        return None
    if read_range(file, 0, 4) in RIFF and is_chunks(file, promise.start, size, promise.order):
        return None  # it has no samples
    content = bytearray(read_range(file, 0, size))
    width = promise.field.stop - promise.field.start
    length = size - promise.start + promise.extra
    content[promise.field] = length.to_bytes(width, "little" if promise.order == "little" else "big")
    return bytes(content)


def is_chunks(file: BinaryIO, start: int, size: int, order: str) -> bool:
    """Returns True if the rest of a RIFF file is a row of chunks that ends with the file."""
    while start + 8 <= size:
        head = read_range(file, start, 8)
        if not (head[:4].isascii() and head[:4].decode().isprintable()):
            return False
        length = integer(head[4:], order)
        start += 8 + length + length % 2
    return start in (size, size + 1)


# --- streams one after the other -----------------------------------------------------------------------------------


def streams(file: BinaryIO, size: int) -> list[tuple[int, int]]:
    """The ranges of the streams that an Ogg or MP3 file holds one after the other; one range for another file."""
    starts = ogg_starts(file) if read_range(file, 0, 4) == b"OggS" else list(mp3_starts(file, size))
    return list(zip(starts, [*starts[1:], size], strict=True))


def ogg_starts(file: BinaryIO) -> list[int]:
    """Where streams of an Ogg file begin: pages that begin a stream, behind others (RFC 3533, section 4)."""
    starts, start, after_beginning = [0], 0, False
    while len(head := read_range(file, start, 27)) == 27 and head[:4] == b"OggS":
        begins = bool(head[5] & 2)
        if begins and after_beginning:
            starts.append(start)
        after_beginning = not begins
        start += 27 + head[26] + sum(file.read(head[26]))
    return starts


# Layer III, by version: bit rates in kbit/s, sampling rates in Hz, bytes of side information (stereo, mono).
BIT_RATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
FRAMES = 4  # one after the other: where a stream begins
SEARCHED = 1 << 16  # bytes behind a stream in which the next one is looked for


class Frame(NamedTuple):
    """The head of a frame of MPEG audio, layer III."""

    length: int  # bytes
    tag: int  # offset of the tag with the length of the stream, in its first frame


def frame_of(head: bytes) -> Frame | None:
    """The frame with a head of 4 bytes; None if it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or head[1] >> 1 & 3 != 1:
        return None
    version, bit_rate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version not in RATES or not 0 < bit_rate < 15 or rate == 3:
        return None
    first, mono = version == 3, head[3] >> 6 == 3
    kilobits = BIT_RATES[3 if first else 2][bit_rate]
    length = (144_000 if first else 72_000) * kilobits // RATES[version][rate] + (head[2] >> 1 & 1)
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return Frame(length, 4 + side)


def mp3_starts(file: BinaryIO, size: int) -> Iterator[int]:
    """Where streams of an MP3 file begin: behind the bytes that the tag of the stream before counts (Xing, VBRI)."""
    start: int | None = 0
    while start is not None:
        yield start
        end = mp3_end(file, start)
        start = None if end is None or end >= size else next_stream(file, end)


def mp3_end(file: BinaryIO, start: int) -> int | None:
    """The end of a stream by the tag in its first frame; None if it has none."""
    start = behind_tags(file, start)
    head = read_range(file, start, 64)
    if (frame := frame_of(head)) is None:
        return None
    tag = head[frame.tag : frame.tag + 16]
    if tag[:4] in (b"Xing", b"Info") and tag[7] & 2:
        counts = tag[12:16] if tag[7] & 1 else tag[8:12]
        return start + integer(counts, "big")
    return start + integer(head[46:50], "big") if head[36:40] == b"VBRI" else None


def behind_tags(file: BinaryIO, start: int) -> int:
    """The position behind ID3 tags."""
    for _ in range(CHUNKS):
        head = read_range(file, start, 10)
        if head[:3] == b"TAG":
            start += 128
        elif head[:3] == b"ID3" and len(head) == 10:
            length = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            start += length + (20 if head[5] & 16 else 10)
        else:
            break
    return start


def next_stream(file: BinaryIO, end: int) -> int | None:
    """The start of the stream at or soon behind a position; None if no row of frames begins there."""
    content = read_range(file, behind_tags(file, end), SEARCHED)
    for offset in range(min(len(content), 4096)):
        position = offset
        for _ in range(FRAMES):
            if (frame := frame_of(content[position : position + 4])) is None:
                break
            position += frame.length
        else:
            return behind_tags(file, end) + offset
    return None
