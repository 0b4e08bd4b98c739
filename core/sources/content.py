"""The content of one example as a source gives it, and why it cannot be read."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

Array = NDArray[Any]
SURROGATES = "holds surrogates, halves of characters, which are not text"
LARGEST_FILE = 1 << 30  # bytes; read whole, so that a file that never ends cannot take the memory


class Unreadable(Exception):
    """The reason why a file gives no example, worded to follow its name."""


class WithTarget(NamedTuple):
    """An example whose target is a file too, such as a picture and its mask."""

    example: bytes | Path | str | Array | Unreadable
    target: bytes | Path | str | Array | Unreadable


Content = bytes | Path | str | Array | Unreadable | WithTarget  # one example: an encoded file, a text, an array


@dataclass(frozen=True)
class Kind:
    """The files that a domain reads."""

    domain: str
    noun: str  # what one of them is called: "picture"
    suffixes: frozenset[str]  # lower case, with the dot
    expected: str  # what DATA may be, for messages: "a folder with one folder per class, …"
    patterns: bool = False  # True if --pattern reads labels from their names
    foreign: frozenset[str] = frozenset()  # suffixes of formats that cannot be read everywhere: not ignored

    def named(self, name: str) -> bool:
        """Returns True if a file name has one of the suffixes."""
        return Path(name).suffix.lower() in self.suffixes | self.foreign

    def counted(self, count: int) -> str:
        return counted(count, self.noun)


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def fetched(content: Content, largest: int = LARGEST_FILE) -> Array | bytes:
    """The bytes of a file of up to `largest` bytes; bytes and arrays as they are. Raises Unreadable."""
    if isinstance(content, Unreadable):
        raise content
    if isinstance(content, WithTarget):
        return fetched(content.example, largest)
    if isinstance(content, str):
        return content.encode()
    if not isinstance(content, Path):
        return content
    if (size := size_of(content)) > largest:
        raise too_large(size, largest)
    return beginning(content, -1)


def size_of(path: Path) -> int:
    """The size of a file in bytes. Raises Unreadable if it is missing or not a regular file."""
    try:
        status = path.stat()
    except OSError as error:
        raise Unreadable(file_reason(path, error)) from error
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("is not a file")
    return status.st_size


def beginning(path: Path, count: int) -> bytes:
    """The first `count` bytes of a file; −1 reads all of them. Raises Unreadable."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise Unreadable(file_reason(path, error)) from error


def too_large(size: int, largest: int = LARGEST_FILE) -> Unreadable:
    def in_words(count: int) -> str:
        return f"{count / 1e9:.1f} GB" if largest >= 1e9 else f"{count / 1e6:,.0f} MB"

    return Unreadable(f"has {in_words(size)}; a file may have {in_words(largest)}")


def digest_of(content: Array | bytes) -> bytes:
    """The hash of the file of an example, which decides its split."""
    return blake2b(content if isinstance(content, bytes) else content.tobytes(), digest_size=16).digest()


def is_text(content: bytes) -> bool:
    try:
        return content[:1024].decode("utf-8", errors="strict").isprintable() or b"\n" in content[:1024]
    except UnicodeDecodeError:
        return False


def holds_surrogates(text: str) -> bool:
    """Returns True for a text with halves of characters, as \\ud83d alone is in JSON: it cannot be written anywhere."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def file_reason(path: Path, error: OSError) -> str:
    """The reason why a file could not be read at all."""
    if isinstance(error, PermissionError):
        return "may not be read (permission denied)"
    if isinstance(error, FileNotFoundError):
        return "is a link that points to nothing" if path.is_symlink() else "does not exist"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not a file"
    return f"could not be read ({error.strerror or error})"
