"""Data of which one fold is the test split: the data of one training of a cross-validation."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .data import GROUP_KEY, Data, DataSpec, Examples, Preprocessing, concatenate
from .domain import Domain
from .folds import folds, keys_of
from .problem import DATA, USAGE, Problem
from .sources.content import counted
from .sources.source import natural

NAMED = 5  # folds that a message names
VALID_FOLDS = 10  # of the examples of the other folds, one of which validates


@dataclass(frozen=True)
class Fold:
    """One of several folds."""

    number: int  # from 1
    count: int

    @classmethod
    def parse(cls, text: str) -> Fold:
        """The fold of a text such as 2/5. Raises Problem for another one."""
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        fold = cls(int(match[1]), int(match[2])) if match else cls(0, 0)
        if not 1 <= fold.number <= fold.count or fold.count < 2:
            raise Problem(f"--fold is one of several, such as 2/5; got {text}", USAGE)
        return fold

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def load(domain: Domain, spec: DataSpec, labels: list[str] | None, preprocessing: Preprocessing | None) -> Data:
    """The data that a specification names, as the domain loads them, or with one fold as the test split."""
    fold = Fold.parse(spec.fold) if spec.fold is not None else None
    data = domain.load(spec, labels, preprocessing)
    return data if fold is None else with_fold(data, fold, spec)


def with_fold(data: Data, fold: Fold, spec: DataSpec) -> Data:
    """The data with one fold as the test split, and the others as training and validation splits.

    A test split that the data name stays out of all folds. Groups and equal contents stay together (core/folds.py). A
    tenth of the other folds validates, or the share of `spec`. Of folds that the data name (DataSpec.fold_by), the next
    one validates. Raises Problem if there are not as many as `fold` says.
    """
    pool = [data.train, data.valid] if "test" in data.given_splits else [data.train, data.valid, data.test]
    examples = concatenate([split for split in pool if len(split)])
    if spec.fold_by is not None:
        return _with_named_fold(data, examples, fold, spec)
    inside = folds(keys_of(examples), classes_of(examples), fold.count, spec.split) == fold.number - 1
    others = examples.subset(rows(~inside))
    keys = keys_of(others)
    valid = np.zeros(len(others), dtype=bool)
    count = VALID_FOLDS if spec.valid_share is None else round(1 / spec.valid_share) if spec.valid_share else 0
    if 2 <= count <= len(set(keys)):
        valid = folds(keys, classes_of(others), count, spec.split) == 0
    train, validation = others.subset(rows(~valid)), others.subset(rows(valid))
    return replace(
        data, train=train, valid=validation, test=examples.subset(rows(inside)), given_splits=frozenset({"test"})
    )


def _with_named_fold(data: Data, examples: Examples, fold: Fold, spec: DataSpec) -> Data:
    keys = keys_of(examples)
    if without := sum(not key.startswith(GROUP_KEY) for key in keys):
        raise Problem(f"{without:,} examples have no fold by --fold-by {spec.fold_by}; expected one of each", DATA)
    names = sorted({key.removeprefix(GROUP_KEY) for key in keys}, key=natural)
    if fold.count != len(names):
        shown = ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")
        raise Problem(
            f"--fold-by {spec.fold_by} gives {counted(len(names), 'fold')}: {shown}; give --folds {len(names)}", USAGE
        )
    number_of = {f"{GROUP_KEY}{name}": number for number, name in enumerate(names)}
    fold_of = np.array([number_of[key] for key in keys])
    tests = fold_of == fold.number - 1
    validates = fold_of == fold.number % fold.count
    if spec.valid_share == 0 or fold.count == 2:
        validates = np.zeros(len(examples), dtype=bool)
    train, valid, test = (examples.subset(rows(mask)) for mask in (~tests & ~validates, validates, tests))
    return replace(data, train=train, valid=valid, test=test, given_splits=frozenset({"test"}))


def classes_of(examples: Examples) -> list[int]:
    """The class of each example, which folds divide evenly; one for all where targets have places."""
    return examples.targets.tolist() if examples.targets.dim() == 1 else [0] * len(examples)


def rows(mask: NDArray[np.bool_]) -> Tensor:
    """The indices at which a mask is True."""
    return torch.from_numpy(np.flatnonzero(mask))
