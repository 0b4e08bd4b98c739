"""Survey: all examples that DATA, --valid and --test name, each with a known label and the part it was given for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..data import DataSpec
from ..problem import DATA, USAGE, Bad, Problem, did_you_mean
from ..split import split
from .content import Content, Kind, counted
from .listing import Item, Listing, Origin, natural

VALID = 0.10  # of what is not for the test choose the best epoch
VALID_ENOUGH = 2500  # examples tell half a per cent; more of them would only be lost to training
NAMED = 5  # how many of many a sentence names


class Placed(NamedTuple):
    """A place that examples come from, and the part they are for where that was said."""

    origin: Origin
    part: str | None


@dataclass
class Survey:
    """`whose` are the positions of the origins that the items come from; `part` of an item is what was given."""

    kind: Kind
    source: DataSpec
    items: list[Item] = field(default_factory=list)
    whose: list[int] = field(default_factory=list)
    bad: list[tuple[int, str, str]] = field(default_factory=list)  # origin, file, reason
    order: list[str] | None = None  # of the labels
    ignored: Counter[str] = field(default_factory=Counter)
    grouped: bool = False
    remarks: list[str] = field(default_factory=list)

    @property
    def given(self) -> list[str]:
        return sorted({item.part for item in self.items if item.part in ("valid", "test")})

    def contents(self, placed: Sequence[Placed]) -> Iterator[tuple[int, Content]]:
        """The content of every item with its position, one origin after the other."""
        for number, (origin, _) in enumerate(placed):
            mine = [at for at, whose in enumerate(self.whose) if whose == number]
            for at, content in origin.contents([self.items[at] for at in mine]):
                yield mine[at], content


def survey(placed: Sequence[Placed], source: DataSpec, kind: Kind) -> Survey:
    """What there is, before anything is decoded."""
    found = Survey(kind, source)
    for number, (origin, part) in enumerate(placed):
        listing = origin.listing(source.group_by)
        if not listing.items and not listing.bad:
            raise Problem(nothing(origin.where, listing, kind), DATA)
        items = for_part(listing.items, part) if part else besides(listing.items, source, found)
        found.items += items
        found.whose += [number] * len(items)
        found.bad += [(number, *bad) for bad in listing.bad]
        found.ignored += listing.ignored
        found.order = found.order or listing.order
        found.grouped |= listing.grouped
        if listing.outside:
            found.remarks.append(f"left out {kind.counted(listing.outside)} outside any class folder")
    if found.ignored:
        found.remarks.append(f"left out {ignored(found.ignored, kind)}")
    return found


def nothing(where: str, listing: Listing, kind: Kind) -> str:
    if listing.outside:
        found = f"{kind.counted(listing.outside)} but no folder per class"
    else:
        found = f"no {kind.noun}s, only {ignored(listing.ignored, kind)}" if listing.ignored else "nothing"
    archives = [ending for ending in listing.ignored if ending in (".gz", ".zip", ".tar", ".tgz")]
    hint = "; give the archive itself" if archives else ""
    return f"{where} holds {found}; expected {kind.expected}{hint}"


def ignored(endings: Counter[str], kind: Kind) -> str:
    most = ", ".join(f"{count:,} {ending}" for ending, count in endings.most_common(NAMED))
    return f"{counted(endings.total(), 'file')} without the ending of a {kind.noun} ({most})"


def for_part(items: list[Item], part: str) -> list[Item]:
    """What was given for a part: all of it, or what it holds for that part where it names parts itself."""
    own = [item for item in items if item.part == part]
    return [item._replace(part=part) for item in own or items]


def besides(items: list[Item], source: DataSpec, found: Survey) -> list[Item]:
    """The examples of DATA, less those of a part that was given besides."""
    for part, other in (("valid", source.valid), ("test", source.test)):
        left = [item for item in items if item.part != part]
        if other is not None and len(left) < len(items):
            unused = found.kind.counted(len(items) - len(left))
            found.remarks.append(f"{unused} for {part} in {source.data} not used: {other} was given")
            items = left
    parts = {item.part for item in items}
    if "valid" in parts and "test" not in parts and source.test is None and source.valid is None:
        found.remarks.append(
            "there is no test part, so its validation part is the test; a new validation part is split off training"
        )
        return [item._replace(part="test") if item.part == "valid" else item for item in items]
    if "valid" in parts and source.valid_share == 0:
        spare = found.kind.counted(sum(item.part == "valid" for item in items))
        found.remarks.append(f"trained on {spare} for validation in {source.data} too: --valid-share 0")
        return [item._replace(part="train") if item.part == "valid" else item for item in items]
    return items


def in_labels(found: Survey, labels: Sequence[str] | None, source: DataSpec) -> list[str]:
    """Leaves out or refuses labels that are not known; gives the known ones, those of training or of a model."""
    known = list(labels) if labels is not None else trained(found)
    among = set(known)
    strange = Counter(item.label for item in found.items if item.label not in among)
    if not strange or not known:
        return known
    if source.unknown != "skip" or strange.total() == len(found.items):
        raise Problem(unknown(strange, known, "the model" if labels is not None else "training", found.kind), DATA)
    kept = [at for at, item in enumerate(found.items) if item.label not in strange]
    found.items, found.whose = [found.items[at] for at in kept], [found.whose[at] for at in kept]
    names = ", ".join(sorted(strange, key=natural)[:NAMED])
    found.remarks.append(f"left out {found.kind.counted(strange.total())} with a label that is not known: {names}")
    return known


def trained(found: Survey) -> list[str]:
    """The labels that training sees."""
    return in_order({item.label for item in found.items if item.part in (None, "train")}, found.order)


def in_order(labels: Iterable[str], order: Sequence[str] | None) -> list[str]:
    """Labels in their official order where they have one, else naturally sorted."""
    place = {label: at for at, label in enumerate(order or ())}
    return sorted(labels, key=lambda label: (place.get(label, len(place)), natural(label)))


def unknown(strange: Counter[str], known: Sequence[str], who: str, kind: Kind) -> str:
    first = sorted(strange, key=natural)
    names = ", ".join(f"{label} ({kind.counted(strange[label])})" for label in first[:NAMED])
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    noun = "label" if len(strange) == 1 else "labels"
    return (
        f"{who} does not know the {noun} {names}; it knows {', '.join(known[:20])}{more}"
        f"{did_you_mean(first[0], known)}; --unknown skip leaves such {kind.noun}s out"
    )


def in_groups(found: Survey, placed: Sequence[Placed], group_by: str | None) -> None:
    """Gives each item the group that stays together: a table's column, or what is found in its full name."""
    if group_by is None or found.grouped:
        return
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise Problem(f"--group-by {group_by} is not a regular expression: {error}", USAGE) from error
    names = [placed[whose].origin.full(item.name) for whose, item in zip(found.whose, found.items, strict=True)]
    matches = [pattern.search(name) for name in names]
    if not any(matches):
        raise Problem(f"--group-by {group_by} is no column of a table, and in no path such as {names[0]}", USAGE)
    group = [(match[1] if pattern.groups else match[0]) if match else None for match in matches]
    found.items = [item._replace(group=own) for item, own in zip(found.items, group, strict=True)]


