"""The data sources of speech: what DATA, --test and --valid may be."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from ..core.data import DataSpec
from ..core.problem import DATA, Problem
from ..core.sources.archive import ENDINGS as ARCHIVES
from ..core.sources.expand import missing
from ..core.sources.fields import Condition, assign_split
from ..core.sources.file_source import FileSource, open_files
from ..core.sources.layout import split_path, visible
from ..core.sources.manifest import AssignedSource, Manifest, assigned_sources
from ..core.sources.source import SampleInfo, SourceManifest
from ..core.sources.split_names import SPLIT_PURPOSES
from ..core.sources.table import is_table
from .audio import RECORDINGS
from .options import Options

NOISE = "_background_noise_"  # the folder of background noise in Speech Commands, which is no class
LISTS = {"testing_list.txt": "test", "validation_list.txt": "valid"}  # splits of Speech Commands: a path in each line


class Recordings(FileSource):
    """Recordings in a folder, an archive or a table: in class folders, named by a pattern, or Speech Commands.

    `divides` is True for DATA itself, which conditions such as --test-where divide.
    """

    def __init__(self, path: str, options: Options, divides: bool) -> None:
        files, table = open_files(path)
        super().__init__(files, RECORDINGS, options.table, table, spans=True, naming=options.file_naming)
        self.settings, self.divides = options, divides

    def relevant_names(self) -> Iterator[str]:
        yield from super().relevant_names()
        if not self.tables():
            yield from self.lists()

    def scan(self, group_by: str | None) -> SourceManifest:
        if tables := self.tables():
            manifest = self.scan_tables(tables, group_by)
        else:
            manifest = self.scan_names(group_by)
            manifest.samples = assign_listed(manifest.samples, self.listed_splits())
            if lists := self.lists():
                uses = (f"{name} for {SPLIT_PURPOSES[LISTS[split_path(name)[-1]]]}" for name in lists)
                manifest.remarks.append(f"split: {', '.join(uses)}")
        if self.divides:
            manifest.samples = self.divide(manifest.samples)
            if not manifest.grouped and group_by is None and any(sample.span for sample in manifest.samples):
                # Parts of one recording stay in one split.
                manifest.samples = [sample._replace(group=sample.name) for sample in manifest.samples]
                manifest.grouped = True
        return manifest

    def lists(self) -> list[str]:
        """The lists of Speech Commands among the files."""
        return [name for name in visible(self.files.names) if split_path(name)[-1] in LISTS]

    def used_names(self) -> set[str]:
        return {*self.lists(), *self.noise()}

    def is_example(self, name: str) -> bool:
        return super().is_example(name) and not is_noise(name)

    def listed_splits(self) -> dict[str, str]:
        """The split of each recording that a list names, by its path."""
        splits: dict[str, str] = {}
        for name in self.lists():
            path = PurePosixPath(name.replace("\\", "/"))
            content = self.content_of(name)
            assert isinstance(content, bytes)
            lines = content.decode("utf-8-sig", errors="replace").splitlines()
            paths = [line.strip().replace("\\", "/") for line in lines if line.strip()]
            splits |= {str(path.parent / listed): LISTS[path.name] for listed in paths}
        return splits

    def divide(self, samples: list[SampleInfo]) -> list[SampleInfo]:
        """Moves samples to the splits that --valid-where and --test-where assign."""
        conditions: tuple[tuple[Condition | None, str], ...]
        conditions = ((self.settings.valid_where, "valid"), (self.settings.test_where, "test"))
        for condition, split in conditions:
            if condition is None or not samples or (self.settings.lenient and not applies(condition, samples)):
                continue
            samples = [sample._replace(split="train") if sample.split == split else sample for sample in samples]
            samples = assign_split(samples, condition, split)
        return samples

    def noise(self) -> list[str]:
        """The recordings in the folder of background noise."""
        if self.tables():
            return []
        return [name for name in sorted(visible(self.files.names)) if is_noise(name) and RECORDINGS.named(name)]


def is_noise(name: str) -> bool:
    return NOISE in PurePosixPath(name.replace("\\", "/")).parts[:-1]


def assign_listed(samples: list[SampleInfo], splits: dict[str, str]) -> list[SampleInfo]:
    """Assigns the splits of the lists, training to all others; without lists, the samples stay as they are."""
    if not splits:
        return samples
    paths = [str(PurePosixPath(sample.name.replace("\\", "/"))) for sample in samples]
    return [sample._replace(split=splits.get(path, "train")) for sample, path in zip(samples, paths, strict=True)]


def applies(condition: Condition, samples: Sequence[SampleInfo]) -> bool:
    """Returns True if a condition remembered by a model divides these samples."""
    try:
        assign_split(samples, condition, "test")
    except Problem:
        return False
    return True


def open_sources(spec: DataSpec, options: Options) -> list[AssignedSource]:
    """DATA, and the sources of --valid and --test."""
    from .events import source as events  # which extends the source of this file

    def source(path: str, split: str | None) -> Recordings:
        divides, task = split is None, spec.targets.task
        if task == events.TASK or (task is None and not options.pattern and events.recognised(path, options)):
            events.require_events(spec.targets, path)
            return events.EventSource(path, options, divides, spec.targets)
        return open_source(path, options, divides)

    return assigned_sources(spec, source)


def open_source(path: str, options: Options, divides: bool) -> Recordings:
    """The data source at a path. Raises Problem if it cannot be one."""
    if not os.path.exists(path):
        raise missing(path)
    if not os.access(path, os.R_OK):
        raise Problem(f"{path} may not be read (permission denied)", DATA)
    if not os.path.isdir(path) and not (path.lower().endswith(ARCHIVES) or is_table(path)):
        described = "one recording" if RECORDINGS.named(path) else "not a kind of data that speech knows"
        raise Problem(f"{path} is {described}; expected {RECORDINGS.expected}", DATA)
    return Recordings(path, options, divides)


def noise_in(sources: Sequence[AssignedSource]) -> list[str]:
    """The background noise in DATA, by path within it."""
    source = sources[0].source
    return source.noise() if isinstance(source, Recordings) else []


def unify_case(manifest: Manifest) -> None:
    """Joins groups that differ only in case, as a speaker must not be in two splits."""
    groups = case_variants({sample.group for sample in manifest.samples if sample.group})
    spelling = {name: names[0] for names in groups.values() for name in names}
    manifest.samples = [
        sample._replace(group=spelling.get(sample.group or "", sample.group)) for sample in manifest.samples
    ]
    for names in groups.values():
        manifest.remarks.append(f"{' and '.join(names)} differ only in case and count as one group")


def case_variants(names: set[str]) -> dict[str, list[str]]:
    """The names that differ from another only in case, by their common spelling."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        spellings[name.casefold()].append(name)
    return {common: variants for common, variants in spellings.items() if len(variants) > 1}
