"""Pictures with boxes as a source of examples; the target of each is the text of its boxes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice

from ...core.frame import Frame
from ...core.problem import DATA, USAGE, Bad, Problem
from ...core.sources.content import Content, counted
from ...core.sources.file_source import open_files
from ...core.sources.layout import visible
from ...core.sources.source import Files, SampleInfo, SourceManifest, natural
from ...core.targets import TargetSpec
from ...core.tasks import box_targets
from ..picture import PICTURES
from . import yolo
from .annotations import AnnotatedPicture, path_of
from .formats import FORMATS, BoxOptions, format_of, read_files
from .pictures import Located, locate
from .voc import seem_one_based

TASK = "detect"
ANNOTATED = (".json", ".xml", ".csv", ".tsv", ".txt", ".yaml", ".yml", ".names", ".data")
EXAMINED = 3  # files of a kind that tell what a folder holds


class BoxSource:
    """The annotated pictures at a path: a folder, an archive, or one file of annotations among its pictures."""

    def __init__(self, path: str, options: BoxOptions, targets: TargetSpec) -> None:
        self.files, self.single = open_files(path)
        self.location, self.options, self.targets = path, options, targets
        self.pictures = self.files if options.images is None else open_files(options.images)[0]

    @property
    def names(self) -> list[str]:
        """The files that may hold annotations."""
        return [self.single] if self.single else visible(self.files.names)

    def fingerprint(self) -> Iterator[Hashable]:
        yield self.options.format, self.options.one_based
        named = [name for name in self.names if path_of(name).suffix.lower() in ANNOTATED]
        yield from self.files.fingerprint(named)
        yield from self.pictures.fingerprint([name for name in visible(self.pictures.names) if PICTURES.named(name)])

    @cached_property
    def located(self) -> tuple[Located, str]:
        """The annotated pictures, and the name of their format. Raises Problem if there are none."""
        annotations, name = read_files(self.files, self.names, self.options)
        return locate(annotations, self.pictures), name

    def scan(self, group_by: str | None) -> SourceManifest:
        located, name = self.located
        usable = [picture for picture in located.annotations.pictures if not picture.flaw]
        samples = [SampleInfo(picture.name, text_of(picture), picture.split) for picture in usable]
        samples.sort(key=lambda sample: natural(sample.name))
        boxes = sum(len(picture.boxes) for picture in usable)
        labels = located.annotations.label_order
        remarks = [
            f"{FORMATS[name].title}: {boxes:,} boxes of {counted(len(labels), 'label')} in "
            f"{PICTURES.counted(len(usable))}, for --task {TASK}",
            *located.remarks(),
        ]
        if name == "voc" and not self.options.one_based and seem_one_based(usable):
            remarks.append(
                "the corners of boxes seem to count pixels from 1, as those of Pascal VOC do: none is 0, and some are "
                "the sides of their pictures; if so, give --set one_based=true"
            )
        bad = located.annotations.flaws
        return SourceManifest(
            samples,
            [Bad(entry.file.removeprefix(f"{self.location}/"), entry.reason) for entry in bad],
            label_order=labels,
            remarks=remarks,
            targets=replace(self.targets, task=TASK),
        )

    def contents(self, samples: Sequence[SampleInfo]) -> Iterator[tuple[int, Content]]:
        index_of = {sample.name: index for index, sample in enumerate(samples)}
        for name, content in self.pictures.read(list(index_of)):
            yield index_of[name], content

    def display_name(self, name: str) -> str:
        return self.pictures.display_name(name)


def text_of(picture: AnnotatedPicture) -> str:
    """The target of a picture, with its boxes in pixels of the file."""
    assert picture.size is not None, "located pictures are measured"
    return box_targets.write(Frame(*picture.size), picture.boxes)


def recognised(path: str) -> bool:
    """Returns True if a path plainly holds boxes: an annotation file, or a folder with one for each picture.

    A table is one if its header names corners; a folder with other files of the same endings is not taken for boxes.
    """
    try:
        files, single = open_files(path)
        return is_of_boxes(files, single) if single else holds_boxes(files)
    except Problem:
        return False


def is_of_boxes(files: Files, name: str) -> bool:
    return (
        path_of(name).suffix.lower() in (".json", ".xml", ".csv", ".tsv") and format_of(files, name, False) is not None
    )


def holds_boxes(files: Files) -> bool:
    """Whether the first files of some endings in a folder are annotations."""
    names = sorted(visible(files.names), key=natural)
    for suffix in (".xml", ".json"):
        first = list(islice((name for name in names if path_of(name).suffix.lower() == suffix), EXAMINED))
        if first and all(format_of(files, name, False) is not None for name in first):
            return True
    if not any("labels" in path_of(name).parts or path_of(name).suffix == ".names" for name in names):
        return False
    return yolo.class_table(files) is not None and any(format_of(files, name, True) == "yolo" for name in names)


def require_detection(spec: TargetSpec, path: str) -> None:
    """Raises Problem for another task."""
    if spec.task not in (None, TASK):
        raise Problem(f"{path} holds boxes, which are for --task {TASK}; got --task {spec.task}", USAGE)
    if spec.columns:
        raise Problem(f"--label-column is for a table of labels, and {path} holds boxes; leave it out", DATA)
