"""What training would meet in the pictures: counts, sizes, modes, bad files, duplicates, pictures held sideways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from ..core.domain import Bad, Progress, Source
from ..core.sources.content import Content, Unreadable, digest_of, fetched
from ..core.sources.doubts import Seen, doubts, duplicates, refusals
from ..core.sources.parallel import in_parallel
from ..core.sources.rows import TOLD
from ..core.sources.survey import Placed, Survey, divide, full_bad, in_groups, in_labels, in_order, survey
from ..core.sources.usable import enough_good, trainable
from ..core.split import PARTS
from .options import options_of
from .picture import PICTURES, Header, pixels
from .sources import origins


def check(source: Source) -> dict[str, Any]:
    """A report of every picture, each decoded to its end. Raises Problem only where there is nothing to look at."""
    options = options_of(source, None)
    placed = origins(source, options.cache)
    found = survey(placed, source, PICTURES)
    in_groups(found, placed, source.group_by)
    refused = refusals(lambda: in_labels(found, None, source))
    pictures, bad, rare = examined(found, placed, options.progress)
    labels = Counter(picture.item.label for picture in pictures)
    parts = Counter(picture.part for picture in pictures)
    twins = duplicates(pictures)
    trained = {picture.item.label for picture in pictures if picture.part == "train"}
    refused += refusals(lambda: enough_good(bad, len(pictures), source.max_bad))
    refused += refusals(lambda: trainable(sorted(trained), parts["train"], source.data, PICTURES)) if pictures else []
    return {
        "examples": len(pictures),
        "labels": {label: labels[label] for label in in_order(labels, found.order)},
        "splits": {part: parts[part] for part in PARTS},
        "given": found.given,
        "sizes": sizes([picture.about.size for picture in pictures]),
        "modes": dict(Counter(picture.about.mode for picture in pictures).most_common()),
        "formats": dict(Counter(picture.about.format for picture in pictures).most_common()),
        "bad": [each._asdict() for each in bad],
        "ignored": found.ignored.total(),
        "duplicates": twins,
        "rotated": [picture.file for picture in pictures if picture.about.orientation != 1],
        "problems": refused + doubts(labels, twins, rare, PICTURES),
        "remarks": found.remarks,
    }


def examined(
    found: Survey, placed: Sequence[Placed], progress: Progress | None
) -> tuple[list[Seen], list[Bad], list[str]]:
    """The pictures that decode, with the parts that training would give them; those that do not; the rare labels."""
    good: list[tuple[int, bytes, Header]] = []
    bad = list(found.bad)
    looked = in_parallel(found.contents(placed), lambda at, content: examine(content))
    for done, (at, (digest, header, reason)) in enumerate(looked, 1):
        if header is None:
            bad.append((found.whose[at], found.items[at].name, reason))
        else:
            good.append((at, digest, header))
        if progress and (done % TOLD == 0 or done == len(found.items)):
            progress(done, len(found.items))
    good.sort(key=lambda each: each[0])
    parts, rare = divide([found.items[at] for at, _, _ in good], [digest for _, digest, _ in good], found.source)
    pictures = [
        Seen(found.items[at], placed[found.whose[at]].origin.full(found.items[at].name), part, digest, header)
        for (at, digest, header), part in zip(good, parts, strict=True)
    ]
    return pictures, full_bad(placed, bad), rare


def examine(content: Content) -> tuple[bytes, Header | None, str]:
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
