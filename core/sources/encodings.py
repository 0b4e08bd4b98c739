"""Decoding of text files of any encoding; every guess is reported with its line."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field

BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before that of UTF-16, which is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
MARK = "\ufeff"  # the byte order mark, decoded
LEGACY = "cp1252"  # Windows in western Europe; a superset of the printable characters of Latin-1


@dataclass
class EncodingIssues:
    """Lines of a file whose bytes do not fit its encoding, numbered from 1."""

    legacy: list[int] = field(default_factory=list)  # lines that are not UTF-8, read as Windows-1252
    nul: list[int] = field(default_factory=list)  # lines with NUL bytes, which are removed
    marks: list[int] = field(default_factory=list)  # lines behind the first that begin with a byte order mark
    replaced: list[int] = field(default_factory=list)  # lines with bytes that are invalid in the requested encoding
    encoding: str = "utf-8"
    lines: int = 0

    def sentences(self, file: str) -> list[str]:
        """Remarks for the user."""
        sentences = []
        if self.legacy:
            extent = "" if len(self.legacy) < self.lines else ", which is all of them"
            sentences.append(
                f"{_lines(file, self.legacy)} not UTF-8{extent}; read as Windows-1252 (or --set encoding=NAME)"
            )
        if self.replaced:
            sentences.append(f"{_lines(file, self.replaced)} not {self.encoding}; invalid bytes became �")
        if self.marks:
            begins = ("begins", "begin")
            sentences.append(f"{_lines(file, self.marks, *begins)} with a byte order mark (U+FEFF), which is left out")
        if self.nul:
            sentences.append(f"{_lines(file, self.nul, 'has', 'have')} NUL bytes, which are left out")
        return sentences


def _lines(file: str, numbers: list[int], singular: str = "is", plural: str = "are") -> str:
    if len(numbers) == 1:
        return f"{file}:{numbers[0]} {singular}"
    return f"{file}: {len(numbers):,} lines (the first is {numbers[0]}) {plural}"


def decode_text(content: bytes, encoding: str | None = None) -> tuple[str, EncodingIssues]:
    """Decodes a text file, with \\n as its line ends; reports bytes that do not fit the encoding.

    The encoding is the requested one, or that of the byte order mark, or UTF-16 if every other byte is zero, or UTF-8;
    single lines that are not UTF-8 are read as Windows-1252, so that files of mixed origin keep their text.
    """
    issues = EncodingIssues()
    name, skip = (encoding, 0) if encoding else _detect(content)
    if encoding and content.startswith(codecs.BOM_UTF8) and codecs.lookup(encoding).name == "utf-8":
        skip = len(codecs.BOM_UTF8)
    content = content[skip:] if skip else content
    try:
        text = content.decode(name or "utf-8")
        issues.encoding = name or "utf-8"
    except UnicodeDecodeError:
        text = _by_lines(content, name, issues)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if MARK in text:  # files that were joined keep the mark of each
        issues.marks = [number for number, line in enumerate(text.split("\n"), 1) if line.startswith(MARK)]
        text = "\n".join(line.removeprefix(MARK) for line in text.split("\n"))
    issues.lines = text.count("\n") + (not text.endswith("\n"))
    if "\0" in text:
        issues.nul = [number for number, line in enumerate(text.split("\n"), 1) if "\0" in line]
        text = text.replace("\0", "")
    return text, issues


def _detect(content: bytes) -> tuple[str | None, int]:
    """The encoding by the byte order mark or by zero bytes, and the length of the mark."""
    for mark, name in BOMS:
        if content.startswith(mark):
            return name, len(mark)
    head = content[:4096]
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and max(even, odd) > 0.3 * len(head) / 2 and min(even, odd) < 0.05 * len(head) / 2:
        return ("utf-16-le" if odd > even else "utf-16-be"), 0
    return None, 0


def _by_lines(content: bytes, name: str | None, issues: EncodingIssues) -> str:
    if name is not None:  # a requested encoding is used for all lines
        text = content.decode(name, errors="replace")
        issues.encoding = name
        issues.replaced = [number for number, line in enumerate(text.split("\n"), 1) if "�" in line]
        return text
    lines = []
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            issues.legacy.append(number)
            lines.append(_decode_legacy(line))
    return "\n".join(lines)


def decode_surrogates(text: str) -> str:
    """Decodes the bytes that the file system could not: the name `caf\\xe9` is `café` in Windows-1252."""
    if text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text):
        return text
    try:
        return _decode_legacy(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:  # halves of characters, which are no bytes
        return text.encode("utf-8", "replace").decode()


def _decode_legacy(line: bytes) -> str:
    try:
        return line.decode(LEGACY)
    except UnicodeDecodeError:  # five bytes are undefined there
        return line.decode("latin-1")
