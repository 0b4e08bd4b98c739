"""Files compressed with gzip, such as reviews.csv.gz, unpacked in pieces so that a small one cannot fill the memory."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO

from ..problem import DATA, Problem
from .content import LARGEST_FILE, Unreadable, size_of, too_large

ENDING = ".gz"
PIECE = 1 << 20  # bytes unpacked at a time
FREE = 1 << 24  # bytes that any file may unpack to
RATIO = 200  # unpacked to packed size: texts reach 5 to 20, tables of numbers 100, bombs 1,000


def without_ending(name: str) -> str:
    """The name of the file in a compressed one."""
    return name[: -len(ENDING)] if name.lower().endswith(ENDING) else name


def unpacked(name: str, content: bytes | Path) -> bytes | Path:
    """The unpacked content of a file whose name ends in .gz; that of any other file unchanged.

    Raises Problem if it is damaged, or unpacks to far more than it holds.
    """
    if not name.lower().endswith(ENDING):
        return content
    try:
        size = len(content) if isinstance(content, bytes) else size_of(content)
        with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
            return _unpack(file, size)
    except Unreadable as problem:
        raise Problem(f"{name} {problem}", DATA) from None
    except (EOFError, zlib.error, OSError) as error:  # gzip.BadGzipFile is an OSError
        reason = str(error).rstrip(".") or type(error).__name__
        raise Problem(f"{name} is damaged or breaks off ({reason}): copy, download or pack it again", DATA) from None


def _unpack(file: BinaryIO, size: int) -> bytes:
    """Unpacks a file of `size` bytes. Raises Unreadable where it exceeds the limits."""
    result = bytearray()
    with gzip.GzipFile(fileobj=file) as stream:
        while piece := stream.read(PIECE):
            result += piece
            if len(result) > max(FREE, RATIO * size):
                raise Unreadable(f"unpacks to more than {RATIO} times its size, as a decompression bomb does")
            if len(result) > LARGEST_FILE:
                raise too_large(len(result))
    return bytes(result)
