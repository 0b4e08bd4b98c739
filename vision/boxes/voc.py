"""Pascal VOC: an XML file for each picture, its corners as they are stored.

The corners of VOC itself count pixels from 1, both ends included (VOC2012 development kit, section 4); most programs
that write such files count from 0. Nothing in a file says which: `one_based` shifts the corners of the first kind.
Objects that are marked as difficult are boxes like others.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from ...core.files import write_text
from ...core.problem import Problem
from ...core.sources.source import Files
from ...core.sources.split_names import split_in_words
from .annotations import (
    AnnotatedPicture,
    Annotations,
    Box,
    Flaw,
    child_text,
    flaws_of,
    label_of,
    number,
    path_of,
    plain,
    size_of,
    text_of,
    xml_of,
)

TITLE = "Pascal VOC"
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read(files: Files, names: list[str], one_based: bool = False) -> Annotations:
    """The pictures of XML files, with the splits that ImageSets/Main/*.txt name."""
    annotations = Annotations()
    splits = splits_in(files)
    for name in names:
        try:
            picture = read_file(files, name, one_based)
        except Problem as problem:
            title = files.display_name(name)
            picture = AnnotatedPicture(path_of(name).stem, title, flaw=str(problem).removeprefix(title).strip())
        picture.split = splits.get(path_of(name).stem)
        annotations.pictures.append(picture)
    return annotations


def read_file(files: Files, name: str, one_based: bool) -> AnnotatedPicture:
    root, path = xml_of(files, name), path_of(name)
    named = path_of(child_text(root, "filename") or path.stem).name
    # Files that were renamed, as many were, still have the name of their picture; its content is often out of date.
    picture = AnnotatedPicture(str(path.with_name(named)), files.display_name(name))
    with flaws_of(picture):
        if root.tag != "annotation":
            raise Flaw(f"begins with <{root.tag}>; expected <annotation>")
        if (size := root.find("size")) is not None:
            picture.size = size_of(child_text(size, "height"), child_text(size, "width"))
    for index, entry in enumerate(root.iter("object")):
        with flaws_of(picture, f"object {index + 1}"):
            picture.boxes.append(box_of(entry, one_based))
    return picture


def box_of(entry: ElementTree.Element, one_based: bool) -> Box:
    corners = entry.find("bndbox")
    if corners is None:
        raise Flaw("has no <bndbox>")
    left, top, right, bottom = (number(child_text(corners, name), name) for name in CORNERS)
    shift = 1 if one_based else 0
    return Box(label_of(child_text(entry, "name")), left - shift, top - shift, right, bottom)


def splits_in(files: Files) -> dict[str, str]:
    """The split of each picture's stem, by the lists in ImageSets/Main; `trainval` repeats the others."""
    splits: dict[str, str] = {}
    for name in files.names:
        path = path_of(name)
        is_list = path.suffix == ".txt" and path.parts[-3:-1] == ("ImageSets", "Main") and "_" not in path.stem
        if is_list and (split := split_in_words(path.stem)):
            stems = [line.split()[0] for line in text_of(files, name).splitlines() if line.strip()]
            splits |= {path_of(stem).name: split for stem in stems}
    return splits


def write(annotations: Annotations, folder: Path) -> list[Path]:
    """Writes Annotations/*.xml, and ImageSets/Main/*.txt where there are splits; returns the paths."""
    (folder / "Annotations").mkdir(parents=True, exist_ok=True)
    paths = []
    for picture in annotations.pictures:
        paths.append(folder / "Annotations" / f"{path_of(picture.name).stem}.xml")
        write_text(paths[-1], document(picture))
    for split in sorted({picture.split for picture in annotations.pictures if picture.split}):
        (folder / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
        stems = [path_of(picture.name).stem for picture in annotations.pictures if picture.split == split]
        paths.append(folder / "ImageSets" / "Main" / f"{'val' if split == 'valid' else split}.txt")
        write_text(paths[-1], "\n".join(stems) + "\n")
    return paths


def document(picture: AnnotatedPicture) -> str:
    assert picture.size is not None, "pictures are measured before they are written"
    root = ElementTree.Element("annotation")
    add(root, "filename", path_of(picture.name).name)
    size = ElementTree.SubElement(root, "size")
    for name, value in zip(("width", "height", "depth"), (*picture.size[::-1], 3), strict=True):
        add(size, name, value)
    for box in picture.boxes:
        entry = ElementTree.SubElement(root, "object")
        add(entry, "name", box.label)
        add(entry, "difficult", int(box.crowd))
        corners = ElementTree.SubElement(entry, "bndbox")
        for name, edge in zip(CORNERS, box.edges, strict=True):
            add(corners, name, plain(edge))
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def add(parent: ElementTree.Element, name: str, value: object) -> None:
    ElementTree.SubElement(parent, name).text = str(value)


def seem_one_based(pictures: Sequence[AnnotatedPicture]) -> bool:
    """Returns True if boxes touch the first pixel at 1 and the last at the full side, and none begins at 0."""
    first = [edge for picture in pictures for box in picture.boxes for edge in (box.left, box.top)]
    last = [
        picture.size is not None and (box.right == picture.size[1] or box.bottom == picture.size[0])
        for picture in pictures
        for box in picture.boxes
    ]
    return bool(first) and min(first) == 1 and first.count(1) > 1 and any(last)
