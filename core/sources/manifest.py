"""The manifest: all examples of DATA, --valid and --test with their labels, groups and splits."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..data import DataSpec
from ..problem import DATA, USAGE, Bad, Problem, did_you_mean
from ..split import split as split_by_key
from ..targets import TargetSpec
from ..tasks import Classify, Task, task_class
from .archive import archives_hint
from .content import Content, Kind, counted
from .fields import first_values, pattern_for
from .folder import walk
from .judge import LabelColumn, judged, refuse_implausible
from .source import DataSource, SampleInfo, SourceManifest, natural
from .split_names import split_in, split_name

VALID = 0.10  # the share for validation of the examples that are not for the test
VALID_ENOUGH = 2500  # examples: they resolve half a per cent; more would be lost to training
NAMED = 5  # files or labels that a message names
TRAINING = "training"  # what does not know a label, in a message; else the model
COLUMN_OPTIONS = {"text_column": "--text-column", "path_column": "--set path_column"}  # of domains


class AssignedSource(NamedTuple):
    """A data source, and the split that the user assigned it to; None divides it."""

    source: DataSource
    split: str | None


BadSample = tuple[int, str, str]  # index of the source, file, reason


@dataclass
class Manifest:
    """All examples of a DataSpec before they are decoded, with their labels and the splits that are given."""

    kind: Kind
    spec: DataSpec
    sources: Sequence[AssignedSource]
    samples: list[SampleInfo] = field(default_factory=list)
    source_indices: list[int] = field(default_factory=list)  # of each sample
    bad: list[BadSample] = field(default_factory=list)
    label_order: list[str] | None = None
    ignored: Counter[str] = field(default_factory=Counter)
    grouped: bool = False
    label_columns: list[LabelColumn | None] = field(default_factory=list)  # of each source
    tables: Sequence[str] = ()  # beside the class folders of DATA, which list their files
    remarks: list[str] = field(default_factory=list)
    targets: TargetSpec = field(default_factory=TargetSpec)  # with their task, once `judge_targets` has decided it
    source_targets: TargetSpec | None = None  # where DATA itself decides them

    @property
    def task(self) -> type[Task]:
        return task_class(self.targets.task or Classify.name)

    @property
    def given_splits(self) -> list[str]:
        return sorted({sample.split for sample in self.samples if sample.split in ("valid", "test")})

    def contents(self, only: Collection[int] | None = None) -> Iterator[tuple[int, Content]]:
        """The content of every sample with its index, one source after the other; `only` selects samples."""
        for number, (source, _) in enumerate(self.sources):
            indices = [
                index
                for index, source_index in enumerate(self.source_indices)
                if source_index == number and (only is None or index in only)
            ]
            for position, content in source.contents([self.samples[index] for index in indices]):
                yield indices[position], content

    def display_name(self, index: int) -> str:
        """The name of a sample in results and messages."""
        return self.sources[self.source_indices[index]].source.display_name(self.samples[index].name)

    def bad_sample(self, index: int, reason: str) -> BadSample:
        return self.source_indices[index], self.samples[index].name, reason


def assigned_sources(spec: DataSpec, open_source: Callable[[str, str | None], DataSource]) -> list[AssignedSource]:
    """DATA, and the sources of --valid and --test; `open_source` gets a path and its split."""
    paths = ((spec.data, None), (spec.valid, "valid"), (spec.test, "test"))
    for path, _ in paths:
        require_file_or_folder(path)
    return [AssignedSource(open_source(path, split), split) for path, split in paths if path is not None]


def require_file_or_folder(path: str | None) -> None:
    """Raises Problem for a device, a pipe or a socket, which may never end."""
    if path is not None and os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise Problem(f"{path} is neither a file nor a folder; expected data on a disk", DATA)


def scan(sources: Sequence[AssignedSource], spec: DataSpec, kind: Kind) -> Manifest:
    """Lists the examples of all sources. Raises Problem for a source without any."""
    manifest = Manifest(kind, spec, sources)
    for number, (source, split) in enumerate(sources):
        listed = source.scan(spec.grouping)
        if not listed.samples and not listed.bad:
            raise no_samples(source.location, listed, kind)
        samples = samples_for(listed.samples, split) if split else samples_besides(listed.samples, manifest)
        manifest.samples += samples
        manifest.source_indices += [number] * len(samples)
        manifest.bad += [(number, *bad) for bad in listed.bad]
        manifest.ignored += listed.ignored
        manifest.label_order = manifest.label_order or listed.label_order
        manifest.grouped |= listed.grouped
        manifest.label_columns.append(listed.label_column)
        manifest.tables = manifest.tables or (listed.tables if split is None else ())
        manifest.remarks += listed.remarks
        manifest.source_targets = manifest.source_targets or (listed.targets if split is None else None)
        if listed.outside:
            manifest.remarks.append(f"left out {kind.counted(len(listed.outside))} outside any class folder")
    if manifest.ignored:
        manifest.remarks.append(f"left out {describe_ignored(manifest.ignored, kind)}")
    return manifest


def no_samples(location: str, listed: SourceManifest, kind: Kind) -> Problem:
    if listed.outside:
        held = f"{kind.counted(len(listed.outside))} but no folder per class"
    elif listed.ignored:
        held = f"no {kind.noun}s, only {describe_ignored(listed.ignored, kind)}"
    else:
        held = "nothing"
    names = walk(Path(location))[0] if os.path.isdir(location) else []
    hint = archives_hint(location, names) or pattern_hint(listed.outside, kind)
    return Problem(f"{location} holds {held}; expected {kind.expected}{hint}", DATA)


def pattern_hint(names: Sequence[str], kind: Kind) -> str:
    """The --pattern that would give files of one folder several labels, as the end of a message."""
    pattern = pattern_for(names) if kind.patterns and names else None
    if pattern is None:
        return ""
    text, labels = pattern
    more = ", …" if len(labels) > NAMED else ""
    return f"; if their names hold the label: --pattern '{text}' gives {', '.join(labels[:NAMED])}{more}"


def table_hint(manifest: Manifest) -> str:
    """The table beside class folders that lists their files, as the end of a message."""
    if not manifest.tables:
        return ""
    name = next((name for name in manifest.tables if split_in(name)[0] == "train"), manifest.tables[0])
    return f"; {name} lists these {manifest.kind.noun}s: name it as the data, {os.path.join(manifest.spec.data, name)}"


def describe_ignored(endings: Counter[str], kind: Kind) -> str:
    most = ", ".join(f"{count:,} {ending}" for ending, count in endings.most_common(NAMED))
    return f"{counted(endings.total(), 'file')} without the ending of a {kind.noun} ({most})"


def samples_for(samples: list[SampleInfo], split: str) -> list[SampleInfo]:
    """The samples of a source given for a split: all of them, or those of that split if it has splits itself."""
    matching = [sample for sample in samples if sample.split == split]
    return [sample._replace(split=split) for sample in matching or samples]


def samples_besides(samples: list[SampleInfo], manifest: Manifest) -> list[SampleInfo]:
    """The samples of DATA, without those of a split that is given as a source of its own."""
    spec, kind = manifest.spec, manifest.kind
    for split, replacement in (("valid", spec.valid), ("test", spec.test)):
        remaining = [sample for sample in samples if sample.split != split]
        if replacement is not None and len(remaining) < len(samples):
            unused = kind.counted(len(samples) - len(remaining))
            manifest.remarks.append(f"{unused} for {split} in {spec.data} not used: {replacement} was given")
            samples = remaining
    splits = {sample.split for sample in samples}
    if "valid" in splits and "test" not in splits and spec.test is None and spec.valid is None:
        manifest.remarks.append(
            "no test split: its validation split is used as the test split, and a new one is split off training"
        )
        return [sample._replace(split="test") if sample.split == "valid" else sample for sample in samples]
    if "valid" in splits and spec.valid_share == 0:
        count = kind.counted(sum(sample.split == "valid" for sample in samples))
        manifest.remarks.append(f"trained on {count} for validation in {spec.data} too: --valid-share 0")
        return [sample._replace(split="train") if sample.split == "valid" else sample for sample in samples]
    return samples


def judge_targets(manifest: Manifest, is_training: bool = True) -> None:
    """Decides the task of the targets, and leaves out examples whose target is none for it: see judge.py.

    Raises Problem if the labels of training are not plausible as such. The targets of a model are not judged.
    """
    spec = manifest.spec.targets
    labels, column = training_targets(manifest)
    if manifest.source_targets is not None:
        refuse_table_options(manifest)
        manifest.targets = manifest.source_targets
    elif is_training:
        if column is None or not column.option:
            refuse_table_options(manifest)
        manifest.targets, remark = judged(labels, column, spec, manifest.spec.data)
        manifest.remarks += [remark] * bool(remark)
    else:
        manifest.targets = spec.resolved(spec.task or Classify.name, spec.columns)
    if manifest.targets.label_names and manifest.task is Classify:
        name_labels(manifest)
    leave_out_refused(manifest)
    if is_training and spec.task is None and manifest.task is Classify:
        names = [sample.name for sample in manifest.samples if split_name(sample.label) == "train"]
        hint = pattern_hint(names, manifest.kind) + table_hint(manifest)
        refuse_implausible(labels, column, manifest.spec.data, manifest.kind, hint, bool(manifest.tables))
        if listed := table_hint(manifest).removeprefix("; "):
            manifest.remarks.append(f"{listed}, if its columns are the targets")


def refuse_table_options(manifest: Manifest) -> None:
    """Raises Problem if an option names a column, for data that are no table."""
    spec = manifest.spec
    named = [(flag, spec.options.get(name)) for name, flag in COLUMN_OPTIONS.items()]
    if options := spec.targets.table_options + [f"{flag} {value}" for flag, value in named if value is not None]:
        advice = f"name a table, or leave it out{table_hint(manifest)}"
        raise Problem(f"{options[0]} is for a table, and {spec.data} is none; {advice}", USAGE)


def name_labels(manifest: Manifest) -> None:
    """Replaces labels that are numbers by their names."""
    names = dict(enumerate(manifest.targets.label_names))
    manifest.samples = [
        sample._replace(label=names.get(int(sample.label), sample.label)) if sample.label.isdecimal() else sample
        for sample in manifest.samples
    ]
    manifest.label_order = list(names.values())


def leave_out_refused(manifest: Manifest) -> None:
    """Moves the samples whose target the task cannot take to the bad ones."""
    task, targets = manifest.task, manifest.targets
    reasons = {text: task.refusal(text, targets) for text in {sample.label for sample in manifest.samples}}
    refused = [index for index, sample in enumerate(manifest.samples) if reasons[sample.label]]
    manifest.bad += [manifest.bad_sample(index, reasons[manifest.samples[index].label]) for index in refused]
    keep(manifest, [index for index, sample in enumerate(manifest.samples) if not reasons[sample.label]])


def keep(manifest: Manifest, indices: Sequence[int]) -> None:
    """Removes all samples but those at `indices`."""
    manifest.samples = [manifest.samples[index] for index in indices]
    manifest.source_indices = [manifest.source_indices[index] for index in indices]


def training_targets(manifest: Manifest) -> tuple[Counter[str], LabelColumn | None]:
    """The texts of the targets of training in DATA, and where they stand."""
    labels: Counter[str] = Counter()
    columns: list[LabelColumn | None] = []
    for number, (_, split) in enumerate(manifest.sources):
        if split is None:
            labels.update(
                sample.label
                for sample, source_index in zip(manifest.samples, manifest.source_indices, strict=True)
                if source_index == number and sample.split in (None, "train")
            )
            columns.append(manifest.label_columns[number])
    return labels, columns[0] if columns else None


def select_known_labels(manifest: Manifest, labels: Sequence[str] | None) -> list[str]:
    """Removes or refuses samples with unknown labels; returns the known ones, those of training or of a model."""
    known = list(labels) if labels is not None else training_labels(manifest)
    known_set = set(known)
    names_of = {text: labels_in(manifest, text) for text in {sample.label for sample in manifest.samples}}
    unknown = Counter(
        label for sample in manifest.samples for label in names_of[sample.label] if label not in known_set
    )
    if not unknown or not known:
        return known
    kept = [
        index
        for index, sample in enumerate(manifest.samples)
        if not names_of[sample.label] or known_set & set(names_of[sample.label])
    ]
    if manifest.spec.unknown != "skip" or not kept:
        raise unknown_labels(unknown, known, TRAINING if labels is None else "the model", manifest.kind)
    left_out = len(manifest.samples) - len(kept)
    keep(manifest, kept)
    names = ", ".join(sorted(unknown, key=natural)[:NAMED])
    if left_out:
        manifest.remarks.append(f"left out {manifest.kind.counted(left_out)} with a label that is not known: {names}")
    else:
        manifest.remarks.append(f"left labels that are not known out of {manifest.kind.noun}s with others: {names}")
    return known


def labels_in(manifest: Manifest, text: str) -> list[str]:
    """The names of labels in the text of a target."""
    return manifest.task.labels_in(text, manifest.targets)


def training_labels(manifest: Manifest) -> list[str]:
    texts = {sample.label for sample in manifest.samples if sample.split in (None, "train")}
    return order_labels({label for text in texts for label in labels_in(manifest, text)}, manifest.label_order)


def order_labels(labels: Iterable[str], order: Sequence[str] | None) -> list[str]:
    """Labels in their official order if they have one, else in natural order."""
    rank = {label: index for index, label in enumerate(order or ())}
    return sorted(labels, key=lambda label: (rank.get(label, len(rank)), natural(label)))


def unknown_labels(unknown: Counter[str], known: Sequence[str], knower: str, kind: Kind) -> Problem:
    """A Problem that names the labels that `knower`, training or the model, does not know."""
    ordered = sorted(unknown, key=natural)
    names = ", ".join(f"{label} ({kind.counted(unknown[label])})" for label in ordered[:NAMED])
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    noun = "label" if len(unknown) == 1 else "labels"
    advice = did_you_mean(ordered[0], known)
    if knower == TRAINING and all(label.rpartition(" ")[2].isdecimal() for label in unknown):
        advice = "; if they are numbers to predict, name the task: --task regress or --label-column NAME:regress"
    return Problem(
        f"{knower} does not know the {noun} {names}; it knows {', '.join(known[:20])}{more}{advice}; "
        f"--unknown skip leaves such {kind.noun}s out",
        DATA,
    )


def assign_groups(manifest: Manifest) -> None:
    """Assigns each sample its group, which stays in one split: a column, or a match in its name."""
    group_by = manifest.spec.grouping
    if group_by is None or manifest.grouped:
        return
    option = f"--{'group' if manifest.spec.group_by else 'fold'}-by {group_by}"
    try:
        pattern = re.compile(group_by)
    except (re.error, OverflowError, RecursionError) as error:
        raise Problem(f"{option} is not a regular expression: {error}", USAGE) from error
    names = [manifest.display_name(index) for index in range(len(manifest.samples))]
    matches = [pattern.search(name) for name in names]
    if not any(matches):
        example = f" such as {names[0]}" if names else ""
        raise Problem(f"{option} is no column of a table, and in no path{example}", USAGE)
    groups = [(match[1] if pattern.groups else match[0]) if match else None for match in matches]
    manifest.samples = [sample._replace(group=group) for sample, group in zip(manifest.samples, groups, strict=True)]


def divide(manifest: Manifest, samples: Sequence[SampleInfo], digests: Sequence[bytes]) -> tuple[list[str], list[str]]:
    """The split of each sample of a manifest, and the labels too rare to divide."""
    classes = manifest.task.strata([sample.label for sample in samples], manifest.targets)
    splits, rare = assign_splits(samples, digests, manifest.spec, classes)
    return splits, rare if manifest.task.has_label_texts else []


def rare_remarks(samples: Sequence[SampleInfo], rare: Sequence[str], kind: Kind) -> list[str]:
    """What is said of classes that are too rare to divide: of one example, or of one group or content."""
    counts = Counter(sample.label for sample in samples if sample.split in (None, "train"))
    single = [label for label in rare if counts[label] < 2]
    alike = [label for label in rare if counts[label] > 1]
    remarks = [f"classes with a single {kind.noun}, which stays in training: {first_values(single)}"] if single else []
    if alike:
        remarks.append(f"classes of one group or one content, which stay in training: {first_values(alike)}")
    return remarks


def assign_splits(
    samples: Sequence[SampleInfo], digests: Sequence[bytes], spec: DataSpec, classes: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """The split of each sample, as given or by its group or content, and the classes too rare to divide.

    A class is a label, unless `classes` has another one for each sample.
    """
    classes = [sample.label for sample in samples] if classes is None else classes
    salt = str(spec.split).encode() if spec.split else b""
    keys = [
        salt + (sample.group.encode("utf-8", "surrogateescape") if sample.group else digest)
        for sample, digest in zip(samples, digests, strict=True)
    ]
    splits = [sample.split or "train" for sample in samples]
    free = [index for index, split in enumerate(splits) if split == "train"]
    test = 0.0 if "test" in splits else spec.test_share
    share = valid_share(len(free) * (1 - test)) if spec.valid_share is None else spec.valid_share
    valid = 0.0 if "valid" in splits else share * (1 - test)
    assigned, rare = split_by_key([keys[index] for index in free], [classes[index] for index in free], valid, test)
    for index, split in zip(free, assigned, strict=True):
        splits[index] = split
    return splits, rare


def split_settings(spec: DataSpec) -> tuple[object, ...]:
    """The settings that decide the split of an example besides the example itself: a part of the key of a cache."""
    return spec.grouping, spec.test_share, spec.valid_share, spec.split


def valid_share(examples: float) -> float:
    return min(VALID, VALID_ENOUGH / examples) if examples else VALID


def display_bad(sources: Sequence[AssignedSource], bad: Sequence[BadSample]) -> list[Bad]:
    return [Bad(sources[number].source.display_name(name), reason) for number, name, reason in bad]
