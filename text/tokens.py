"""Tokens: a text cut into words, characters or bytes, each with its place in the text as it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import regex

# A word is letters with their marks (é may be two code points), joined by apostrophes; or a number; or any other sign
# by itself, with the marks and joiners that belong to it, so that an emoji of several code points stays whole.
WORDS = regex.compile(
    r"\p{L}[\p{L}\p{M}]*(?:['’]\p{L}[\p{L}\p{M}]*)*"
    r"|\p{N}+"
    r"|[^\s\p{Cc}](?:[\p{M}\p{Emoji_Modifier}\u200d]+(?:(?<=\u200d)[^\s])?)*"
)
PLAIN = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*|[0-9]+|[!-/:-@\[-`{-~]")  # the same of ASCII alone, in half the time
BREAKS = re.compile(r"<br\s*/?>", re.IGNORECASE)  # left in texts that were once web pages
TAKEN = 1_000_000  # characters of a text that are looked at; a book is one text no longer


class Token(NamedTuple):
    """A token as it is looked up, and where it stands in the text: text[start:end]."""

    text: str
    start: int
    end: int


def strings(text: str, kind: str, lower: bool) -> list[str]:
    """The tokens of a text as they are looked up; what `placed` gives, without the places and quicker."""
    return list(CUTS[kind](prepared(text, lower)))


def placed(text: str, kind: str, lower: bool) -> list[Token]:
    """The tokens of a text with their places in it."""
    same = prepared(text, lower)
    assert len(same) == len(text[:TAKEN]), "places are those of the text as it was"
    return SPANS[kind](same)


def prepared(text: str, lower: bool) -> str:
    """The text as it is cut: the same length, character by character."""
    text = text[:TAKEN]
    if "<" in text:
        text = BREAKS.sub(lambda found: " " * len(found[0]), text)
    if not lower:
        return text
    small = text.lower()
    if len(small) == len(text):
        return small
    return "".join(low if len(low := each.lower()) == 1 else each for each in text)  # İ is two in lower case


def _words(text: str) -> list[str]:
    return (PLAIN if text.isascii() else WORDS).findall(text)


def _characters(text: str) -> list[str]:
    return list(text)


def _bytes(text: str) -> list[str]:
    return [f"{value:02x}" for value in text.encode("utf-8", "surrogateescape")]


def _word_spans(text: str) -> list[Token]:
    return [Token(found[0], *found.span()) for found in WORDS.finditer(text)]


def _character_spans(text: str) -> list[Token]:
    return [Token(each, at, at + 1) for at, each in enumerate(text)]


def _byte_spans(text: str) -> list[Token]:
    return [Token(each, at, at + 1) for at, char in enumerate(text) for each in _bytes(char)]


CUTS: dict[str, Callable[[str], list[str]]] = {"words": _words, "characters": _characters, "bytes": _bytes}
SPANS: dict[str, Callable[[str], list[Token]]] = {
    "words": _word_spans,
    "characters": _character_spans,
    "bytes": _byte_spans,
}
