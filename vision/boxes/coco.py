"""COCO's JSON: images, categories and annotations with ids, which need not be contiguous (cocodataset.org)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core.files import write_text
from ...core.problem import DATA, Bad, Problem, shortened
from ...core.sources.source import Files
from ...core.sources.split_names import split_in_words
from .annotations import (
    AnnotatedPicture,
    Annotations,
    Box,
    Flaw,
    around,
    edges_of,
    flaws_of,
    json_of,
    label_of,
    numbers,
    pairs,
    path_of,
    plain,
    size_of,
)
from .rle import edges_of_mask, mask_of

TITLE = "COCO JSON"


def matches(value: Any) -> bool:
    """Returns True for the content of such a file."""
    return isinstance(value, dict) and isinstance(value.get("images"), list)


def read(files: Files, names: list[str]) -> Annotations:
    """The pictures of COCO files; several stand for splits that their names say. Raises Problem."""
    return Annotations.joined(read_file(files, name, split_in_words(path_of(name).stem)) for name in names)


def read_file(files: Files, name: str, split: str | None) -> Annotations:
    title, values = files.display_name(name), json_of(files, name)
    for key in ("images", "annotations", "categories"):
        if not isinstance(values.get(key), list) or not all(isinstance(entry, dict) for entry in values[key]):
            raise Problem(f"{title} has no list of {key}; expected COCO's images, annotations and categories", DATA)
    annotations = Annotations()
    labels = by_id(values["categories"], "category", title)
    categories = {key: str(entry.get("name", "")).strip() for key, entry in labels.items()}
    if unnamed := next((key for key, label in categories.items() if not label), None):
        raise Problem(f"{title}: the category {unnamed} has no name", DATA)
    annotations.labels = list(dict.fromkeys(categories.values()))
    pictures = {}
    for key, entry in by_id(values["images"], "image", title).items():
        picture = AnnotatedPicture(str(entry.get("file_name") or ""), f"{title}, image {key}", split=split)
        with flaws_of(picture):
            if not picture.name:
                raise Flaw("has no file_name")
            picture.size = size_of(entry.get("height"), entry.get("width"))
        pictures[key] = picture
    annotations.pictures = list(pictures.values())
    for index, entry in enumerate(values["annotations"]):
        where = f"annotation {entry.get('id', f'number {index + 1}')}"
        key = entry.get("image_id")
        if not isinstance(key, str | int) or key not in pictures:
            found = shortened(repr(key))
            annotations.bad.append(Bad(f"{title}, {where}", f"names the image {found}, which is not among its images"))
            continue
        with flaws_of(pictures[key], where):
            pictures[key].boxes.append(box_of(entry, categories))
    return annotations


def by_id(entries: list[dict[str, Any]], noun: str, title: str) -> dict[Any, dict[str, Any]]:
    """The entries of a list by their ids. Raises Problem for one without, or with that of another."""
    result: dict[Any, dict[str, Any]] = {}
    for index, entry in enumerate(entries):
        key = entry.get("id")
        if not isinstance(key, str | int):
            raise Problem(f"{title}: {noun} number {index + 1} has no id", DATA)
        if key in result:
            raise Problem(f"{title}: two {'categories' if noun == 'category' else noun + 's'} have the id {key}", DATA)
        result[key] = entry
    return result


def box_of(entry: dict[str, Any], categories: dict[Any, str]) -> Box:
    """The box of an annotation, or that around its polygons or its mask. Raises Flaw."""
    key = entry.get("category_id")
    if not isinstance(key, str | int) or key not in categories:
        raise Flaw(f"names the category {shortened(repr(key))}, which is not among its categories")
    return Box(label_of(categories[key]), *edges(entry), bool(entry.get("iscrowd")))


def edges(entry: dict[str, Any]) -> tuple[float, float, float, float]:
    if entry.get("bbox"):
        left, top, width, height = numbers(entry["bbox"], ("x", "y", "width", "height"))
        return left, top, left + width, top + height
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, dict):
        return edges_of_mask(mask_of(segmentation))
    if isinstance(segmentation, list) and segmentation:
        corners = [around(pairs(polygon)) for polygon in segmentation]
        return edges_of([point for left, top, right, bottom in corners for point in ((left, top), (right, bottom))])
    raise Flaw("has neither a bbox nor a segmentation")


def write(annotations: Annotations, folder: Path) -> list[Path]:
    """Writes annotations.json, or a file for each split; returns the paths."""
    splits = {picture.split for picture in annotations.pictures}
    names = {
        split: f"annotations_{split or 'other'}.json" if splits != {None} else "annotations.json" for split in splits
    }
    for split, name in names.items():
        write_text(folder / name, json.dumps(document(annotations, split), ensure_ascii=False) + "\n")
    return [folder / name for name in names.values()]


def document(annotations: Annotations, split: str | None) -> dict[str, Any]:
    """The content of the file of one split. Ids begin with 1."""
    labels = annotations.label_order
    ids = {label: index + 1 for index, label in enumerate(labels)}
    images: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for picture in annotations.pictures:
        if picture.split != split:
            continue
        assert picture.size is not None, "pictures are measured before they are written"
        height, width = picture.size
        images.append({"id": len(images) + 1, "file_name": picture.name, "width": width, "height": height})
        for box in picture.boxes:
            entry = {"id": len(entries) + 1, "image_id": len(images), "category_id": ids[box.label]}
            across, down = box.right - box.left, box.bottom - box.top
            values = {"bbox": list(map(plain, (box.left, box.top, across, down))), "area": plain(across * down)}
            entries.append(entry | values | {"iscrowd": int(box.crowd), "segmentation": []})
    categories = [{"id": ids[label], "name": label, "supercategory": ""} for label in labels]
    return {"images": images, "annotations": entries, "categories": categories}
