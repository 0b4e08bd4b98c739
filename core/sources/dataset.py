"""From decoded examples to Data, and the reasons why examples cannot be trained or evaluated on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..data import GROUP_KEY, Data, DataSpec, Examples, Preprocessing
from ..problem import DATA, Bad, Problem
from ..split import SPLITS
from ..targets import TargetSpec
from ..tasks import Classify, task_class
from .cache import Entry, Index
from .content import Kind, counted
from .exclude import leave_out
from .label_spelling import label_remarks
from .manifest import (
    NAMED,
    TRAINING,
    AssignedSource,
    BadSample,
    Manifest,
    assign_groups,
    display_bad,
    judge_targets,
    pattern_hint,
    scan,
    select_known_labels,
    table_hint,
    unknown_labels,
)


def scan_usable(
    sources: Sequence[AssignedSource], spec: DataSpec, labels: Sequence[str] | None, kind: Kind
) -> Manifest:
    """The manifest of the examples to decode; everything that can be refused before decoding is refused here."""
    manifest = scan(sources, spec, kind)
    if spec.exclude is not None:
        leave_out(manifest, spec.exclude)
    judge_targets(manifest, labels is None)
    bad = display_bad(sources, manifest.bad)
    if not manifest.samples:
        raise none_usable(manifest, [])
    require_few_bad(bad, len(manifest.samples), spec.max_bad)
    if labels is None:
        texts = Counter(sample.label for sample in manifest.samples)
        manifest.remarks += label_remarks(label_counts(texts, manifest.targets), kind)
        manifest.remarks += manifest.task.remarks(texts, manifest.targets)
    select_known_labels(manifest, labels)
    if labels is None:
        training = [sample.label for sample in manifest.samples if sample.split in (None, "train")]
        names = [sample.name for sample in manifest.samples]
        require_trainable(training, manifest.targets, spec.data, kind, names, table_hint(manifest))
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
    target_spec = TargetSpec(**index.target_spec)
    bad = display_bad(sources, index.bad)
    require_few_bad(bad, len(index.names), spec.max_bad)
    known = labels if labels and task_class(target_spec.task or Classify.name).has_label_texts else index.labels
    targets = torch.tensor(match_targets(index, known, kind))
    if labels is None:
        require_trainable(labels_in_training(index), target_spec, spec.data, kind, index.names)
        if spec.unknown != "skip" or task_class(target_spec.task or Classify.name).has_label_texts:
            require_trained_labels(index, target_spec, kind)
    names = [sources[number].source.display_name(name) for number, name in zip(index.sources, index.names, strict=True)]
    lengths = torch.from_numpy(arrays["lengths"]) if "lengths" in arrays else None
    train, valid, test = slice_splits(torch.from_numpy(arrays["inputs"]), targets, names, index.splits, lengths)
    groups = [f"{GROUP_KEY}{group}" if group else "" for group in index.groups]
    keys, start = [group or digest for group, digest in zip(groups, index.digests, strict=True)], 0
    for examples in (train, valid, test):
        examples.keys = keys[start : start + len(examples)]
        start += len(examples)
    remarks = [*remarks, *index.remarks]
    given_splits = frozenset(index.given_splits)
    return Data(
        *(train, valid, test, list(known), preprocessing, bad, remarks),
        given_splits=given_splits,
        target_spec=target_spec,
    )


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
    """The texts of the targets of all training examples."""
    return [index.labels[target] for target in index.targets[: index.splits["train"]]]


def label_counts(texts: Mapping[str, int], targets: TargetSpec) -> Counter[str]:
    """The number of examples with each label, from the number with each text of a target."""
    task = task_class(targets.task or Classify.name)
    counts: Counter[str] = Counter()
    for text, count in texts.items():
        counts.update(dict.fromkeys(task.labels_in(text, targets), count))
    return counts


def require_trained_labels(index: Index, targets: TargetSpec, kind: Kind) -> None:
    """Refuses a label whose training examples are all unusable, while others are to be evaluated."""
    trained = label_counts(Counter(labels_in_training(index)), targets)
    all_labels = label_counts(Counter(index.labels[target] for target in index.targets), targets)
    if unknown := Counter({label: count for label, count in all_labels.items() if label not in trained}):
        raise unknown_labels(unknown, list(trained), TRAINING, kind)


def require_trainable(
    texts: Sequence[str],
    targets: TargetSpec,
    location: str,
    kind: Kind,
    names: Sequence[str] = (),
    hint: str = "",
) -> None:
    """Refuses data whose training targets, as texts, leave nothing to learn.

    `names` of files may show how to part those of a single class; `hint` says where else labels may stand.
    """
    if not texts:
        raise Problem(f"{location} holds no {kind.noun}s for training; expected {kind.expected}", DATA)
    task = task_class(targets.task or Classify.name)
    if reason := task.untrainable(texts, targets):
        raise Problem(f"{location}: {reason}", DATA)
    if task.has_label_texts and len(set(texts)) < 2:
        raise Problem(
            f"{location} holds one class, {texts[0]} ({kind.counted(len(texts))}); expected two or more: "
            f"give each class a folder (or a label) of its own{hint or pattern_hint(names, kind)}",
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
