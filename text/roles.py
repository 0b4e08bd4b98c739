"""Roles: what the names of files say about them, their part in the set or the label of all their lines."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from ..core.problem import DATA, Problem
from ..core.sources.listing import PART_OF, natural, same_label

PARTS = {**PART_OF, "dev": "valid", "development": "valid"}
TABLES, JSONL, PARQUET = (".csv", ".tsv", ".tab"), (".jsonl", ".ndjson", ".json"), (".parquet",)
ROWS = (*TABLES, *JSONL, *PARQUET)
NOTES = ("readme", "license", "licence", "notice", "citation", "changelog")  # files about a set, not of it
CLASSES = "classes.txt"  # beside a table of numbers: their names, a line each


class Role(NamedTuple):
    """A file that holds texts in lines or rows, and what its name says of all of them."""

    name: str
    part: str | None = None
    label: str | None = None


def about(name: str) -> bool:
    """Whether a file tells about the set."""
    base = PurePath(name).name.lower()
    return base.startswith(NOTES) or base == CLASSES


def part_in(name: str) -> tuple[str | None, str]:
    """The part that a file's name tells, `TREC.train`, `train.csv`, and what is left of the name."""
    pieces = re.split(r"([._-])", PurePath(name).name)
    for at, piece in enumerate(pieces):
        if piece.lower() in PARTS:
            return PARTS[piece.lower()], "".join(pieces[:at] + pieces[at + 1 :]).strip("._-")
    return None, PurePath(name).name


def roles(where: str, names: Sequence[str]) -> list[Role]:
    """The files of one set among all that lie in a folder. Raises Problem where there are several sets."""
    found = sorted((name for name in names if not about(name)), key=natural)
    tables = [name for name in found if PurePath(name).suffix.lower() in ROWS]
    found = tables or found
    if len(found) < 2:
        return [Role(name) for name in found]
    stems: dict[str, list[Role]] = defaultdict(list)
    for name in found:
        part, stem = part_in(name)
        stems[stem].append(Role(name, part))
    whole = [each for each in stems.values() if all(role.part for role in each)]
    if len(whole) == len(stems):
        if len(stems) == 1:
            return whole[0]
        raise Problem(
            f"{where} holds {len(stems)} sets, {' and '.join(sorted(stems)[:5])}; name one of them: "
            f"{where.rstrip('/')}/{min(stems)}",
            DATA,
        )
    if tables:
        raise Problem(f"{where} holds {len(tables)} tables, {', '.join(tables[:5])}; name the one that is meant", DATA)
    labels = classes(found)
    return [Role(name, None, label) for name, label in zip(found, labels, strict=True)]


def classes(names: Sequence[str]) -> list[str]:
    """The label that each of several files stands for: what their names do not share, `rt-polarity.pos`, `pos.txt`."""
    bases = [PurePath(name).name for name in names]
    suffixes = [base.rpartition(".")[2] for base in bases]
    if len(set(suffixes)) == len(bases):
        return [same_label(suffix) for suffix in suffixes]
    return [same_label(PurePath(base).stem) for base in bases]
