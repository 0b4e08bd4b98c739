"""From decoded examples to Data, and the reasons why examples cannot be trained or evaluated on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..data import Data, DataSpec, Examples, Preprocessing
from ..problem import DATA, Bad, Problem
from ..split import SPLITS
from .cache import Entry, Index
from .content import Kind, counted
from .label_spelling import label_remarks
from .manifest import (
    NAMED,
    AssignedSource,
    BadSample,
    Manifest,
    assign_groups,
    display_bad,
    pattern_hint,
    refuse_implausible_labels,
    scan,
    select_known_labels,
    unknown_labels,
)


def scan_usable(
    sources: Sequence[AssignedSource], spec: DataSpec, labels: Sequence[str] | None, kind: Kind
) -> Manifest:
    """The manifest of the examples to decode; everything that can be refused before decoding is refused here."""
    manifest = scan(sources, spec, kind)
    bad = display_bad(sources, manifest.bad)
    if not manifest.samples:
        raise none_usable(manifest, [])
    require_few_bad(bad, len(manifest.samples), spec.max_bad)
    if labels is None:
        refuse_implausible_labels(manifest)
        manifest.remarks += label_remarks(Counter(sample.label for sample in manifest.samples), kind)
    known = select_known_labels(manifest, labels)
    if labels is None:
        count = sum(sample.split in (None, "train") for sample in manifest.samples)
        require_trainable(known, count, spec.data, kind, [sample.name for sample in manifest.samples])
    assign_groups(manifest)
    return manifest


def to_data(
    spec: DataSpec,
    labels: Sequence[str] | None,
    sources: Sequence[AssignedSource],
    entry: Entry,
    preprocessing: Preprocessing,
    kind: Kind,
    remarks: Sequence[str] = (),
) -> Data:
    """The decoded examples as Data, their targets matched to `labels` by name. Raises Problem if they are unusable."""
    index, arrays = entry
    bad = display_bad(sources, index.bad)
    require_few_bad(bad, len(index.names), spec.max_bad)
    known = index.labels if labels is None else labels
    targets = torch.tensor(match_targets(index, known, kind))
    if labels is None:
        require_trainable(labels_in_training(index), index.splits["train"], spec.data, kind, index.names)
        require_trained_labels(index, kind)
    names = [sources[number].source.display_name(name) for number, name in zip(index.sources, index.names, strict=True)]
    lengths = torch.from_numpy(arrays["lengths"]) if "lengths" in arrays else None
    train, valid, test = slice_splits(torch.from_numpy(arrays["inputs"]), targets, names, index.splits, lengths)
    remarks = [*remarks, *index.remarks]
    given_splits = frozenset(index.given_splits)
    return Data(train, valid, test, list(known), preprocessing, bad, remarks, given_splits=given_splits)


def require_few_bad(bad: Sequence[Bad], good: int, most: float) -> None:
    """Raises Problem if the share of unusable files exceeds `most`."""
    if len(bad) > most * (len(bad) + good):
        total = counted(len(bad) + good, "file")
        raise Problem(
            f"{len(bad):,} of {total} cannot be used, more than --max-bad {most:.0%}: {first_reasons(bad)}", DATA
        )


def none_usable(manifest: Manifest, bad: Sequence[BadSample]) -> Problem:
    """A Problem for a set whose files are all bad: those of the manifest, and `bad` ones found while decoding."""
    reasons = display_bad(manifest.sources, [*manifest.bad, *bad])
    return Problem(
        f"not one of {counted(len(reasons), 'file')} in {manifest.spec.data} can be used: {first_reasons(reasons)}",
        DATA,
    )


def first_reasons(bad: Sequence[Bad]) -> str:
    """The first few bad files with their reasons."""
    return "; ".join(f"{file} {reason}" for file, reason in bad[:NAMED]) + ("; ..." if len(bad) > NAMED else "")


def match_targets(index: Index, known: Sequence[str], kind: Kind) -> list[int]:
    """The target of each example: the index of its label among the known ones."""
    target_of = {label: target for target, label in enumerate(known)}
    labels = [index.labels[target] for target in index.targets]
    if unknown := Counter(label for label in labels if label not in target_of):
        raise unknown_labels(unknown, known, "the model", kind)
    return [target_of[label] for label in labels]


def labels_in_training(index: Index) -> list[str]:
    return [index.labels[target] for target in sorted(set(index.targets[: index.splits["train"]]))]


def require_trained_labels(index: Index, kind: Kind) -> None:
    """Refuses a label whose training examples are all unusable, while others are to be evaluated."""
    trained = labels_in_training(index)
    unknown = Counter(index.labels[target] for target in index.targets if index.labels[target] not in trained)
    if unknown:
        raise unknown_labels(unknown, trained, "training", kind)


def require_trainable(labels: Sequence[str], count: int, location: str, kind: Kind, names: Sequence[str] = ()) -> None:
    """Refuses data without training examples, or with a single class; `names` of files may show how to part them."""
    if not count:
        raise Problem(f"{location} holds no {kind.noun}s for training; expected {kind.expected}", DATA)
    if len(labels) < 2:
        raise Problem(
            f"{location} holds one class, {labels[0]} ({kind.counted(count)}); expected two or more: "
            f"give each class a folder (or a label) of its own{pattern_hint(names, kind)}",
            DATA,
        )


def slice_splits(
    inputs: Tensor, targets: Tensor, names: Sequence[str], counts: Mapping[str, int], lengths: Tensor | None = None
) -> list[Examples]:
    """Training, validation and test examples: ranges of one array."""
    examples, start = [], 0
    for split in SPLITS:
        end = start + counts[split]
        split_lengths = None if lengths is None else lengths[start:end]
        examples.append(Examples(inputs[start:end], targets[start:end], names[start:end], split_lengths))
        start = end
    return examples
