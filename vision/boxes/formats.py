"""The formats of boxes by name, and the one that a folder, an archive or a file holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ...core.problem import DATA, USAGE, Problem, did_you_mean
from ...core.sources.delimited import detect_dialect
from ...core.sources.file_source import open_files
from ...core.sources.layout import visible
from ...core.sources.source import Files, natural
from . import coco, cvat, label_studio, labelme, open_images, table, voc, yolo
from .annotations import Annotations, json_of, path_of, text_of, xml_of

Reader = Callable[[Files, list[str]], Annotations]
Writer = Callable[[Annotations, Path], list[Path]]
EXCERPT = 4096  # characters of a text that tell what it holds


@dataclass(frozen=True)
class BoxOptions:
    """What the user says of files of boxes."""

    format: str | None = None  # its name in FORMATS; None leaves it to the files
    one_based: bool = False  # whether VOC's corners count pixels from 1
    images: str | None = None  # a folder or an archive of the pictures, if they do not lie beside the annotations


class Format(NamedTuple):
    """One format: its name as an option and in messages, how it is read and written."""

    name: str
    title: str
    read: Reader
    write: Writer


FORMATS = {
    entry.name: entry
    for entry in (
        Format("coco", coco.TITLE, coco.read, coco.write),
        Format("voc", voc.TITLE, voc.read, voc.write),
        Format("yolo", yolo.TITLE, yolo.read, yolo.write),
        Format("csv", table.TITLE, table.read, table.write),
        Format("labelme", labelme.TITLE, labelme.read, labelme.write),
        Format("label-studio", label_studio.TITLE, label_studio.read, label_studio.write),
        Format("cvat", cvat.TITLE, cvat.read, cvat.write),
        Format("open-images", open_images.TITLE, open_images.read, open_images.write),
    )
}


def format_named(name: str) -> Format:
    """A format by its name. Raises Problem for an unknown one."""
    if name not in FORMATS:
        hint = did_you_mean(name, FORMATS)
        raise Problem(f"{name} is not a format of boxes{hint}; the formats are {', '.join(FORMATS)}", USAGE)
    return FORMATS[name]


def read(path: str, options: BoxOptions) -> tuple[Files, Annotations, str]:
    """The annotations at a path, the files that they lie among, and the name of their format.

    The path is a folder, an archive, or one file of annotations. Raises Problem if it holds none, or files of several
    formats of which none is named.
    """
    files, single = open_files(path)
    return files, *read_files(files, [single] if single else visible(files.names), options)


def read_files(files: Files, names: Sequence[str], options: BoxOptions) -> tuple[Annotations, str]:
    """The annotations in the files of some names, and the name of their format. Raises Problem as `read`."""
    if options.format is not None:
        format_named(options.format)
    held, problem = formats_among(files, names, options.format)
    if not held and problem is not None:
        raise problem
    if not held:
        kind = FORMATS[options.format].title if options.format else "boxes"
        known = ", ".join(entry.title for entry in FORMATS.values())
        raise Problem(f"{files.location} holds no annotations of {kind}; expected one of {known}", DATA)
    if len(held) > 1:
        listed = " and ".join(f"{FORMATS[name].title} ({members[0]})" for name, members in held.items())
        advice = ", ".join(held)
        raise Problem(f"{files.location} holds {listed}; name the format, one of {advice}, or one of the files", USAGE)
    (name, members), *_ = held.items()
    reader = partial(voc.read, one_based=options.one_based) if name == "voc" else FORMATS[name].read
    return reader(files, members), name


def formats_among(
    files: Files, names: Sequence[str], wanted: str | None = None
) -> tuple[dict[str, list[str]], Problem | None]:
    """The names of the files of annotations by the name of their format, in natural order; only the one `wanted`.

    Also what is wrong with the first file that may be one, and is damaged.
    """
    held: dict[str, list[str]] = {}
    first: Problem | None = None
    has_yolo = wanted == "yolo" or (wanted is None and yolo.class_table(files) is not None)
    for name in sorted(names, key=natural):
        try:
            format_name = format_of(files, name, has_yolo)
        except Problem as problem:
            first = first or problem
            continue
        if format_name is not None and wanted in (None, format_name):
            held.setdefault(format_name, []).append(name)
    return held, first


def format_of(files: Files, name: str, has_yolo: bool) -> str | None:
    """The format of one file, by its suffix and its beginning; None for a file of something else.

    Raises Problem for a damaged file, and for a table that lacks columns of boxes.
    """
    suffix = path_of(name).suffix.lower()
    if suffix == ".json":
        return json_format(files, name)
    if suffix == ".xml":
        return xml_format(files, name)
    if suffix in (".csv", ".tsv"):
        return table_format(files, name)
    if suffix == ".txt" and has_yolo and not yolo.LISTS.fullmatch(path_of(name).name):
        return None if name == yolo.class_table(files) or path_of(name).name in yolo.TABLES else "yolo"
    return None


def json_format(files: Files, name: str) -> str | None:
    beginning = text_of(files, name)[:EXCERPT]
    if '"shapes"' in beginning or '"imagePath"' in beginning:  # without parsing a picture inside
        return "labelme"
    value = json_of(files, name)
    if coco.matches(value):
        return "coco"
    if labelme.matches(value):
        return "labelme"
    return "label-studio" if label_studio.matches(value) else None


def xml_format(files: Files, name: str) -> str | None:
    beginning = text_of(files, name)[:EXCERPT]
    if re.search(r"<annotations[\s>]", beginning):
        return "cvat"
    if re.search(r"<annotation[\s>]", beginning):
        return "voc"
    xml_of(files, name)  # raises the Problem of a damaged file
    return None


def table_format(files: Files, name: str) -> str | None:
    excerpt = text_of(files, name)[:EXCERPT]
    line = excerpt.partition("\n")[0].strip()
    header = [cell.strip().strip('"') for cell in line.split(detect_dialect(excerpt).delimiter)]
    if open_images.matches(header):
        return "open-images"
    if not table.matches(header):
        table.rows_of(files.display_name(name), name, excerpt)  # raises a Problem unless it has the six columns
    return "csv"
