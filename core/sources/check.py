"""The report of a check of data: what would stop training, duplicates, and what would spoil it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..data import Progress
from ..native_output import native_stderr
from ..problem import Bad, Problem
from ..split import SPLITS
from ..targets import TargetSpec
from .content import Content, Kind
from .dataset import label_counts, require_few_bad, require_trainable
from .decoded_rows import add_decoder_remarks, report_progress
from .label_spelling import label_remarks
from .manifest import (
    NAMED,
    Manifest,
    display_bad,
    divide,
    judge_targets,
    order_labels,
    rare_remarks,
    select_known_labels,
    table_hint,
)
from .parallel import Watched, in_parallel
from .source import SampleInfo

UNEVEN = 10  # ratio of the largest class to the smallest: a network may learn to always predict the large one


class CheckedSample(NamedTuple):
    """An example that can be decoded to its end."""

    sample: SampleInfo
    file: str
    split: str
    digest: bytes
    info: Any  # of the domain


class Examined(NamedTuple):
    """An example's digest and information, or None and the reason why it cannot be used."""

    digest: bytes
    info: Any
    reason: str = ""


class CheckedData(NamedTuple):
    """The examples that can be decoded, with their splits; those that cannot; remarks on rare labels."""

    samples: list[CheckedSample]
    bad: list[Bad]
    rare: list[str]  # remarks on labels too rare to divide


def examine_all(
    manifest: Manifest, examine: Callable[[int, Content], Examined], progress: Progress | None
) -> CheckedData:
    """Decodes all examples and assigns the splits that training would assign."""
    good: list[tuple[int, bytes, Any]] = []
    bad = list(manifest.bad)
    with native_stderr() as output:
        watched = Watched(examine, output)
        for count, (index, (digest, info, reason)) in enumerate(in_parallel(manifest.contents(), watched), 1):
            if info is None:
                bad.append(manifest.bad_sample(index, reason))
            else:
                good.append((index, digest, info))
            report_progress(progress, count, len(manifest.samples))
        add_decoder_remarks(manifest, watched)
    good.sort(key=lambda entry: entry[0])
    indices = [index for index, _, _ in good]
    digests = [digest for _, digest, _ in good]
    samples, rare = checked_samples(manifest, indices, digests, [info for _, _, info in good])
    return CheckedData(samples, display_bad(manifest.sources, bad), rare)


def checked_samples(
    manifest: Manifest, indices: Sequence[int], digests: Sequence[bytes], infos: Sequence[Any]
) -> tuple[list[CheckedSample], list[str]]:
    """The samples at `indices` with the splits that training would assign, and remarks on rare labels."""
    samples = [manifest.samples[index] for index in indices]
    splits, rare = divide(manifest, samples, digests)
    names = [manifest.display_name(index) for index in indices]
    remarks = rare_remarks(samples, rare, manifest.kind)
    return list(map(CheckedSample, samples, names, splits, digests, infos)), remarks


def report(
    manifest: Manifest,
    checked: CheckedData,
    facts: Mapping[str, Any],
    refusals: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """The report of any data: counts, splits, bad files and duplicates around the `facts` of the domain.

    Its problems are first those that would stop training (`refusals` of earlier checks among them), then those that
    would spoil it, `warnings` of the domain last.
    """
    kind, spec, samples = manifest.kind, manifest.spec, checked.samples
    texts = Counter(checked_sample.sample.label for checked_sample in samples)
    labels = label_counts(texts, manifest.targets)
    splits = Counter(checked_sample.split for checked_sample in samples)
    copies = duplicates(samples, manifest.targets)
    trained = [entry.sample.label for entry in samples if entry.split == "train"]
    refusals = [*refusals, *refusal(lambda: require_few_bad(checked.bad, len(samples), spec.max_bad))]
    names = [checked_sample.sample.name for checked_sample in samples]
    if samples:
        hint = table_hint(manifest)
        refusals += refusal(lambda: require_trainable(trained, manifest.targets, spec.data, kind, names, hint))
    return {
        "examples": len(samples),
        "task": manifest.task.name,
        "labels": {label: labels[label] for label in order_labels(labels, manifest.label_order)},
        **manifest.task.findings(texts, manifest.targets),
        "splits": {split: splits[split] for split in SPLITS},
        "given": manifest.given_splits,
        **facts,
        "bad": [bad._asdict() for bad in checked.bad],
        "ignored": manifest.ignored.total(),
        "duplicates": copies,
        "problems": [
            *refusals,
            *data_warnings(manifest.task.class_counts(texts, manifest.targets), copies, kind),
            *checked.rare,
            *label_remarks(labels, kind),
            *manifest.task.remarks(texts, manifest.targets),
            *warnings,
        ],
        "remarks": manifest.remarks,
    }


def label_refusals(manifest: Manifest) -> list[str]:
    """The messages with which training would stop because of labels."""
    return refusal(lambda: judge_targets(manifest)) + refusal(lambda: select_known_labels(manifest, None))


def refusal(check: Callable[[], Any]) -> list[str]:
    """The message with which training would stop, if it would."""
    try:
        check()
    except Problem as problem:
        return [str(problem)]
    return []


def duplicates(samples: Sequence[CheckedSample], targets: TargetSpec) -> list[dict[str, Any]]:
    """Groups of examples that are equal byte for byte, within a split or across splits, with one target or several."""
    by_digest: dict[bytes, list[CheckedSample]] = defaultdict(list)
    for sample in samples:
        by_digest[sample.digest].append(sample)
    return [
        {
            "files": [copy.file for copy in copies],
            "across": len({copy.split for copy in copies}) > 1,
            "labels": sorted({targets.readable(copy.sample.label) for copy in copies}),
        }
        for copies in by_digest.values()
        if len(copies) > 1
    ]


def data_warnings(classes: Mapping[str, Counter[str]], copies: Sequence[dict[str, Any]], kind: Kind) -> list[str]:
    """Warnings about data that do not stop training but spoil it; `classes` are the counts of Task.class_counts."""
    warnings = []
    if contradicting := [group for group in copies if len(group["labels"]) > 1]:
        first = contradicting[0]
        names, more = first["labels"][:NAMED], len(first["labels"]) - NAMED
        where = f"{', '.join(first['files'][:NAMED])} as {' and '.join(names)}" + f" and {more} more" * (more > 0)
        target = "label" if "" in classes else "target"
        count = kind.counted(len(contradicting))
        warnings.append(f"{count} with more than one {target}, identical byte for byte: {where}")
    if across := sum(group["across"] for group in copies):
        warnings.append(f"{kind.counted(across)} in more than one split, byte for byte, which inflates the metrics")
    return warnings + [text for head, labels in classes.items() for text in uneven_classes(head, labels, kind)]


def uneven_classes(head: str, labels: Counter[str], kind: Kind) -> list[str]:
    """A warning on classes of which one has many times the examples of another; `head` is "" for the only task."""
    if len(labels) < 2:
        return []
    (largest, most), (smallest, least) = labels.most_common()[0], labels.most_common()[-1]
    if most < UNEVEN * least:
        return []
    return [
        f"the classes{f' of {head}' if head else ''} are uneven: {largest} has {kind.counted(most)}, {smallest} "
        f"{least:,}, {most / least:.0f} times fewer; train with --balance logit (or loss, or sample) if the rare ones "
        "matter as much"
    ]
