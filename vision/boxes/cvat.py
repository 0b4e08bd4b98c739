"""CVAT for images 1.1: one XML file with an <image> for each picture, and its boxes and polygons."""

from __future__ import annotations

from collections import Counter
from math import cos, radians, sin
from pathlib import Path
from xml.etree import ElementTree

from ...core.files import write_text
from ...core.problem import DATA, Problem
from ...core.sources.source import Files
from ...core.sources.split_names import split_name
from .annotations import (
    AnnotatedPicture,
    Annotations,
    Box,
    Flaw,
    around,
    counted_names,
    edges_of,
    flaws_of,
    label_of,
    number,
    plain,
    size_of,
    xml_of,
)
from .voc import add

TITLE = "CVAT XML"
CORNERS = ("xtl", "ytl", "xbr", "ybr")


def read(files: Files, names: list[str]) -> Annotations:
    return Annotations.joined(read_file(files, name) for name in names)


def read_file(files: Files, name: str) -> Annotations:
    title, root = files.display_name(name), xml_of(files, name)
    if root.tag != "annotations" or root.find("track") is not None:
        held = "tracks of a video" if root.find("track") is not None else f"<{root.tag}>"
        raise Problem(f"{title} holds {held}; expected CVAT's format for images, <annotations> with <image>", DATA)
    annotations = Annotations(labels=[child.text.strip() for child in root.iterfind("meta//label/name") if child.text])
    left_out: Counter[str] = Counter()
    for index, entry in enumerate(root.iterfind("image")):
        where = f"{title}, image {entry.get('id', index)}"
        picture = AnnotatedPicture(entry.get("name", ""), where, split=split_name(entry.get("subset", "")))
        with flaws_of(picture):
            if not picture.name:
                raise Flaw("has no name")
            picture.size = size_of(entry.get("height"), entry.get("width"))
        for number_of_shape, shape in enumerate(entry):
            if shape.tag not in ("box", "polygon", "ellipse"):
                left_out[shape.tag] += 1
                continue
            with flaws_of(picture, f"shape {number_of_shape + 1}"):
                picture.boxes.append(Box(label_of(shape.get("label", "")), *edges(shape)))
        annotations.pictures.append(picture)
    if left_out:
        annotations.remarks.append(f"{title}: left out shapes that are no boxes: {counted_names(left_out)}")
    return annotations


def edges(shape: ElementTree.Element) -> tuple[float, float, float, float]:
    if shape.tag == "polygon":
        return around([point.split(",") for point in shape.get("points", "").split(";") if point])
    if shape.tag == "ellipse":
        x, y, across, down = (number(shape.get(name), name) for name in ("cx", "cy", "rx", "ry"))
        return x - across, y - down, x + across, y + down
    left, top, right, bottom = (number(shape.get(name), name) for name in CORNERS)
    angle = radians(number(shape.get("rotation", 0), "rotation"))
    if not angle:
        return left, top, right, bottom
    x, y = (left + right) / 2, (top + bottom) / 2  # it is turned about its centre
    offsets = [(across, down) for across in (left - x, right - x) for down in (top - y, bottom - y)]
    return edges_of([(x + a * cos(angle) - d * sin(angle), y + a * sin(angle) + d * cos(angle)) for a, d in offsets])


def write(annotations: Annotations, folder: Path) -> list[Path]:
    """Writes annotations.xml; returns its path."""
    root = ElementTree.Element("annotations")
    add(root, "version", "1.1")
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), "labels")
    for label in annotations.label_order:
        add(ElementTree.SubElement(labels, "label"), "name", label)
    for index, picture in enumerate(annotations.pictures):
        assert picture.size is not None, "pictures are measured before they are written"
        height, width = map(str, picture.size)
        image = ElementTree.SubElement(
            root, "image", {"id": str(index), "name": picture.name, "width": width, "height": height}
        )
        if picture.split:
            image.set("subset", picture.split)
        for box in picture.boxes:
            values = {name: str(plain(edge)) for name, edge in zip(CORNERS, box.edges, strict=True)}
            ElementTree.SubElement(image, "box", {"label": box.label, "occluded": "0", **values})
    ElementTree.indent(root)
    path = folder / "annotations.xml"
    write_text(path, ElementTree.tostring(root, encoding="unicode") + "\n")
    return [path]
