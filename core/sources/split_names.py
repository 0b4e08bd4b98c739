"""The names that people give to splits: folders, files and cells called train, training_set, val, test2017."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath

SPLIT_NAMES = {  # what folders, files and cells call the splits
    "train": "train",
    "training": "train",
    "val": "valid",
    "valid": "valid",
    "validation": "valid",
    "dev": "valid",
    "development": "valid",
    "test": "test",
    "testing": "test",
}
SPLIT_PURPOSES = {"train": "training", "valid": "validation", "test": "testing"}
GENERIC = frozenset({"set", "split", "data", "dataset", "images", "pictures", "audio", "files", "folder", "examples"})
SHARD = re.compile(r"[._-]\d+-of-\d+")  # train-00000-of-00002.parquet


def split_name(text: str) -> str | None:
    """The split that a name stands for by itself: "valid" for `val`, `Validation Set` or `val2017`; or None."""
    split, remainder = _split_and_remainder(text)
    return None if remainder else split


def split_in_words(text: str) -> str | None:
    """The split that one word of a name stands for: "train" for `seg_train`; None if there is none, or several."""
    return _split_and_remainder(text)[0]


def split_folders(names: Iterable[str]) -> dict[str, str]:
    """The names that stand for splits, by themselves or beside each other: `seg_train` and `seg_test`."""
    splits: dict[str, str] = {}
    related: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for name in names:
        split, remainder = _split_and_remainder(name)
        if split and not remainder:
            splits[name] = split
        elif split:
            related[remainder][name] = split
    for group in related.values():
        if "train" in group.values() and len(set(group.values())) > 1:
            splits |= group
    return splits


def _split_and_remainder(text: str) -> tuple[str | None, tuple[str, ...]]:
    """The split that one word of a name stands for, and the other words that are not generic."""
    words = [word for word in re.split(r"[\s._-]+", text.strip().lower()) if word not in GENERIC and word]
    splits = [SPLIT_NAMES.get(re.sub(r"(set|data)?\d*$", "", word)) for word in words]
    known = [split for split in splits if split]
    if len(known) != 1:
        return None, ()
    return known[0], tuple(word for word, split in zip(words, splits, strict=True) if not split)


def split_in(name: str) -> tuple[str | None, str]:
    """The split in the name of a file, `TREC.train`, `train.csv`, and the name without it and without its shard."""
    base = SHARD.sub("", PurePath(name).name)
    pieces = re.split(r"([._-])", base)
    for index, piece in enumerate(pieces):
        if piece.lower() in SPLIT_NAMES:
            return SPLIT_NAMES[piece.lower()], "".join(pieces[:index] + pieces[index + 1 :]).strip("._-")
    return None, base
