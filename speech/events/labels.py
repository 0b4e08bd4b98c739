"""Label files of recordings: label tracks of Audacity and TextGrids of Praat -> events in seconds.

Audacity: a line for each label, its start, end and text separated by tabs; lines that begin with a backslash hold its
range of frequencies. Praat: the manual's "TextGrid file formats", in which only numbers and texts in quotation marks
that stand by themselves count, so that the long and the short form are read alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from typing import NamedTuple

from ...core.sources.content import Unreadable
from ...core.sources.encodings import decode_text
from ...core.sources.source import normalize_label
from ...core.tasks.events import Event

AUDACITY, TEXTGRID = ".txt", ".textgrid"
ENDINGS = (AUDACITY, TEXTGRID)
# A text in quotation marks, doubled within it; what stands in brackets and comments count nothing; words and numbers.
TOKENS = re.compile(r'"(?:[^"]|"")*"|\[[^\]\n]*\]:?|!.*|<[a-z]+>|[^\s"\[\]]+')
LONGEST = 1e6  # seconds


class Labelled(NamedTuple):
    """The events of a label file, and how many of its labels have no length: points in time."""

    events: list[Event]
    points: int = 0
    tiers: tuple[str, ...] = ()  # of a TextGrid, those with intervals


def read(name: str, content: bytes, tier: str | None = None) -> Labelled:
    """The events in a label file; of a TextGrid those of one tier, by default of the first with intervals.

    Raises Unreadable with the line, or the tier, that cannot be read.
    """
    text, _ = decode_text(content)
    return textgrid(text, tier) if name.lower().endswith(TEXTGRID) else audacity(text)


def audacity(text: str) -> Labelled:
    """The events of a label track."""
    events: list[Event] = []
    points = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        cells = line.split("\t", 2)
        if len(cells) != 3:
            raise Unreadable(f"holds {line[:40]!r} in line {number}; expected a start, an end and a label between tabs")
        event = checked(cells[0], cells[1], cells[2], f"line {number}")
        points += event.start == event.end
        events += [event] * (event.start < event.end)
    return Labelled(events, points)


def textgrid(text: str, tier: str | None = None) -> Labelled:
    """The events of one tier of a TextGrid: its intervals with a text."""
    tiers = list(interval_tiers(tokens_of(text)))
    names = tuple(name for name, _ in tiers)
    if not tiers:
        raise Unreadable("holds no tier with intervals; expected one, whose texts are labels")
    if tier is not None and tier not in names:
        raise Unreadable(f"has no tier {tier}; it has {', '.join(names)}")
    _, events = tiers[0 if tier is None else names.index(tier)]
    return Labelled([event for event in events if event.label and event.start < event.end], 0, names)


def tokens_of(text: str) -> Iterator[str]:
    """The texts in quotation marks, flags and numbers of a TextGrid. Raises Unreadable for other files."""
    pieces = TOKENS.findall(text)
    if pieces[:3] != ["File", "type", "="] or '"TextGrid"' not in pieces[:8]:
        raise Unreadable('does not begin with File type = "ooTextFile" and Object class = "TextGrid"')
    for piece in pieces[pieces.index('"TextGrid"') + 1 :]:
        if piece[0] in '"<' or is_number(piece):
            yield piece


def interval_tiers(tokens: Iterator[str]) -> Iterator[tuple[str, list[Event]]]:
    """The tiers with intervals: their names and all their intervals, those without a text too."""
    try:
        number(tokens), number(tokens)
        if next(tokens) != "<exists>":
            return
        for _ in range(int(number(tokens))):
            kind, name = quoted(tokens), quoted(tokens)
            number(tokens), number(tokens)
            events = []
            for index in range(1, int(number(tokens)) + 1):
                if kind == "TextTier":
                    number(tokens), quoted(tokens)
                    continue
                start, end, label = next(tokens), next(tokens), quoted(tokens)
                events.append(checked(start, end, label, f"interval {index} of the tier {name}"))
            if kind == "IntervalTier":
                yield name, events
    except StopIteration:
        raise Unreadable("ends before its last interval") from None


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def number(tokens: Iterator[str]) -> float:
    token = next(tokens)
    if not is_number(token):
        raise Unreadable(f"holds {token[:40]} where a number stands in a TextGrid")
    return float(token)


def quoted(tokens: Iterator[str]) -> str:
    token = next(tokens)
    if not token.startswith('"'):
        raise Unreadable(f"holds {token[:40]} where a text in quotation marks stands in a TextGrid")
    return token[1:-1].replace('""', '"')


def checked(start: str, end: str, label: str, place: str) -> Event:
    """The event of three texts. Raises Unreadable for what is no time, and for an end before its start."""
    times = []
    for text in (start, end):
        if not is_number(text) or not isfinite(float(text)) or not 0 <= float(text) <= LONGEST:
            hint = "; write decimal points" if is_number(text.replace(",", ".")) and "," in text else ""
            raise Unreadable(f"holds {text.strip()[:40]!r} in {place}; expected seconds from 0 on{hint}")
        times.append(float(text))
    if times[1] < times[0]:
        raise Unreadable(f"holds an end before its start in {place}: {times[0]:g} to {times[1]:g} s")
    return Event(times[0], times[1], " ".join(normalize_label(label).split()))
