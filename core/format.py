"""Numbers and pictures as texts, for the terminal and for pages."""

from __future__ import annotations

import re
from base64 import b64encode
from math import isfinite
from typing import Any

# Characters that a terminal or a browser acts upon instead of showing them: control characters but tabs and line
# breaks, those that change the direction of text, and halves of characters, which no UTF-8 has.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """A text of others for the terminal: an escape sequence is shown as \\x1b[… and does nothing."""
    return CONTROLS.sub(lambda match: ascii(match[0])[1:-1], text)


def without_controls(text: str) -> str:
    """A text for a page, in which control characters are not valid."""
    return CONTROLS.sub("", text)


def ending(text: str, length: int = 24) -> str:
    """The end of a name, where files of one folder and moves of one game differ, on one line."""
    line = " ".join(visible(text).split())
    return line if len(line) <= length else "…" + line[1 - length :]


def percent(share: float | None, digits: int = 1) -> str:
    """0.932 as 93.2%; a dash for None."""
    return "–" if share is None else f"{100 * share:.{digits}f}%"


def probability(value: float) -> str:
    """A probability that never reads as certainty."""
    return "over 99.9%" if value > 0.999 else f"{100 * value:.1f}%"


def count(number: Any) -> str:
    """12345 as 12,345."""
    return f"{number:,}" if isinstance(number, int) else str(number)


def figure(number: float | None) -> str:
    """Three significant digits; a dash for None and for what is not finite."""
    return "–" if number is None or not isfinite(number) else f"{number:.3g}"


def data_uri(png: bytes) -> str:
    """A PNG as an address that holds all of it."""
    return "data:image/png;base64," + b64encode(png).decode()
