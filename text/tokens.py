"""Tokenisation of texts into words, characters or bytes, with the position of each token in the text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import regex

# A word consists of letters with their combining marks, joined by apostrophes; or it is a number; or a single other
# character with its combining marks and joiners, so that an emoji of several code points is one token.
WORDS = regex.compile(
    r"\p{L}[\p{L}\p{M}]*(?:['’]\p{L}[\p{L}\p{M}]*)*"
    r"|\p{N}+"
    r"|[^\s\p{Cc}](?:[\p{M}\p{Emoji_Modifier}\u200d]+(?:(?<=\u200d)[^\s])?)*"
)
PLAIN = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*|[0-9]+|[!-/:-@\[-`{-~]")  # equivalent for ASCII, in half the time
BREAKS = re.compile(r"<br\s*/?>", re.IGNORECASE)  # left in texts from web pages
MAX_CHARACTERS = 1_000_000  # of a text that are used


class Token(NamedTuple):
    """A token, and its position in the original text: text[start:end]."""

    text: str
    start: int
    end: int


def tokenize(text: str, kind: str, lower: bool) -> list[str]:
    """Returns the tokens of a text; faster than `tokenize_with_spans`."""
    return TOKENIZERS[kind](normalise(text, lower))


def tokenize_with_spans(text: str, kind: str, lower: bool) -> list[Token]:
    """Returns the tokens of a text with their positions."""
    normalised = normalise(text, lower)
    assert len(normalised) == len(text[:MAX_CHARACTERS]), "positions are those in the original text"
    return SPAN_TOKENIZERS[kind](normalised)


def normalise(text: str, lower: bool) -> str:
    """Replaces line-break tags by blanks and lowercases, keeping the position of every character."""
    text = text[:MAX_CHARACTERS]
    if "<" in text:
        text = BREAKS.sub(lambda match: " " * len(match[0]), text)
    if not lower:
        return text
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    # İ in lower case has two characters, so it is kept
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def _words(text: str) -> list[str]:
    return (PLAIN if text.isascii() else WORDS).findall(text)


def _characters(text: str) -> list[str]:
    return list(text)


def _bytes(text: str) -> list[str]:
    return [f"{value:02x}" for value in text.encode("utf-8", "surrogateescape")]


def _word_spans(text: str) -> list[Token]:
    return [Token(match[0], *match.span()) for match in WORDS.finditer(text)]


def _character_spans(text: str) -> list[Token]:
    return [Token(character, i, i + 1) for i, character in enumerate(text)]


def _byte_spans(text: str) -> list[Token]:
    return [Token(byte, i, i + 1) for i, character in enumerate(text) for byte in _bytes(character)]


TOKENIZERS: dict[str, Callable[[str], list[str]]] = {"words": _words, "characters": _characters, "bytes": _bytes}
SPAN_TOKENIZERS: dict[str, Callable[[str], list[Token]]] = {
    "words": _word_spans,
    "characters": _character_spans,
    "bytes": _byte_spans,
}
