"""The komi of a record in points: hundredths, as Fox writes them, and stones, as in Chinese counting."""

from __future__ import annotations

import re

from .game import GameInfo

NUMBER = re.compile(r"[-+]?\d{1,9}(?:[.,]\d{0,9})?")
HUNDREDTHS = 200  # a larger integer is in hundredths: nobody gives that many points
FOX = "foxwq"  # the application of records of Fox Go (foxwq.com), which writes 0.5 as 50
FOX_HUNDREDTHS = 25  # of its integers from here on


class UnusableKomi(ValueError):
    """A komi that is no number of points on the board; the message continues after "komi"."""


def komi_in_points(info: GameInfo, size: int) -> float | None:
    """The komi of a record; None if it gives none. Raises UnusableKomi.

    An integer such as 650 is in hundredths. A quarter is no number of points: 3.75 (or 375) counts stones, as Chinese
    rules do, and is 7.5 points.
    """
    written = info.komi.strip()
    if not written:
        return None
    if not NUMBER.fullmatch(written):
        raise UnusableKomi(f"{written[:20]!r} is not a number of points")
    komi = float(written.replace(",", "."))
    smallest = FOX_HUNDREDTHS if FOX in info.application.lower() else HUNDREDTHS
    if komi.is_integer() and komi % 25 == 0 and abs(komi) >= smallest:
        komi /= 100
    if abs(komi) % 0.5 == 0.25:
        komi *= 2
    if abs(komi) > size * size:
        raise UnusableKomi(f"{written[:20]!r} is more than the {size * size} points of the board")
    return komi


def komi_text(info: GameInfo, size: int) -> str:
    """The komi for a caption: in points, as written if it is no number of points, empty if the record gives none."""
    try:
        komi = komi_in_points(info, size)
    except UnusableKomi:
        return info.komi
    return "" if komi is None else f"{komi:g}"
