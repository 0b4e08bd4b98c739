"""Examples as compact arrays, the splits that a domain loads, and the description of the data to load."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import chain
from typing import Any, Literal

import torch
from torch import Tensor

from .lazy import LazyInputs, LazyNames
from .problem import USAGE, Bad, Problem
from .targets import TargetSpec

Progress = Callable[[int, int | None], object]  # gets the number of files read, and of all files if it is known
ROUND = 8  # columns: the width of a batch is a multiple of it, so that few different widths occur
SPLIT_FIELDS = (
    "group_by",
    "fold_by",
    "test_share",
    "valid_share",
    "split",
)  # the fields of DataSpec that decide the splits
GROUP_KEY = "group "  # begins the keys of examples that have a group
Preprocessing = dict[str, Any]  # what the frontend and `read` depend on; JSON, stored in the model file


@dataclass
class Examples:
    """Inputs in the compact form of the domain, and their targets: arrays that batches are selected from."""

    inputs: Tensor | LazyInputs  # (N, ...) uint8, int16 or int32; resident, memory-mapped, or computed for each batch
    targets: Tensor  # (N,) int64 as loaded; (N, …) as a task encodes them
    names: Sequence[str] | LazyNames  # of the files or rows that the examples come from
    lengths: Tensor | None = None  # (N,) int64, on the CPU: the length of each input; padding follows
    right_context: int | None = None  # columns of padding kept behind the longest input of a batch; None keeps all
    originals: Sequence[str] | None = None  # the texts that the inputs encode, as their authors wrote them
    # Equal keys stay together: GROUP_KEY and the group of each input, or a digest of its content if it has none.
    keys: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The batch at `indices`, on the device of the arrays, cut behind its longest input (`right_context`)."""
        inputs, rows = self.inputs, indices.to(self.targets.device, non_blocking=True)
        if self.lengths is not None and self.right_context is not None and len(indices):
            assert isinstance(inputs, Tensor), "computed inputs have one length"
            longest = int(self.lengths[indices.cpu()].max())
            inputs = inputs[..., : -(-(longest + self.right_context) // ROUND) * ROUND]
        return inputs.index_select(0, rows), self.targets.index_select(0, rows)

    def subset(self, indices: Tensor) -> Examples:
        """The examples at `indices`, as a set of their own."""
        lengths = None if self.lengths is None else self.lengths[indices]
        inputs, targets = self.with_right_context(None)[indices]  # of full length
        names = [self.names[i] for i in indices.tolist()]
        originals = None if self.originals is None else [self.originals[i] for i in indices.tolist()]
        keys = None if self.keys is None else [self.keys[i] for i in indices.tolist()]
        return Examples(inputs, targets, names, lengths, self.right_context, originals, keys)

    def subsample(self, most: int) -> Examples:
        """At most `most` examples, evenly spaced; 0 returns all."""
        if not 0 < most < len(self):
            return self
        return self.subset(torch.linspace(0, len(self) - 1, most).long())

    def to(self, device: torch.device) -> Examples:
        """The examples on a device; inputs that are computed per batch stay on the CPU."""
        if isinstance(self.inputs, LazyInputs):
            return self
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))

    def with_right_context(self, right_context: int | None) -> Examples:
        """The examples, with batches cut `right_context` columns behind their longest input (Network.right_context)."""
        return self if right_context == self.right_context else replace(self, right_context=right_context)


def concatenate(sets: Sequence[Examples]) -> Examples:
    """Concatenates sets of examples in order."""
    if len(sets) == 1:
        return sets[0]
    lengths = [examples.lengths for examples in sets if examples.lengths is not None]
    originals = [examples.originals for examples in sets if examples.originals is not None]
    keys = [examples.keys for examples in sets if examples.keys is not None]
    batches = [examples.with_right_context(None)[torch.arange(len(examples))] for examples in sets]  # of full length
    return Examples(
        torch.cat([inputs for inputs, _ in batches]),
        torch.cat([targets for _, targets in batches]),
        [examples.names[i] for examples in sets for i in range(len(examples))],
        torch.cat(lengths) if lengths else None,
        originals=list(chain.from_iterable(originals)) if len(originals) == len(sets) else None,
        keys=list(chain.from_iterable(keys)) if len(keys) == len(sets) else None,
    )


