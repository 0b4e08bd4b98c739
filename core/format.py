"""Numbers and pictures as texts, for the terminal and for pages."""

from __future__ import annotations

from base64 import b64encode
from math import isfinite
from typing import Any


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
