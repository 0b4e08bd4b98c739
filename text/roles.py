"""The roles of files by their names: the split, or the label of all their lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath
from typing import NamedTuple

from ..core.problem import DATA, Problem
from ..core.sources.gzipped import without_ending
from ..core.sources.source import natural, normalize_label
from ..core.sources.split_names import split_in
from ..core.sources.table import is_table

NOTES = ("readme", "license", "licence", "notice", "citation", "changelog")  # documentation, not data
CLASSES = "classes.txt"  # beside a table of label numbers: the names of the labels, one per line


class Role(NamedTuple):
    """A file that holds texts in lines or rows, and what its name says about all of them."""

    name: str
    split: str | None = None
    label: str | None = None


def is_documentation(name: str) -> bool:
    """Returns True for a file about the set."""
    base = PurePath(name).name.lower()
    return base.startswith(NOTES) or base == CLASSES


def roles(location: str, names: Sequence[str]) -> list[Role]:
    """The files of the one set in a folder. Raises Problem if there are several sets."""
    files = sorted((name for name in names if not is_documentation(name)), key=natural)
    tables = [name for name in files if is_table(name)]
    files = tables or files
    if len(files) < 2:
        return [Role(name) for name in files]
    stems: dict[str, list[Role]] = defaultdict(list)
    for name in files:
        split, stem = split_in(name)
        stems[stem].append(Role(name, split))
    complete = [group for group in stems.values() if all(role.split for role in group)]
    if len(complete) == len(stems):
        if len(stems) == 1:
            return complete[0]
        raise Problem(
            f"{location} holds {len(stems)} sets, {' and '.join(sorted(stems)[:5])}; name one of them: "
            f"{location.rstrip('/')}/{min(stems)}",
            DATA,
        )
    if tables:
        raise Problem(
            f"{location} holds {len(tables)} tables, {', '.join(tables[:5])}; name the one that is meant", DATA
        )
    return [Role(name, None, label) for name, label in zip(files, labels_in(files), strict=True)]


def refuse_split_among_classes(location: str, roles: Sequence[Role]) -> None:
    """Raises Problem if a file that is called train, which is a split, would be a class beside other files."""
    training = next((role.name for role in roles if role.label and split_in(role.name)[0] == "train"), None)
    remaining = next((role.name for role in roles if split_in(role.name)[0] is None), None)
    if training and remaining:
        raise Problem(
            f"{location} holds {training}, which is a split by its name, beside {remaining}, which is none; name the "
            "data and --test, or rename the files",
            DATA,
        )


def labels_in(names: Sequence[str]) -> list[str]:
    """The labels that files stand for: the part of their names that differs, `rt-polarity.pos`, `pos.txt`."""
    bases = [PurePath(without_ending(name)).name for name in names]
    suffixes = [base.rpartition(".")[2] for base in bases]
    if len(set(suffixes)) == len(bases):
        return [normalize_label(suffix) for suffix in suffixes]
    return [normalize_label(PurePath(base).stem) for base in bases]
