"""The division of examples into folds, for predictions of every example by a network that was not trained on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from .data import Data, Examples, concatenate
from .problem import USAGE, Problem
from .split import position

Folds = NDArray[np.int64]  # (N,) the fold of each example
FOLDS = 5


def folds(keys: Sequence[str], targets: Sequence[int], count: int = FOLDS, seed: int = 0) -> Folds:
    """The fold of each example, from 0 to `count` − 1.

    `keys` are contents, or the groups that must stay together (one patient, one speaker): equal keys share a fold. Each
    label is spread evenly: keys are dealt out label by label in the order of a hash of their content, so that the
    order of the examples has no influence. Raises Problem for fewer keys than folds.
    """
    labels_of: dict[str, Counter[int]] = defaultdict(Counter)
    for key, target in zip(keys, targets, strict=True):
        labels_of[key][target] += 1
    if not 2 <= count <= len(labels_of):
        raise Problem(
            f"{len(labels_of):,} examples or groups are divided into at least 2 and at most {len(labels_of):,} folds; "
            f"got {count}",
            USAGE,
        )
    salt = str(seed).encode() if seed else b""
    position_of = {key: position(salt + key.encode("utf-8", "surrogateescape")) for key in labels_of}
    sizes = np.zeros((count, 1 + max(targets)), np.int64)  # examples of each label in each fold
    fold_of: dict[str, int] = {}
    # The largest groups first: small ones even out what they leave uneven.
    for key in sorted(labels_of, key=lambda key: (-labels_of[key].total(), position_of[key])):
        members = labels_of[key]
        label = max(members, key=lambda target: (members[target], -target))
        fewest = sizes[:, label] == sizes[:, label].min()
        totals = np.where(fewest, sizes.sum(1), np.iinfo(np.int64).max)
        fold_of[key] = int(totals.argmin())
        for target, number in members.items():
            sizes[fold_of[key], target] += number
    return np.array([fold_of[key] for key in keys])


def keys_of(examples: Examples) -> Sequence[str]:
    """What decides the fold of each example: its group or its content; its name where neither is known."""
    return examples.keys if examples.keys is not None else [examples.names[i] for i in range(len(examples))]


def pooled(data: Data) -> Examples:
    """All examples of all splits, in their order."""
    return concatenate([examples for examples in data.splits.values() if len(examples)])


def fold_data(data: Data, examples: Examples, fold_of: Folds) -> Iterator[tuple[NDArray[np.int64], Data]]:
    """For each fold the indices of its examples, and the data with its examples as the test split, all others to train.

    There is no validation split: the last epoch is kept, and no example decides on its own prediction.
    """
    for fold in range(int(fold_of.max()) + 1):
        inside = fold_of == fold
        train, test = (torch.from_numpy(np.flatnonzero(mask)) for mask in (~inside, inside))
        nothing = examples.subset(torch.empty(0, dtype=torch.int64))
        yield (
            np.flatnonzero(inside),
            replace(data, train=examples.subset(train), valid=nothing, test=examples.subset(test), remarks=[]),
        )
