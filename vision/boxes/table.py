"""A table with a row for each box: picture, label and corners, as many scripts write it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.files import write_text
from ...core.problem import DATA, Problem, shortened
from ...core.sources.source import Files
from ...core.sources.split_names import split_name
from ...core.sources.table import Row, parse_table
from .annotations import (
    AnnotatedPicture,
    Annotations,
    Box,
    Flaw,
    flaws_of,
    label_of,
    number,
    plain,
    size_of,
    text_of,
)

TITLE = "CSV of boxes"
COLUMNS: Mapping[str, Sequence[str]] = {  # what a column may be called, in lower case
    "picture": (
        "filename",
        "file_name",
        "image",
        "image_path",
        "img",
        "path",
        "file",
        "picture",
        "image_id",
        "imageid",
        "input",
    ),
    "label": ("class", "label", "name", "class_name", "category", "labelname"),
    "left": ("xmin", "x_min", "x1", "left", "xtl"),
    "top": ("ymin", "y_min", "y1", "top", "ytl"),
    "right": ("xmax", "x_max", "x2", "right", "xbr"),
    "bottom": ("ymax", "y_max", "y2", "bottom", "ybr"),
    "split": ("split", "subset", "set"),
    "crowd": ("crowd", "iscrowd", "difficult"),
    "height": ("height", "image_height", "img_height"),
    "width": ("width", "image_width", "img_width"),
}
NEEDED = ("picture", "label", "left", "top", "right", "bottom")
HEADER = ("filename", "height", "width", "class", "xmin", "ymin", "xmax", "ymax", "crowd", "split")


class Cells(NamedTuple):
    """The cells of a row by the meaning of their column."""

    line: int
    values: dict[str, str]


def positions(header: Sequence[str]) -> dict[str, int]:
    """The position of each column by its meaning."""
    names = [name.strip().lower() for name in header]
    places = {}
    for meaning, candidates in COLUMNS.items():
        if (name := next((name for name in candidates if name in names), None)) is not None:
            places[meaning] = names.index(name)
    return places


def matches(header: Sequence[str]) -> bool:
    """Returns True for a header that names pictures, labels and corners."""
    return set(NEEDED) <= positions(header).keys()


def read(files: Files, names: list[str]) -> Annotations:
    return Annotations.joined(read_file(files, name) for name in names)


def read_file(files: Files, name: str) -> Annotations:
    """The pictures of a table. Rows without a label and corners say that nothing is in the picture. Raises Problem."""
    title = files.display_name(name)
    pictures: dict[str, AnnotatedPicture] = {}
    for line, values in rows_of(title, name, text_of(files, name)):
        named = values.get("picture", "").strip()
        if not named:
            raise Problem(f"{title}:{line} names no picture", DATA)
        picture = pictures.setdefault(named, AnnotatedPicture(named, f"{title}:{line}"))
        picture.split = picture.split or split_name(values.get("split", ""))
        with flaws_of(picture):
            if "height" in values and "width" in values:
                picture.size = size_of(values["height"], values["width"])
        if any(values.get(key, "").strip() for key in NEEDED[1:]):
            with flaws_of(picture, f"the box of line {line}"):
                picture.boxes.append(box_of(values))
    return Annotations(list(pictures.values()))


def rows_of(title: str, name: str, text: str) -> list[Cells]:
    """The rows below a header; without one the six columns picture, left, top, right, bottom, label. Raises Problem."""
    table = parse_table(name, text)
    rows = []
    for row in table.rows:
        if not isinstance(row, Row):
            raise Problem(f"{row.file} {row.reason}", DATA)
        rows.append(row)
    if not rows:
        raise Problem(f"{title} is empty; expected a row for each box: {', '.join(NEEDED)}", DATA)
    header = table.header if table.header is not None else rows[0].cells
    if matches(header):
        places, rows = positions(header), rows[table.header is None :]
    elif table.header is None and len(header) == 6 and all(cell.replace(".", "").isdecimal() for cell in header[1:5]):
        places = dict(zip(("picture", "left", "top", "right", "bottom", "label"), range(6), strict=True))
    else:
        missing = [key for key in NEEDED if key not in positions(header)]
        held = shortened(", ".join(header), 100)
        raise Problem(
            f"{title} has the columns {held}; expected such as {', '.join(HEADER[:1] + HEADER[3:8])}: no column for "
            f"{', '.join(missing)}",
            DATA,
        )
    return [
        Cells(row.line, {key: row.cells[place] for key, place in places.items() if place < len(row.cells)})
        for row in rows
    ]


def box_of(values: Mapping[str, str]) -> Box:
    corners = [number(values.get(name, ""), name) for name in NEEDED[2:]]
    if corners[0] > corners[2] or corners[1] > corners[3]:
        raise Flaw("ends before it begins: left, top, right, bottom are {:g}, {:g}, {:g}, {:g}".format(*corners))
    left, top, right, bottom = corners
    is_crowd = values.get("crowd", "").strip() in ("1", "true", "True")
    return Box(label_of(values.get("label", "")), left, top, right, bottom, is_crowd)


def write(annotations: Annotations, folder: Path) -> list[Path]:
    """Writes boxes.csv; returns its path. A picture without boxes has a row with empty cells."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(HEADER)
    for picture in annotations.pictures:
        size = picture.size or ("", "")
        for box in picture.boxes:
            edges = map(plain, box.edges)
            cells = [picture.name, *size, box.label, *edges, int(box.crowd), picture.split or ""]
            table.writerow(cells)
        if not picture.boxes:
            table.writerow([picture.name, *size, *[""] * 6, picture.split or ""])
    path = folder / "boxes.csv"
    write_text(path, text.getvalue())
    return [path]
