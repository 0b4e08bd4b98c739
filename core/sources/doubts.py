"""What a check of data tells: where training would stop, what is there twice, what spoils a training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..data import Progress
from ..problem import Bad, Problem
from ..split import PARTS
from .content import Content, Kind
from .listing import Item
from .parallel import in_parallel
from .rows import TOLD
from .survey import NAMED, Placed, Survey, divide, full_bad, in_order
from .usable import enough_good, trainable

UNEVEN = 10  # times as many examples in the largest class as in the smallest: a network may learn to name the large one


class Seen(NamedTuple):
    """An example that decodes to its end."""

    item: Item
    file: str
    part: str
    digest: bytes
    about: Any  # what the domain says of it


Examined = tuple[bytes, Any, str]  # an example's hash and what there is to say of it, or None and the reason


def examined(
    found: Survey, placed: Sequence[Placed], examine: Callable[[int, Content], Examined], progress: Progress | None
) -> tuple[list[Seen], list[Bad], list[str]]:
    """The examples that decode, with the parts that training would give them; those that do not; the rare labels."""
    good: list[tuple[int, bytes, Any]] = []
    bad = list(found.bad)
    for done, (at, (digest, about, reason)) in enumerate(in_parallel(found.contents(placed), examine), 1):
        if about is None:
            bad.append((found.whose[at], found.items[at].name, reason))
        else:
            good.append((at, digest, about))
        if progress and (done % TOLD == 0 or done == len(found.items)):
            progress(done, len(found.items))
    good.sort(key=lambda each: each[0])
    parts, rare = divide([found.items[at] for at, _, _ in good], [digest for _, digest, _ in good], found.source)
    seen = [
        Seen(found.items[at], placed[found.whose[at]].origin.full(found.items[at].name), part, digest, about)
        for (at, digest, about), part in zip(good, parts, strict=True)
    ]
    return seen, full_bad(placed, bad), rare


def report(
    kind: Kind,
    found: Survey,
    seen: Sequence[Seen],
    bad: Sequence[Bad],
    rare: Sequence[str],
    own: Mapping[str, Any],
    refused: Sequence[str] = (),
    spoilt: Sequence[str] = (),
) -> dict[str, Any]:
    """What is told of any examples around the domain's `own` facts: counts, parts, what is bad or there twice.

    Problems are what would stop training (`refused`, by what was asked before), then what spoils it, at last what the
    domain knows to spoil it.
    """
    labels = Counter(each.item.label for each in seen)
    parts = Counter(each.part for each in seen)
    twins, source = duplicates(seen), found.source
    trained = sorted({each.item.label for each in seen if each.part == "train"})
    refused = [*refused, *refusals(lambda: enough_good(bad, len(seen), source.max_bad))]
    if seen:
        refused += refusals(lambda: trainable(trained, parts["train"], source.data, kind))
    return {
        "examples": len(seen),
        "labels": {label: labels[label] for label in in_order(labels, found.order)},
        "splits": {part: parts[part] for part in PARTS},
        "given": found.given,
        **own,
        "bad": [each._asdict() for each in bad],
        "ignored": found.ignored.total(),
        "duplicates": twins,
        "problems": [*refused, *doubts(labels, twins, rare, kind), *spoilt],
        "remarks": found.remarks,
    }


def refusals(question: Callable[[], Any]) -> list[str]:
    """The sentence with which training would stop, if it would."""
    try:
        question()
    except Problem as problem:
        return [str(problem)]
    return []


def duplicates(seen: Sequence[Seen]) -> list[dict[str, Any]]:
    """The examples that are the same byte for byte: in one part or across parts, with one label or contradicting."""
    same: dict[bytes, list[Seen]] = defaultdict(list)
    for each in seen:
        same[each.digest].append(each)
    return [
        {
            "files": [twin.file for twin in twins],
            "across": len({twin.part for twin in twins}) > 1,
            "labels": sorted({twin.item.label for twin in twins}),
        }
        for twins in same.values()
        if len(twins) > 1
    ]


def doubts(labels: Counter[str], twins: Sequence[dict[str, Any]], rare: Sequence[str], kind: Kind) -> list[str]:
    """What does not stop training and spoils it."""
    told = []
    if contradicting := [twin for twin in twins if len(twin["labels"]) > 1]:
        first = contradicting[0]
        where = f"{', '.join(first['files'][:NAMED])} as {' and '.join(first['labels'])}"
        told.append(f"{kind.counted(len(contradicting))} with more than one label, the same bytes: {where}")
    if across := sum(twin["across"] for twin in twins):
        told.append(f"{kind.counted(across)} in more than one part, the same bytes: scores are flattered")
    if rare:
        told.append(f"classes with a single {kind.noun}, which stays in training: {', '.join(rare)}")
    if len(labels) > 1:
        (most, many), (least, few) = labels.most_common()[0], labels.most_common()[-1]
        if many >= UNEVEN * few:
            told.append(f"the classes are uneven: {most} has {kind.counted(many)}, {least} {few:,}")
    return told
