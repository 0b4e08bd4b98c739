"""From a file's bytes to its text, whatever it was written with; what had to be guessed is told with its line."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
LEGACY = "cp1252"  # what Windows wrote in western Europe; its printable signs are those of Latin-1 and some more


@dataclass
class Trouble:
    """Where the bytes of a file are not what they should be: numbers of lines, from 1."""

    foreign: list[int] = field(default_factory=list)  # lines that are not UTF-8, read as Windows-1252
    nul: list[int] = field(default_factory=list)  # lines with NUL bytes, which are left out
    lost: list[int] = field(default_factory=list)  # lines with bytes that the encoding asked for does not have
    encoding: str = "utf-8"
    lines: int = 0

    def sentences(self, file: str) -> list[str]:
        """What a person should know of it."""
        told = []
        if self.foreign:
            whole = "" if len(self.foreign) < self.lines else ", which is all of them"
            told.append(f"{_lines(file, self.foreign)} not UTF-8{whole}; read as Windows-1252 (or --set encoding=NAME)")
        if self.lost:
            told.append(f"{_lines(file, self.lost)} not {self.encoding}; the bytes it does not have became �")
        if self.nul:
            told.append(f"{_lines(file, self.nul, 'has', 'have')} NUL bytes, which are left out")
        return told


def _lines(file: str, numbers: list[int], one: str = "is", many: str = "are") -> str:
    if len(numbers) == 1:
        return f"{file}:{numbers[0]} {one}"
    return f"{file}: {len(numbers):,} lines (the first is {numbers[0]}) {many}"


def decoded(content: bytes, encoding: str | None = None) -> tuple[str, Trouble]:
    """The text of a file, its line ends as \\n, and what was wrong with its bytes.

    The encoding is the one asked for, or that of the byte order mark, or UTF-16 where every other byte is zero, or
    UTF-8; single lines that are not UTF-8 are read as Windows-1252, so that files of mixed origin keep their text.
    """
    trouble = Trouble()
    name, skip = (encoding, 0) if encoding else _marked(content)
    if encoding and content.startswith(codecs.BOM_UTF8) and codecs.lookup(encoding).name == "utf-8":
        skip = len(codecs.BOM_UTF8)
    content = content[skip:] if skip else content
    try:
        text = content.decode(name or "utf-8")
        trouble.encoding = name or "utf-8"
    except UnicodeDecodeError:
        text = _by_lines(content, name, trouble)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    trouble.lines = text.count("\n") + (not text.endswith("\n"))
    if "\0" in text:
        trouble.nul = [at for at, line in enumerate(text.split("\n"), 1) if "\0" in line]
        text = text.replace("\0", "")
    return text, trouble


def _marked(content: bytes) -> tuple[str | None, int]:
    """The encoding that a byte order mark names, or zeros betray, and how long the mark is."""
    for mark, name in BOMS:
        if content.startswith(mark):
            return name, len(mark)
    head = content[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and max(even, odd) > 0.3 * len(head) / 2 and min(even, odd) < 0.05 * len(head) / 2:
        return ("utf-16-le" if odd > even else "utf-16-be"), 0
    return None, 0


def _by_lines(content: bytes, name: str | None, trouble: Trouble) -> str:
    if name is not None:  # what was asked for is what is used
        text = content.decode(name, errors="replace")
        trouble.encoding = name
        trouble.lost = [at for at, line in enumerate(text.split("\n"), 1) if "�" in line]
        return text
    lines = []
    for at, line in enumerate(content.split(b"\n"), 1):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            trouble.foreign.append(at)
            lines.append(_legacy(line))
    return "\n".join(lines)


def _legacy(line: bytes) -> str:
    try:
        return line.decode(LEGACY)
    except UnicodeDecodeError:  # five bytes have no sign there
        return line.decode("latin-1")
