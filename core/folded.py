"""Data of which one fold is the test split: the data of one training of a cross-validation."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .data import Data, DataSpec, Preprocessing, concatenate
from .domain import Domain
from .folds import folds, keys_of
from .problem import USAGE, Problem

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
    tenth of the other folds validates, or the share of `spec`.
    """
    pool = [data.train, data.valid] if "test" in data.given_splits else [data.train, data.valid, data.test]
    examples = concatenate([split for split in pool if len(split)])
    inside = folds(keys_of(examples), examples.targets.tolist(), fold.count, spec.split) == fold.number - 1
    others = examples.subset(rows(~inside))
    keys = keys_of(others)
    valid = np.zeros(len(others), dtype=bool)
    count = VALID_FOLDS if spec.valid_share is None else round(1 / spec.valid_share) if spec.valid_share else 0
    if 2 <= count <= len(set(keys)):
        valid = folds(keys, others.targets.tolist(), count, spec.split) == 0
    train, validation = others.subset(rows(~valid)), others.subset(rows(valid))
    return replace(
        data, train=train, valid=validation, test=examples.subset(rows(inside)), given_splits=frozenset({"test"})
    )


def rows(mask: NDArray[np.bool_]) -> Tensor:
    """The indices at which a mask is True."""
    return torch.from_numpy(np.flatnonzero(mask))
