"""Label Studio's JSON exports: tasks with annotations, or JSON-MIN; edges in per cent of the picture."""

from __future__ import annotations

import json
from collections import Counter
from math import cos, radians, sin
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ...core.files import write_text
from ...core.problem import DATA, Problem, shortened
from ...core.sources.content import counted
from ...core.sources.source import Files
from ..picture import PICTURES
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
    number,
    size_of,
)

TITLE = "Label Studio"
SHAPES = ("rectanglelabels", "polygonlabels", "ellipselabels")
FULL = 100.0  # per cent


def matches(value: Any) -> bool:
    """Returns True for the content of such a file."""
    if not isinstance(value, list) or not value or not all(isinstance(task, dict) for task in value):
        return False
    return any(key in value[0] for key in ("annotations", "completions")) or min_results(value[0]) is not None


def read(files: Files, names: list[str]) -> Annotations:
    return Annotations.joined(read_file(files, name) for name in names)


def read_file(files: Files, name: str) -> Annotations:
    """The pictures of an export. Tasks that nobody has annotated are left out, and counted."""
    title, tasks = files.display_name(name), json_of(files, name)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise Problem(f"{title} is no list of tasks; expected Label Studio's export JSON or JSON-MIN", DATA)
    annotations = Annotations()
    other: Counter[str] = Counter()  # results that are no boxes
    unfinished = several = 0
    for index, task in enumerate(tasks):
        results, versions = results_of(task)
        if results is None:
            unfinished += 1
            continue
        several += versions > 1
        annotations.pictures.append(picture_of(task, results, f"{title}, task {task.get('id', index + 1)}", other))
    if unfinished:
        count = counted(unfinished, "task")
        annotations.remarks.append(f"{title}: {count} without a submitted annotation left out")
    if several:
        count = counted(several, "task")
        annotations.remarks.append(f"{title}: {count} with several annotations, of which the first was taken")
    if other:
        annotations.remarks.append(f"{title}: left out results that are no boxes: {counted_names(other)}")
    return annotations


def results_of(task: dict[str, Any]) -> tuple[list[Any] | None, int]:
    """The results of the annotation that counts, the ground truth or else the first, and the number of annotations."""
    entries = task.get("annotations", task.get("completions"))
    if isinstance(entries, list) and (not entries or all(isinstance(entry, dict) for entry in entries)):
        entries = [entry for entry in entries if not entry.get("was_cancelled")]
        entries.sort(key=lambda entry: not entry.get("ground_truth"))
        return (list(entries[0].get("result") or []), len(entries)) if entries else (None, 0)
    return min_results(task), 1


def min_results(task: dict[str, Any]) -> list[Any] | None:
    """The results of a task of JSON-MIN, in the form of the others; None if the task has none."""
    for value in task.values():
        if isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
            kinds = [next((kind for kind in SHAPES if kind in entry), None) for entry in value]
            if all(kinds):
                sides = ("original_width", "original_height")
                return [
                    {"type": kind, "value": entry, **{name: entry.get(name) for name in sides}}
                    for kind, entry in zip(kinds, value, strict=True)
                ]
    return None


def picture_of(task: dict[str, Any], results: list[Any], where: str, other: Counter[str]) -> AnnotatedPicture:
    picture = AnnotatedPicture("", where, is_relative=True)
    with flaws_of(picture):
        picture.name = picture_name(task)
    for index, result in enumerate(results):
        with flaws_of(picture, f"result {index + 1}"):
            if not isinstance(result, dict) or not isinstance(result.get("value"), dict):
                raise Flaw("is no table with a value")
            kind = str(result.get("type"))
            if kind not in SHAPES:
                if kind.startswith("brush"):
                    raise Flaw("is a mask of a brush; expected rectangles, polygons or ellipses")
                other[kind] += 1
                continue
            picture.size = size_of(result.get("original_height"), result.get("original_width")) or picture.size
            picture.boxes += boxes_of(kind, result["value"], picture.size)
    return picture


def picture_name(task: dict[str, Any]) -> str:
    """The name of the only picture of a task, without the server's path. Raises Flaw."""
    data = task.get("data") if isinstance(task.get("data"), dict) else task
    assert data is not None
    names = [name for value in data.values() if isinstance(value, str) and (name := local_name(value))]
    if len(names) == 1:
        return names[0]
    if not names and isinstance(data.get("image"), str):  # an address without the ending of a picture
        return str(data["image"]).lstrip("/")
    several = [value for value in data.values() if isinstance(value, list)]
    held = f"{len(names)} pictures" if names else "a list of pictures" if several else "no picture"
    raise Flaw(f"names {held}; expected one, in an entry such as data.image")


def local_name(address: str) -> str:
    """The path of a picture in an address, `a/1.jpg` for /data/local-files/?d=a/1.jpg; "" for another text."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    path = parse_qs(parts.query).get("d", [unquote(parts.path)])[0]
    return path.lstrip("/") if PICTURES.named(path) else ""


def boxes_of(kind: str, value: dict[str, Any], size: tuple[int, int] | None) -> list[Box]:
    """A box for each label of a result; its edges are fractions of the picture. Raises Flaw."""
    labels = value.get(kind)
    if not isinstance(labels, list) or not labels:
        raise Flaw("has no label")
    edges = tuple(edge / FULL for edge in edges_in_per_cent(kind, value, size))
    return [Box(label_of(label), edges[0], edges[1], edges[2], edges[3]) for label in labels]


def edges_in_per_cent(
    kind: str, value: dict[str, Any], size: tuple[int, int] | None
) -> tuple[float, float, float, float]:
    if kind == "polygonlabels":
        points = value.get("points")
        if not isinstance(points, list) or not all(isinstance(point, list) for point in points):
            raise Flaw(f"has the points {shortened(repr(points))}; expected a list of [x, y]")
        return around(points)
    if kind == "ellipselabels":
        x, y, across, down = (number(value.get(name), name) for name in ("x", "y", "radiusX", "radiusY"))
        return x - across, y - down, x + across, y + down
    x, y, width, height = (number(value.get(name), name) for name in ("x", "y", "width", "height"))
    angle = radians(number(value.get("rotation") or 0, "rotation"))
    if not angle:
        return x, y, x + width, y + height
    if size is None:
        raise Flaw("is rotated, and the size of its picture is missing")
    # It is turned about its upper left corner, in pixels: per cent of height and width differ.
    ratio = size[1] / size[0]
    corners = [
        (x + across * cos(angle) - down * sin(angle) / ratio, y + across * sin(angle) * ratio + down * cos(angle))
        for across, down in ((0, 0), (width, 0), (0, height), (width, height))
    ]
    return edges_of(corners)


def write(annotations: Annotations, folder: Path) -> list[Path]:
    """Writes tasks.json, which Label Studio imports; returns its path."""
    tasks = [
        {"id": index + 1, "data": {"image": picture.name}, "annotations": [{"result": results(picture)}]}
        for index, picture in enumerate(annotations.pictures)
    ]
    path = folder / "tasks.json"
    write_text(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")
    return [path]


def results(picture: AnnotatedPicture) -> list[dict[str, Any]]:
    assert picture.size is not None, "pictures are measured before they are written"
    height, width = picture.size
    return [
        {
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "value": {
                "x": FULL * box.left / width,
                "y": FULL * box.top / height,
                "width": FULL * (box.right - box.left) / width,
                "height": FULL * (box.bottom - box.top) / height,
                "rotation": 0,
                "rectanglelabels": [box.label],
            },
        }
        for box in picture.boxes
    ]