@dataclass
class Data:
    """The loaded data of a domain. Any split may be empty; targets index `labels`, the texts of the targets."""

    train: Examples
    valid: Examples
    test: Examples
    labels: list[str]
    preprocessing: Preprocessing
    bad: list[Bad] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # for the user: rare classes, skipped labels
    extras: dict[str, Tensor] = field(
        default_factory=dict
    )  # tensors for augmentation and initialisation, such as background noise
    given_splits: frozenset[str] = frozenset()  # the splits that the data name ("test", "valid"), not split off here
    target_spec: TargetSpec = field(default_factory=TargetSpec)  # with the task and the columns that the data have

    @property
    def splits(self) -> dict[str, Examples]:
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(examples) for name, examples in self.splits.items()}

    def with_targets(self, table: Tensor, labels: list[str]) -> Data:
        """The data with targets that are rows of `table` (texts, …) instead of indices of texts."""

        def encoded(examples: Examples) -> Examples:
            return replace(examples, targets=table[examples.targets])

        train, valid, test = map(encoded, (self.train, self.valid, self.test))
        return replace(self, train=train, valid=valid, test=test, labels=labels)

    def fingerprint(self) -> str:
        """A hash of names, labels and splits of all examples; a resumed run must have the same."""
        fingerprint = blake2b(repr(self.labels).encode(), digest_size=16)
        for examples in self.splits.values():
            fingerprint.update(digest(examples.names))
            fingerprint.update(examples.targets.numpy().tobytes())
        return fingerprint.hexdigest()


def digest(names: Sequence[str] | LazyNames) -> bytes:
    """The names without their folders, so that a set may be moved."""
    if not isinstance(names, Sequence):
        return names.digest()
    return "\0".join(name.rsplit("/", 1)[-1] for name in names).encode(errors="surrogateescape")


@dataclass(frozen=True)
class DataSpec:
    """The data to load and how they are split; the same in every domain."""

    data: str
    test: str | None = None
    valid: str | None = None
    group_by: str | None = None  # a column of a table, or a regular expression searched in each path
    fold_by: str | None = None  # the same of the folds that the data name: the groups are the folds
    unknown: Literal["stop", "skip"] = "stop"  # for labels that the model does not know
    test_share: float = 0.15  # of all examples, if no test split is given: 150 of 1,000 distinguish 90% from 95%
    valid_share: float | None = None  # of the remaining ones; None is a tenth, at most 2,500 examples; 0 none
    split: int = 0  # seed of the division into splits
    fold: str | None = None  # "2/5": the second of five folds is the test split (core/folded.py)
    exclude: str | None = None  # a table of names of examples to leave out
    max_bad: float = 0.05  # share of unusable files above which loading stops
    targets: TargetSpec = field(default_factory=TargetSpec)  # the columns of the targets, and their task
    options: Mapping[str, Any] = field(default_factory=dict)  # options of the domain
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.group_by is not None and self.fold_by is not None:
            raise Problem("give --group-by or --fold-by, not both: named folds are groups themselves", USAGE)
        if isinstance(self.targets, Mapping):  # of a settings.toml or a card
            object.__setattr__(self, "targets", TargetSpec(**self.targets))
        if (column := self.options.get("label_column")) is not None:  # where older versions kept it
            options = {name: value for name, value in self.options.items() if name != "label_column"}
            object.__setattr__(self, "options", options)
            if not self.targets.columns:
                object.__setattr__(self, "targets", replace(self.targets, columns=(str(column),)))
        for name in ("data", "test", "valid", "exclude"):  # existing paths become absolute; names of data sets stay
            if (path := getattr(self, name)) and os.path.exists(path):
                object.__setattr__(self, name, os.path.abspath(path))

    @property
    def grouping(self) -> str | None:
        """What decides the group of an example."""
        return self.group_by or self.fold_by
