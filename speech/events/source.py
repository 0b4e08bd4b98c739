"""Recordings with events: label files of their names beside them, or a table with a row for each event."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from math import ceil
from pathlib import PurePosixPath
from typing import NamedTuple

from ...core.problem import DATA, USAGE, Bad, Problem
from ...core.sources.archive import ENDINGS as ARCHIVES
from ...core.sources.content import Unreadable, counted, fetched
from ...core.sources.expand import missing
from ...core.sources.layout import split_path, visible
from ...core.sources.source import SampleInfo, SourceManifest, natural
from ...core.sources.split_names import split_name
from ...core.sources.table import is_table
from ...core.targets import TargetSpec
from ...core.tasks.events import Event, Events, write
from ..audio import RECORDINGS, open_recording, read_header
from ..build import LONGEST, RATE, Form
from ..frontend import samples_in
from ..options import Options
from ..sources import Recordings
from .labels import ENDINGS, TEXTGRID, Labelled, read

TASK = Events.name
EXPECTED = (
    "recordings with label files of the same names beside them (x.wav and x.txt of Audacity, or x.TextGrid of Praat), "
    "or a table with the columns file, start, end and label"
)
MULTIPLE = 4  # the frames of a window are one, so that networks can pool them
EXAMINED = 3  # label files that show whether a folder holds events
SEVERAL = 3  # recordings from which on the windows of one stay in one split
NAMED = 3  # what a message names


class Annotated(NamedTuple):
    """A recording and its events; `flaw` is the reason why it cannot be used."""

    name: str
    seconds: float = 0.0
    rate: int = 0
    events: Sequence[Event] = ()
    flaw: str = ""


class EventSource(Recordings):
    """Recordings in windows, whose targets are the texts of their events."""

    def __init__(self, path: str, options: Options, divides: bool, targets: TargetSpec) -> None:
        super().__init__(path, options, divides)
        self.targets = targets
        self.notes: Counter[str] = Counter()  # what was left out, by what it is

    @cached_property
    def label_files(self) -> dict[str, str]:
        """The label file of each recording. Those of a TextGrid count before those of Audacity."""
        by_stem: dict[str, list[str]] = defaultdict(list)
        for name in visible(self.files.names):
            if name.lower().endswith(ENDINGS):
                by_stem[stem_of(name)].append(name)
        chosen: dict[str, str] = {}
        for name in self.recordings:
            found = by_stem.get(stem_of(name), [])
            beside = [other for other in found if split_path(other)[:-1] == split_path(name)[:-1]]
            ordered = sorted(beside or found, key=lambda other: not other.lower().endswith(TEXTGRID))
            chosen |= {name: ordered[0]} if ordered else {}
        return chosen

    @cached_property
    def recordings(self) -> list[str]:
        return sorted(filter(self.is_example, visible(self.files.names)), key=natural)

    def fingerprint(self) -> Iterator[Hashable]:
        yield from (TASK, self.settings.tier)
        yield from super().fingerprint()

    def relevant_names(self) -> Iterator[str]:
        yield from super().relevant_names() if self.tables() else [*self.recordings, *self.label_files.values()]

    def scan(self, group_by: str | None) -> SourceManifest:
        manifest = self.scan_table_of_events(group_by) if self.tables() else self.scan_files()
        manifest.targets = TargetSpec(**(self.targets.to_dict() | {"task": TASK}))
        return manifest

    def scan_files(self) -> SourceManifest:
        """The recordings with their label files."""
        manifest = SourceManifest([], list(self.files.bad))
        used = set(self.label_files.values())
        for name in visible(self.files.names):
            if name.lower().endswith(TEXTGRID) and name not in used:
                manifest.bad.append(Bad(name, "is a label file without a recording"))
        missing = "has no label file; expected one beside it, such as {0}.txt or {0}.TextGrid"
        bare = [name for name in self.recordings if name not in self.label_files]
        manifest.bad += [Bad(name, missing.format(PurePosixPath(name).stem)) for name in bare]
        tiers: Counter[tuple[str, ...]] = Counter()
        annotated = []
        for name, label_file in self.label_files.items():
            try:
                labelled = read(label_file, self.bytes_of(label_file), self.settings.tier)
            except Unreadable as problem:
                annotated.append(Annotated(label_file, flaw=str(problem)))
                continue
            tiers[labelled.tiers] += len(labelled.tiers) > 1
            annotated.append(self.annotated(name, labelled))
        splits = splits_of(self.recordings)
        self.add_windows(manifest, annotated, {name: splits.get(name) for name in self.recordings})
        if (several := tiers.most_common(1)) and several[0][1] and self.settings.tier is None:
            names = several[0][0]
            manifest.remarks.append(
                f"the tier {names[0]} of {', '.join(names)} holds the labels; --set tier=NAME takes another"
            )
        return manifest

    def scan_table_of_events(self, group_by: str | None) -> SourceManifest:
        """The recordings that a table names, with the rows of each."""
        rows = super().scan(group_by)
        if rows.samples and not all(sample.span for sample in rows.samples):
            raise Problem(f"{self.location} has no columns start and end; expected {EXPECTED}", DATA)
        events: dict[str, list[Event]] = defaultdict(list)
        split_of: dict[str, str | None] = {}
        for sample in rows.samples:
            assert sample.span is not None
            if sample.span[1] > sample.span[0]:
                events[sample.name].append(Event(*sample.span, sample.label))
            else:
                self.notes["labels of no length"] += 1
            split_of.setdefault(sample.name, sample.split)
        manifest = SourceManifest([], rows.bad, remarks=rows.remarks)
        annotated = [self.annotated(name, Labelled(events[name])) for name in sorted(split_of, key=natural)]
        self.add_windows(manifest, annotated, split_of)
        return manifest

    def bytes_of(self, name: str) -> bytes:
        """The content of a file. Raises Unreadable."""
        content = fetched(next(content for _, content in self.files.read([name])))
        assert isinstance(content, bytes)
        return content

    def annotated(self, name: str, labelled: Labelled) -> Annotated:
        """A recording with its events, cut off at its end."""
        try:
            with open_recording(self.bytes_of(name)) as file:
                header = read_header(file)
        except Unreadable as problem:
            return Annotated(name, flaw=str(problem))
        seconds = header.seconds
        late = [event for event in labelled.events if event.start >= seconds]
        if late:
            return Annotated(
                name, flaw=f"lasts {seconds:.2f} s, and {late[0].label} is labelled from {late[0].start:.2f} s on"
            )
        self.notes["labels of no length"] += labelled.points
        self.notes["events beyond the end of their recording, which are cut off there"] += sum(
            event.end > seconds + 0.01 for event in labelled.events
        )
        events = [event._replace(end=min(event.end, seconds)) for event in labelled.events]
        self.notes["events under a shorter one, which its frames show"] += overlapped(events)
        return Annotated(name, seconds, header.rate, events)

    def add_windows(
        self, manifest: SourceManifest, annotated: Sequence[Annotated], split_of: dict[str, str | None]
    ) -> None:
        """Adds the windows of all recordings to a manifest, and the remarks on them."""
        usable = [recording for recording in annotated if not recording.flaw]
        manifest.bad += [Bad(recording.name, recording.flaw) for recording in annotated if recording.flaw]
        if not usable:
            return
        form = form_of_events([r.rate for r in usable], [r.seconds for r in usable], self.settings)
        groups = len(usable) >= SEVERAL
        for recording in usable:
            group = recording.name if groups else None
            for start, end, known in windows_of(recording.seconds, form.seconds):
                text = write(within(recording.events, start, end), (known - start, end - start))
                sample = SampleInfo(recording.name, text, split_of.get(recording.name), group, (start, end))
                manifest.samples.append(sample)
        manifest.grouped = groups
        count = sum(len(recording.events) for recording in usable)
        names = {event.label for recording in usable for event in recording.events}
        manifest.remarks.append(
            f"{count:,} events of {counted(len(names), 'label')} in {RECORDINGS.counted(len(usable))}, for --task "
            f"{TASK}: {counted(len(manifest.samples), 'window')} of up to {form.seconds:g} s"
        )
        manifest.remarks += [f"{count:,} {what}" for what, count in self.notes.items() if count]


def stem_of(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).stem.lower()


def splits_of(names: Sequence[str]) -> dict[str, str]:
    """The split of each recording, by the folders around it."""
    split_of: dict[str, str] = {}
    for name in names:
        split = next((split for folder in split_path(name)[:-1] if (split := split_name(folder))), None)
        split_of |= {name: split} if split else {}
    return split_of if "train" in split_of.values() else {}


def overlapped(events: Sequence[Event]) -> int:
    """How many events lie in part under a shorter one."""
    return sum(
        any(
            other is not event
            and other.end - other.start < event.end - event.start
            and other.start < event.end
            and event.start < other.end
            for other in events
        )
        for event in events
    )


def within(events: Sequence[Event], start: float, end: float) -> list[Event]:
    """The parts of events in a window, in seconds of it."""
    return [
        Event(max(0.0, event.start - start), min(end, event.end) - start, event.label)
        for event in events
        if event.start < end and event.end > start
    ]


def form_of_events(rates: Sequence[int], lengths: Sequence[float], options: Options) -> Form:
    """The rate and the window of recordings with events: all of the longest, up to LONGEST, in MULTIPLE frames."""
    rate = options.rate or min(RATE, max(rates, default=RATE))
    seconds = options.seconds or min(LONGEST, max(lengths, default=1.0))
    frame, hop = samples_in(options.frame, rate), samples_in(options.hop, rate)
    frames = max(MULTIPLE, ceil(((round(seconds * rate) - frame) / hop + 1) / MULTIPLE) * MULTIPLE)
    return Form(rate, frame + (frames - 1) * hop)


def windows_of(seconds: float, window: float) -> list[tuple[float, float, float]]:
    """(start, end, from where on it shows something new) of the windows of a recording, in seconds.

    The last window ends with the recording.
    """
    count = max(1, ceil(seconds / window - 1e-6))
    if count == 1:
        return [(0.0, seconds, 0.0)]
    starts = [index * window for index in range(count - 1)]
    full = [(start, start + window, start) for start in starts]
    return [*full, (seconds - window, seconds, (count - 1) * window)]


# --- recognition ----------------------------------------------------------------------------------------------------


def recognised(path: str, options: Options) -> bool:
    """Whether a folder or an archive plainly holds recordings with events.

    All recordings lie in one folder, splits aside, as folders of classes have labels of their own; most have a label
    file, and the first ones can be read.
    """
    if not (os.path.isdir(path) or path.lower().endswith(ARCHIVES)):
        return False
    try:
        source = EventSource(path, options, False, TargetSpec())
        names = source.recordings
        folders = {tuple(f for f in split_path(name)[:-1] if not split_name(f)) for name in names}
        if not names or len(folders) > 1 or 2 * len(source.label_files) < len(names) or source.tables():
            return False
        for label_file in list(source.label_files.values())[:EXAMINED]:
            read(label_file, source.bytes_of(label_file))
    except (Problem, Unreadable):
        return False
    return True


def holds_events(path: str) -> bool:
    """Whether the files at a path are plainly recordings with events, by default options."""
    from ...core.data import DataSpec
    from ..options import options_of

    return os.path.exists(path) and recognised(path, options_of(DataSpec(path), None))


def require_events(spec: TargetSpec, path: str) -> None:
    """Raises Problem for a path that cannot hold events."""
    if not os.path.exists(path):
        raise missing(path)
    if not (os.path.isdir(path) or path.lower().endswith(ARCHIVES) or is_table(path)):
        raise Problem(f"{path} holds no recordings with events; expected {EXPECTED}", DATA)
    if spec.label_names:
        raise Problem(f"--label-names is for labels that are numbers, not for --task {TASK}", USAGE)
