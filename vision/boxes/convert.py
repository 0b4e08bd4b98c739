"""`neocog convert-labels`: boxes of one format written in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.problem import DATA, Problem
from ...core.sources.content import counted
from ...core.sources.file_source import open_files
from .annotations import AnnotatedPicture
from .formats import BoxOptions, format_named, read
from .pictures import locate


@dataclass(frozen=True)
class Converted:
    """What was read and written."""

    source: str  # the name of the format that was read
    paths: list[Path]
    pictures: int
    boxes: int
    labels: list[str]
    remarks: list[str]


def convert(source: str, folder: Path, target: str, options: BoxOptions) -> Converted:
    """Reads the boxes at a path and writes them to a folder in the format `target`.

    Pictures are not copied. Raises Problem, naming the file and the entry, for anything that cannot be read: nothing is
    written then.
    """
    writer = format_named(target)
    files, annotations, name = read(source, options)
    pictures = files if options.images is None else open_files(options.images)[0]
    located = locate(annotations, pictures, required=False)
    if flaws := located.annotations.flaws:
        more = f"; so are {len(flaws) - 1:,} more entries" if len(flaws) > 1 else ""
        raise Problem(f"{flaws[0].file} {flaws[0].reason}{more}", DATA)
    folder.mkdir(parents=True, exist_ok=True)
    paths = writer.write(located.annotations, folder)
    boxes = [box for picture in located.annotations.pictures for box in picture.boxes]
    remarks = [*located.remarks(), *lost(target, located.annotations.pictures)]
    labels = located.annotations.label_order
    return Converted(name, paths, len(located.annotations.pictures), len(boxes), labels, remarks)


def lost(target: str, pictures: Sequence[AnnotatedPicture]) -> list[str]:
    """Remarks on what the format that is written cannot hold."""
    remarks = []
    crowds = sum(box.crowd for picture in pictures for box in picture.boxes)
    if crowds and target == "voc":
        remarks.append(f"voc does not mark crowds: {crowds:,} of them are written as difficult objects")
    elif crowds and target in ("yolo", "labelme", "label-studio", "cvat"):
        remarks.append(f"{target} does not mark crowds: {crowds:,} of them are written as other boxes are")
    empty = sum(not picture.boxes for picture in pictures)
    if empty and target == "open-images":
        remarks.append(f"open-images does not hold pictures without boxes: {counted(empty, 'picture')} left out")
    if target in ("labelme", "label-studio", "open-images") and any(picture.split for picture in pictures):
        remarks.append(f"{target} does not hold splits: they are lost")
    return remarks
