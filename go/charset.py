"""Encodings of game records: names in the encoding that a record declares, or in one that fits.

In Shift_JIS, GBK and Big5 the second byte of a character may be that of a backslash or a bracket (表 is 95 5C), which
means something else in SGF. A file with such characters is converted to UTF-8 before it is cut into tokens.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator

from sgfmill.sgf_grammar import simpletext_value

DECLARATION = re.compile(rb"(?<![A-Za-z])CA\s*\[\s*([\w.:-]{1,40})\s*\]")
START = re.compile(rb"\(\s*;")
HEAD = 4096  # bytes in which ISO-2022-JP is looked for
HIDDEN = re.compile(rb"[\x81-\xfe][\\\[\]]")  # perhaps a character whose second byte is a delimiter of SGF
DELIMITERS = "\\[]"
# The encodings in which that happens; declarations mean the superset that programs write under the name.
SUPERSETS = {
    **dict.fromkeys(("gb2312", "gbk", "gb18030"), "gb18030"),
    **dict.fromkeys(("shift_jis", "cp932", "shift_jis_2004", "shift_jisx0213"), "cp932"),
    **dict.fromkeys(("big5", "cp950", "big5hkscs"), "big5hkscs"),
    **dict.fromkeys(("euc_kr", "cp949", "johab"), "cp949"),
    **dict.fromkeys(("iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_kr"), "iso2022_jp_2"),
}
UNDECLARED = ("iso2022_jp_2", "cp932", "gb18030", "big5hkscs", "cp949")  # tried in turn
PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")


def hides_delimiters(content: bytes) -> bool:
    """Returns True if the bytes of a file may hide delimiters of SGF in characters."""
    if content.isascii():
        return b"\x1b$" in content[:HEAD]  # ISO-2022-JP writes its characters in ASCII
    return HIDDEN.search(content) is not None and not is_utf8(content)


def is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def declared(content: bytes) -> set[str]:
    """The encodings that may hide delimiters among those that the records of a file declare."""
    return {superset(match[1]) for match in DECLARATION.finditer(content)} - {""}


def to_utf8(content: bytes) -> Iterator[bytes]:
    """Yields a file with hidden delimiters in UTF-8, by the declared encoding, or by each that fits if none is."""
    names = declared(content) or UNDECLARED
    if names is not UNDECLARED and len(names) > 1:
        return  # a collection of records in several encodings
    for name in names:
        try:
            decoded = content.decode(name)
        except UnicodeDecodeError:
            continue
        if any(decoded.count(delimiter) != content.count(delimiter.encode()) for delimiter in DELIMITERS):
            yield declare_utf8(decoded.encode())


def declare_utf8(content: bytes) -> bytes:
    """Returns a file in UTF-8 whose records say so."""
    content, count = DECLARATION.subn(b"CA[UTF-8]", content)
    return content if count else START.sub(rb"\g<0>CA[UTF-8]", content, count=1)


def superset(declared: bytes) -> str:
    """The encoding that a declaration means if it may hide delimiters, else an empty string."""
    try:
        return SUPERSETS.get(codecs.lookup(declared.decode("ascii", "replace")).name, "")
    except LookupError:
        return ""


def text(value: bytes, declared: bytes = b"") -> str:
    """Decodes a short text in the encoding named by the record, or in one that fits."""
    plain = simpletext_value(value) if b"\\" in value or b"\n" in value or b"\r" in value else value
    if plain.isascii() and b"\x1b" not in plain:
        return plain.decode("ascii")
    for name in encodings(plain, declared):
        try:
            return plain.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    raise AssertionError("latin-1 decodes everything")


def encodings(value: bytes, declared: bytes) -> Iterator[str]:
    """Yields the encodings to try for a text."""
    if declared:
        yield declared.decode("ascii", "replace")
        wider = superset(declared)
        if wider and (wider != "gb18030" or mostly_pairs(value)):
            yield wider
    yield from ("utf-8", "gb2312")
    if mostly_pairs(value) and not begins_after_letter(value):
        yield "gb18030"
    yield "latin-1"


def mostly_pairs(value: bytes) -> bool:
    """Returns True if a text is rather GBK than Latin-1: most characters have two bytes outside ASCII.

    In Latin-1 letters with accents stand among ASCII letters.
    """
    pairs = PAIR.findall(value)
    return 2 * len([pair for pair in pairs if pair[1] >= 0x80]) >= len(pairs)


def begins_after_letter(value: bytes) -> bool:
    """Returns True if the first byte outside ASCII follows an ASCII letter, as in Müller."""
    return re.match(rb"[\x00-\x7f]*[A-Za-z][\x80-\xff]", value) is not None
