"""labelme: a JSON file for each picture, with shapes: rectangles, polygons, circles (github.com/wkentaro/labelme)."""

from __future__ import annotations

import json
from collections import Counter
from math import hypot
from pathlib import Path
from typing import Any

from ...core.files import write_text
from ...core.problem import Problem, shortened
from ...core.sources.source import Files
from .annotations import (
    AnnotatedPicture,
    Annotations,
    Box,
    Flaw,
    around,
    counted_names,
    edges_of,
    flaws_of,
    json_of,
    label_of,
    numbers,
    path_of,
    plain,
    size_of,
)

TITLE = "labelme"
IGNORED = "__ignore__"  # labelme's label for what is not an object
WITHOUT_AREA = frozenset({"point", "points", "line", "linestrip"})


def matches(value: Any) -> bool:
    """Returns True for the content of such a file."""
    return isinstance(value, dict) and isinstance(value.get("shapes"), list)


def read(files: Files, names: list[str]) -> Annotations:
    annotations = Annotations()
    left_out: Counter[str] = Counter()
    for name in names:
        try:
            annotations.pictures.append(read_file(files, name, left_out))
        except Problem as problem:
            title = files.display_name(name)
            reason = str(problem).removeprefix(title).strip()
            annotations.pictures.append(AnnotatedPicture(path_of(name).stem, title, flaw=reason))
    if left_out:
        annotations.remarks.append(f"left out shapes that are no objects: {counted_names(left_out)}")
    return annotations


def read_file(files: Files, name: str, left_out: Counter[str]) -> AnnotatedPicture:
    """The boxes around the shapes of a picture; shapes of one label and one group are parts of one object."""
    values, path = json_of(files, name), path_of(name)
    picture = AnnotatedPicture(path.stem, files.display_name(name))
    with flaws_of(picture):
        if not matches(values):
            raise Flaw("has no list of shapes")
        picture.name = str(path.parent / path_of(values.get("imagePath") or path.stem))
        picture.size = size_of(values.get("imageHeight"), values.get("imageWidth"))
    groups: dict[tuple[str, Any], list[tuple[float, float, float, float]]] = {}
    for index, shape in enumerate(values["shapes"] if matches(values) else ()):
        with flaws_of(picture, f"shape {index + 1}"):
            if not isinstance(shape, dict):
                raise Flaw("is no table of label and points")
            label, kind = label_of(shape.get("label")), shape.get("shape_type") or "polygon"
            if label == IGNORED or kind in WITHOUT_AREA:
                left_out[label if label == IGNORED else str(kind)] += 1
                continue
            group = shape.get("group_id")
            part = edges(shape, kind)
            groups.setdefault((label, index if group is None else f"group {group}"), []).append(part)
    for (label, _), parts in groups.items():
        corners = [point for left, top, right, bottom in parts for point in ((left, top), (right, bottom))]
        picture.boxes.append(Box(label, *edges_of(corners)))
    return picture


def edges(shape: dict[str, Any], kind: str) -> tuple[float, float, float, float]:
    points = shape.get("points")
    if not isinstance(points, list) or not all(isinstance(point, list | tuple) for point in points):
        raise Flaw(f"has the points {shortened(repr(points))}; expected a list of [x, y]")
    if kind == "polygon":
        return around(points)
    if kind not in ("rectangle", "mask", "circle"):
        raise Flaw(f"is of the kind {shortened(str(kind))}; expected a rectangle, a polygon or a circle")
    corners = [numbers(point, ("x", "y")) for point in points]
    if kind == "rectangle" and len(corners) == 4:  # as newer versions store rotated ones
        return edges_of(corners)
    if len(corners) != 2:
        raise Flaw(f"is a {kind} of {len(corners)} points; expected 2")
    if kind == "circle":
        (x, y), (edge_x, edge_y) = corners
        radius = hypot(edge_x - x, edge_y - y)
        return x - radius, y - radius, x + radius, y + radius
    return edges_of(corners)


def write(annotations: Annotations, folder: Path) -> list[Path]:
    """Writes a JSON file for each picture, which are named without folders; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for picture in annotations.pictures:
        assert picture.size is not None, "pictures are measured before they are written"
        name = path_of(picture.name)
        shapes: list[dict[str, Any]] = [
            {
                "label": box.label,
                "points": [[plain(box.left), plain(box.top)], [plain(box.right), plain(box.bottom)]],
                "group_id": None,
                "shape_type": "rectangle",
                "flags": {},
            }
            for box in picture.boxes
        ]
        values: dict[str, Any] = {"version": "5.0.0", "flags": {}, "shapes": shapes}
        values |= {"imagePath": name.name, "imageData": None}
        values |= {"imageHeight": picture.size[0], "imageWidth": picture.size[1]}
        paths.append(folder / f"{name.stem}.json")
        write_text(paths[-1], json.dumps(values, ensure_ascii=False, indent=1) + "\n")
    return paths
