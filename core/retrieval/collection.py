"""What features are computed of: a data set with labels and splits, or files that have none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor

from ..data import Data, DataSpec, Progress
from ..inputs import Input
from ..model import Model
from ..problem import DATA, Bad, Problem
from ..stream import Tabular
from .features import BLOCK, FeatureExtractor

SPLITS = ("train", "valid", "test", "all")


@dataclass
class Files:
    """Inputs without labels, read one by one; those that cannot be read are added to `bad`."""

    inputs: list[Input]
    names: list[str]
    bad: list[Bad] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


Collection = Data | Files


class Block(NamedTuple):
    """Some rows of a collection with their features (B, size)."""

    names: list[str]
    labels: list[str]
    splits: list[str]
    features: Tensor


def load(model: Model, spec: DataSpec) -> Collection:
    """The data set in DATA, prepared as the model's training data were; its labels need not be the model's.

    Data without usable labels, such as a folder of photos, are read as files, or as the rows of a table. Raises the
    Problem of the data set if there are none.
    """
    try:
        return model.domain.load(spec, None, model.card.preprocessing)
    except Problem as problem:
        if problem.code != DATA or not os.path.exists(spec.data):
            raise
        if (files := files_in(model, spec)) is None:
            raise
        files.remarks.append(f"no labels are used: {problem}")
        return files


def files_in(model: Model, spec: DataSpec) -> Files | None:
    """The inputs in files, folders or a table, without labels; None if there are none."""
    tabular = model.domain.capability(Tabular)
    try:
        table = tabular.read(spec.data, model.card.preprocessing, spec.options) if tabular else None
        if table is not None:
            inputs = [value for _, value in table.rows]
            names = [f"{spec.data}, row {number}" for number in range(1, len(inputs) + 1)]
            return Files(inputs, names, remarks=list(table.remarks))
        inputs = model.domain.expand_paths([spec.data])
    except Problem:
        return None
    return Files(inputs, [value.name for value in inputs]) if inputs else None


def count(collection: Collection, part: str = "all") -> int:
    """How many rows there are at most."""
    if isinstance(collection, Files):
        return len(collection.inputs)
    return sum(number for split, number in collection.counts.items() if part in (split, "all"))


def blocks(
    extractor: FeatureExtractor, collection: Collection, part: str = "all", progress: Progress | None = None
) -> Iterator[Block]:
    """The rows of a collection, split after split, with their features."""
    total = count(collection, part)
    if isinstance(collection, Files):
        yield from _blocks_of_files(extractor, collection, progress)
        return
    first = 0
    for split, examples in collection.splits.items():
        if part not in (split, "all"):
            continue
        start = 0
        for features in extractor.blocks(examples):
            rows = range(start, start + len(features))
            labels = [collection.labels[target] for target in examples.targets[rows.start : rows.stop].tolist()]
            yield Block([examples.names[row] for row in rows], labels, [split] * len(rows), features)
            start = rows.stop
            if progress:
                progress(first + start, total)
        first += len(examples)


def _blocks_of_files(extractor: FeatureExtractor, files: Files, progress: Progress | None) -> Iterator[Block]:
    results = extractor.of_inputs(files.inputs)
    names = iter(files.names)
    seen_count = 0
    while group := list(islice(zip(names, results, strict=False), BLOCK)):
        rows: list[tuple[str, Tensor]] = []
        for name, (_, result) in group:
            if isinstance(result, Problem):
                files.bad.append(Bad(name, str(result).removeprefix(name).lstrip(": ")))
            else:
                rows.append((name, result))
        if rows:
            kept = [name for name, _ in rows]
            empty = [""] * len(rows)
            yield Block(kept, empty, empty, torch.stack([features for _, features in rows]))
        seen_count += len(group)
        if progress:
            progress(seen_count, len(files.inputs))


def require_rows(collection: Collection, part: str) -> None:
    """Raises Problem if a part of a collection has no examples."""
    if isinstance(collection, Files) and part != "all":
        raise Problem(f"the data have no labels and no splits; leave --part {part} out", DATA)
    if not count(collection, part):
        counts = {} if isinstance(collection, Files) else collection.counts
        listed = ", ".join(f"{number:,} {split}" for split, number in counts.items()) or "none"
        raise Problem(f"there are no {part} examples: found {listed}; name another --part", DATA)
