"""What training would meet in the pictures: counts, sizes, modes, bad files, duplicates, pictures held sideways."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any, NamedTuple

from ..core.domain import Bad, Progress, Source
from ..core.problem import Problem
from ..core.split import PARTS
from .build import TOLD, digest_of
from .data import enough_good, trainable
from .listing import Item
from .options import options_of
from .parallel import in_parallel
from .picture import Content, Header, Unreadable, fetched, pixels
from .sources import Placed, origins
from .survey import NAMED, Survey, counted, divide, full_bad, in_groups, in_labels, in_order, survey

UNEVEN = 10  # times as many pictures in the largest class as in the smallest: a network may learn to name the large one


class Seen(NamedTuple):
    """A picture that decodes to its end."""

    item: Item
    file: str
    part: str
    digest: bytes
    header: Header


def check(source: Source) -> dict[str, Any]:
    """A report of every picture, each decoded to its end. Raises Problem only where there is nothing to look at."""
    options = options_of(source, None)
    placed = origins(source, options.cache)
    found = survey(placed, source)
    in_groups(found, placed, source.group_by)
    refused = refusals(lambda: in_labels(found, None, source))
    pictures, bad, rare = examined(found, placed, options.progress)
    labels = Counter(picture.item.label for picture in pictures)
    parts = Counter(picture.part for picture in pictures)
    twins = duplicates(pictures)
    trained = {picture.item.label for picture in pictures if picture.part == "train"}
    refused += refusals(lambda: enough_good(bad, len(pictures), source.max_bad))
    refused += refusals(lambda: trainable(sorted(trained), parts["train"], source.data)) if pictures else []
    return {
        "examples": len(pictures),
        "labels": {label: labels[label] for label in in_order(labels, found.order)},
        "splits": {part: parts[part] for part in PARTS},
        "given": found.given,
        "sizes": sizes([picture.header.size for picture in pictures]),
        "modes": dict(Counter(picture.header.mode for picture in pictures).most_common()),
        "formats": dict(Counter(picture.header.format for picture in pictures).most_common()),
        "bad": [each._asdict() for each in bad],
        "ignored": found.ignored.total(),
        "duplicates": twins,
        "rotated": [picture.file for picture in pictures if picture.header.orientation != 1],
        "problems": refused + doubts(labels, twins, rare),
        "remarks": found.remarks,
    }


def refusals(question: Callable[[], Any]) -> list[str]:
    """The sentence with which training would stop, if it would."""
    try:
        question()
    except Problem as problem:
        return [str(problem)]
    return []


def examined(
    found: Survey, placed: Sequence[Placed], progress: Progress | None
) -> tuple[list[Seen], list[Bad], list[str]]:
    """The pictures that decode, with the parts that training would give them; those that do not; the rare labels."""
    good: list[tuple[int, bytes, Header]] = []
    bad = list(found.bad)
    for done, (at, (digest, header, reason)) in enumerate(in_parallel(found.contents(placed), examine), 1):
        if header is None:
            bad.append((found.whose[at], found.items[at].name, reason))
        else:
            good.append((at, digest, header))
        if progress and (done % TOLD == 0 or done == len(found.items)):
            progress(done, len(found.items))
    good.sort(key=lambda each: each[0])
    parts, rare = divide([found.items[at] for at, _, _ in good], [digest for _, digest, _ in good])
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


def duplicates(pictures: Sequence[Seen]) -> list[dict[str, Any]]:
    """The pictures that are the same byte for byte: in one part or across parts, with one label or contradicting."""
    same: dict[bytes, list[Seen]] = defaultdict(list)
    for picture in pictures:
        same[picture.digest].append(picture)
    return [
        {
            "files": [twin.file for twin in twins],
            "across": len({twin.part for twin in twins}) > 1,
            "labels": sorted({twin.item.label for twin in twins}),
        }
        for twins in same.values()
        if len(twins) > 1
    ]


def sizes(found: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """Width and height in pixels of the picture with the smallest and the largest area, and the median of each."""
    if not found:
        return {}
    ordered = sorted(found, key=lambda size: size[0] * size[1])
    middle = [int(median(width for _, width in found)), int(median(height for height, _ in found))]
    return {"smallest": [*ordered[0][::-1]], "largest": [*ordered[-1][::-1]], "median": middle}


def doubts(labels: Counter[str], twins: Sequence[dict[str, Any]], rare: Sequence[str]) -> list[str]:
    """What does not stop training and spoils it."""
    told = []
    if contradicting := [twin for twin in twins if len(twin["labels"]) > 1]:
        first = contradicting[0]
        where = f"{', '.join(first['files'][:NAMED])} as {' and '.join(first['labels'])}"
        told.append(f"{counted(len(contradicting), 'picture')} with more than one label, the same bytes: {where}")
    if across := sum(twin["across"] for twin in twins):
        told.append(f"{counted(across, 'picture')} in more than one part, the same bytes: scores are flattered")
    if rare:
        told.append(f"classes with a single picture, which stays in training: {', '.join(rare)}")
    if len(labels) > 1:
        (most, many), (least, few) = labels.most_common()[0], labels.most_common()[-1]
        if many >= UNEVEN * few:
            told.append(f"the classes are uneven: {most} has {many:,} pictures, {least} {few:,}")
    return told
