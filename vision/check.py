"""What training would meet in the pictures: counts, sizes, modes, bad files, duplicates, pictures held sideways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from ..core.data import DataSpec
from ..core.sources.content import Content, Unreadable, digest_of, fetched
from ..core.sources.doubts import examined, refusals, report
from ..core.sources.survey import in_groups, in_labels, survey
from .options import options_of
from .picture import PICTURES, Header, pixels
from .sources import origins


def check(source: DataSpec) -> dict[str, Any]:
    """A report of every picture, each decoded to its end. Raises Problem only where there is nothing to look at."""
    options = options_of(source, None)
    placed = origins(source, options.cache)
    found = survey(placed, source, PICTURES)
    in_groups(found, placed, source.group_by)
    refused = refusals(lambda: in_labels(found, None, source))
    pictures, bad, rare = examined(found, placed, examine, options.progress)
    own = {
        "sizes": sizes([picture.about.size for picture in pictures]),
        "modes": dict(Counter(picture.about.mode for picture in pictures).most_common()),
        "formats": dict(Counter(picture.about.format for picture in pictures).most_common()),
        "rotated": [picture.file for picture in pictures if picture.about.orientation != 1],
    }
    return report(PICTURES, found, pictures, bad, rare, own, refused)


def examine(at: int, content: Content) -> tuple[bytes, Header | None, str]:
    """The hash and the header of a picture, or why there is none."""
    try:
        content = fetched(content)
        return digest_of(content), pixels(content, None)[0], ""
    except Unreadable as problem:
        return b"", None, str(problem)


def sizes(found: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """Width and height in pixels of the picture with the smallest and the largest area, and the median of each."""
    if not found:
        return {}
    ordered = sorted(found, key=lambda size: size[0] * size[1])
    middle = [int(median(width for _, width in found)), int(median(height for height, _ in found))]
    return {"smallest": [*ordered[0][::-1]], "largest": [*ordered[-1][::-1]], "median": middle}