def divide(items: Sequence[Item], hashes: Sequence[bytes], source: DataSpec) -> tuple[list[str], list[str]]:
    """A part for each item, as given or else by its group or content, and the labels too rare to divide."""
    salt = str(source.split).encode() if source.split else b""
    keys = [
        salt + (item.group.encode("utf-8", "surrogateescape") if item.group else digest)
        for item, digest in zip(items, hashes, strict=True)
    ]
    parts = [item.part or "train" for item in items]
    free = [at for at, part in enumerate(parts) if part == "train"]
    test = 0.0 if "test" in parts else source.test_share
    share = valid_share(len(free) * (1 - test)) if source.valid_share is None else source.valid_share
    valid = 0.0 if "valid" in parts else share * (1 - test)
    own, rare = split([keys[at] for at in free], [items[at].label for at in free], valid, test)
    for at, part in zip(free, own, strict=True):
        parts[at] = part
    return parts, rare


def divided_by(source: DataSpec) -> tuple[object, ...]:
    """All that decides which part an example is for, and is not in the examples: a part of a cache's key."""
    return source.group_by, source.test_share, source.valid_share, source.split


def valid_share(examples: float) -> float:
    return min(VALID, VALID_ENOUGH / examples) if examples else VALID


def full_bad(placed: Sequence[Placed], bad: Sequence[tuple[int, str, str]]) -> list[Bad]:
    return [Bad(placed[number].origin.full(name), reason) for number, name, reason in bad]
