"""Open Images: a table of boxes with XMin, XMax, YMin, YMax as fractions of the picture.

Excel in some languages writes 0,208 for 0.208; between quotes that is one cell, and as a fraction it has one meaning.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ...core.files import write_text
from ...core.problem import DATA, Problem
from ...core.sources.content import counted
from ...core.sources.source import Files
from ...core.sources.split_names import split_in_words
from ...core.sources.table import Row, parse_table
from .annotations import AnnotatedPicture, Annotations, Box, Flaw, flaws_of, label_of, number, path_of, plain, text_of

TITLE = "Open Images"
EDGES = ("XMin", "YMin", "XMax", "YMax")
HEADER = ("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax")
FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")


def matches(header: Sequence[str]) -> bool:
    """Returns True for the header of such a table."""
    return {"ImageID", "LabelName", *EDGES} <= set(header)


def read(files: Files, names: list[str]) -> Annotations:
    descriptions = descriptions_in(files)
    return Annotations.joined(read_file(files, name, descriptions) for name in names)


def descriptions_in(files: Files) -> dict[str, str]:
    """The names of labels such as /m/01g317, from class-descriptions*.csv."""
    for name in files.names:
        if path_of(name).name.startswith("class-descriptions") and path_of(name).suffix == ".csv":
            rows = csv.reader(text_of(files, name).splitlines())
            return {row[0]: row[1] for row in rows if len(row) > 1}
    return {}


def read_file(files: Files, name: str, descriptions: dict[str, str]) -> Annotations:
    title, commas = files.display_name(name), 0
    split = split_in_words(path_of(name).stem)
    pictures: dict[str, AnnotatedPicture] = {}
    header: list[str] | None = None
    for row in parse_table(name, text_of(files, name)).rows:
        if not isinstance(row, Row):
            raise Problem(f"{row.file} {row.reason}", DATA)
        if header is None:
            header = row.cells
            continue
        values = dict(zip(header, row.cells, strict=False))
        picture = pictures.setdefault(
            values["ImageID"], AnnotatedPicture(values["ImageID"], f"{title}:{row.line}", is_relative=True, split=split)
        )
        commas += any("," in values.get(edge, "") for edge in EDGES)
        with flaws_of(picture, f"the box of line {row.line}"):
            picture.boxes.append(box_of(values, descriptions))
    remarks = [f"{title}: decimal commas in {counted(commas, 'row')} were read as points"] if commas else []
    return Annotations(list(pictures.values()), remarks=remarks)


def box_of(values: dict[str, str], descriptions: dict[str, str]) -> Box:
    edges = [number(values.get(name, "").replace(",", "."), name) for name in EDGES]
    if beyond := [edge for edge in edges if not -0.01 <= edge <= 1.01]:
        raise Flaw(f"has the value {beyond[0]:g}; expected fractions of the picture, from 0 to 1")
    label = label_of(values["LabelName"])
    left, top, right, bottom = edges
    return Box(descriptions.get(label, label), left, top, right, bottom, values.get("IsGroupOf", "").strip() == "1")


def write(annotations: Annotations, folder: Path) -> list[Path]:
    """Writes boxes.csv; returns its path. Pictures without boxes are left out: the format does not know them."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*HEADER, *FLAGS])
    for picture in annotations.pictures:
        assert picture.size is not None, "pictures are measured before they are written"
        height, width = picture.size
        for box in picture.boxes:
            values = (box.left / width, box.right / width, box.top / height, box.bottom / height)
            edges = [f"{value:.9g}" for value in values]
            flags = [0, 0, int(box.crowd), 0, 0]
            table.writerow([picture.name, "", box.label, plain(1), *edges, *flags])
    path = folder / "boxes.csv"
    write_text(path, text.getvalue())
    return [path]
