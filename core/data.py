"""Examples as compact arrays, the splits that a domain loads, and where examples come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Literal

import torch
from torch import Tensor

from .lazy import LazyInputs, LazyNames
from .problem import Bad

Progress = Callable[[int, int | None], object]  # called with the number of files read, and of all files if known
ROUND = 8  # columns: a batch's width is a multiple of it, so that few different widths occur
SPLIT_FIELDS = ("group_by", "test_share", "valid_share", "split")  # the fields of DataSpec that decide the splits
Preprocessing = dict[str, Any]  # what the frontend and `read` depend on; JSON, stored in the model file


@dataclass
class Examples:
    """Inputs as compact as the domain keeps them, and their targets: arrays that an index tensor picks a batch from."""

    inputs: Tensor | LazyInputs  # (N, ...) uint8, int16 or int32; resident, memory-mapped, or computed for each batch
    targets: Tensor  # (N,) int64
    names: Sequence[str] | LazyNames  # where each example came from, for people
    lengths: Tensor | None = None  # (N,) int64, on the CPU: how much of each input is there; the rest is padding
    right_context: int | None = None  # padding that stays behind the longest of a batch; None keeps every batch whole

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The batch at `indices`, on the device where the arrays are, cut behind its longest where it may be."""
        inputs, there = self.inputs, indices.to(self.targets.device, non_blocking=True)
        if self.lengths is not None and self.right_context is not None and len(indices):
            assert isinstance(inputs, Tensor), "what is computed is of one length"
            longest = int(self.lengths[indices.cpu()].max())
            inputs = inputs[..., : -(-(longest + self.right_context) // ROUND) * ROUND]
        return inputs.index_select(0, there), self.targets.index_select(0, there)

    def subset(self, indices: Tensor) -> Examples:
        """The examples at `indices`, as a set of their own."""
        lengths = None if self.lengths is None else self.lengths[indices]
        inputs, targets = self.with_right_context(None)[indices]  # whole, however short those at `indices` are
        return Examples(inputs, targets, [self.names[i] for i in indices.tolist()], lengths, self.right_context)

    def subsample(self, most: int) -> Examples:
        """At most so many of them, from all parts of the set alike; 0 takes all."""
        if not 0 < most < len(self):
            return self
        return self.subset(torch.linspace(0, len(self) - 1, most).long())

    def to(self, device: torch.device) -> Examples:
        """The same on a device; what is computed for each batch stays where that is done."""
        if isinstance(self.inputs, LazyInputs):
            return self
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))

    def with_right_context(self, right_context: int | None) -> Examples:
        """The same, each batch cut `margin` columns behind its longest input (Network.right_context)."""
        return self if right_context == self.right_context else replace(self, right_context=right_context)


def concatenate(parts: Sequence[Examples]) -> Examples:
    """Several sets of examples as one, in order."""
    if len(parts) == 1:
        return parts[0]
    lengths = [part.lengths for part in parts if part.lengths is not None]
    whole = [part.with_right_context(None)[torch.arange(len(part))] for part in parts]  # each of its full length
    return Examples(
        torch.cat([inputs for inputs, _ in whole]),
        torch.cat([targets for _, targets in whole]),
        [part.names[i] for part in parts for i in range(len(part))],
        torch.cat(lengths) if lengths else None,
    )


@dataclass
class Data:
    """What a domain makes of files. Any part may be empty; targets index `labels`."""

    train: Examples
    valid: Examples
    test: Examples
    labels: list[str]
    preprocessing: Preprocessing
    bad: list[Bad] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # what a person should know: rare classes, skipped labels
    extras: dict[str, Tensor] = field(default_factory=dict)  # what augmentation and a beginning draw from: noise
    given: frozenset[str] = frozenset()  # the parts that came as such ("test", "valid"), not split off by us

    @property
    def parts(self) -> dict[str, Examples]:
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(part) for name, part in self.parts.items()}

    def fingerprint(self) -> str:
        """The same for the same examples with the same labels in the same parts: what a resumed run insists on."""
        told = blake2b(repr(self.labels).encode(), digest_size=16)
        for part in self.parts.values():
            told.update(digest(part.names))
            told.update(part.targets.numpy().tobytes())
        return told.hexdigest()


def digest(names: Sequence[str] | LazyNames) -> bytes:
    """What names say, wherever the set now lies."""
    if not isinstance(names, Sequence):
        return names.digest()
    return "\0".join(name.rsplit("/", 1)[-1] for name in names).encode(errors="surrogateescape")


@dataclass(frozen=True)
class DataSpec:
    """Where examples come from and how they are divided; the same in every domain."""

    data: str
    test: str | None = None
    valid: str | None = None
    group_by: str | None = None  # a column of a table, or a regular expression searched in each path
    unknown: Literal["stop", "skip"] = "stop"  # a label that the model does not know
    test_share: float = 0.15  # what is kept for the test where none is given: 150 of 1,000 tell 90% from 95%
    valid_share: float | None = None  # of the rest, for validation; None is a tenth, 2,500 examples at most; 0 none
    split: int = 0  # another number divides otherwise
    max_bad: float = 0.05  # share of unusable files above which nothing starts
    options: Mapping[str, Any] = field(default_factory=dict)  # what only this domain understands
    progress: Progress | None = None

    def __post_init__(self) -> None:
        for name in ("data", "test", "valid"):  # a path that is there counts from anywhere; a name stays as it is
            if (path := getattr(self, name)) and os.path.exists(path):
                object.__setattr__(self, name, os.path.abspath(path))
