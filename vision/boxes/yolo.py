"""YOLO's text files: a file for each picture, a box a line: class, centre and size as fractions of the picture.

A file without lines says that nothing is in the picture. The classes stand in data.yaml, classes.txt, obj.names or
*.names. Lines of polygons (class, x, y, x, y, …), as programs write them for segmentation, become boxes around them.
"""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path
from typing import Any

from ...core.files import write_text
from ...core.problem import DATA, Problem, shortened
from ...core.sources.content import counted
from ...core.sources.source import Files, natural
from ...core.sources.split_names import split_name
from .annotations import (
    AnnotatedPicture,
    Annotations,
    Box,
    Flaw,
    around,
    flaws_of,
    number,
    pairs,
    path_of,
    text_of,
)

TITLE = "YOLO"
TABLES = ("classes.txt", "labels.txt", "predefined_classes.txt", "obj.names")
LISTS = re.compile(r"(train|val|valid|test|readme[\w.]*|requirements|license|notes)\.txt", re.I)
SLACK = 0.01  # of a fraction beyond the picture: programs round


def class_table(files: Files) -> str | None:
    """The name of the file with the classes; None without one."""
    names = sorted(files.names, key=lambda name: (len(path_of(name).parts), name))
    tables = [name for name in names if path_of(name).name.lower() in TABLES or path_of(name).suffix == ".names"]
    yamls = [name for name in names if path_of(name).suffix in (".yaml", ".yml")]
    described = [name for name in yamls if re.search(r"^names\s*:", text_of(files, name), re.M)]
    return next(iter([*described, *tables]), None)


def read(files: Files, names: list[str]) -> Annotations:
    """The pictures of label files. Raises Problem for a damaged table of classes."""
    annotations = Annotations()
    table = class_table(files)
    names = [name for name in names if name != table and not LISTS.fullmatch(path_of(name).name)]
    classes = None if table is None else classes_in(files, table)
    annotations.labels = list(classes or ())
    for name in names:
        annotations.pictures.append(read_file(files, name, classes, table))
    if classes is None:
        annotations.remarks.append("no classes.txt and no data.yaml: the labels are the numbers of the classes")
    return annotations


def read_file(files: Files, name: str, classes: list[str] | None, table: str | None) -> AnnotatedPicture:
    title, path = files.display_name(name), path_of(name)
    folders = ["images" if part == "labels" else part for part in path.parts[:-1]]
    split = next((value for part in path.parts[:-1] if (value := split_name(part))), None)
    picture = AnnotatedPicture("/".join([*folders, path.stem]), title, is_relative=True, split=split)
    try:
        lines = text_of(files, name).splitlines()
    except Problem as problem:
        picture.flaw = str(problem).removeprefix(title).strip()
        return picture
    for index, line in enumerate(lines):
        if line.strip():
            with flaws_of(picture, f"line {index + 1}"):
                picture.boxes.append(box_of(line.split(), classes, table))
    return picture


def box_of(cells: list[str], classes: list[str] | None, table: str | None) -> Box:
    """The box of a line. Raises Flaw."""
    if len(cells) < 5:
        raise Flaw(f"has {counted(len(cells), 'value')}; expected class, x, y, width, height")
    label = label_of_class(cells[0], classes, table)
    values = [number(cell, "value") for cell in cells[1:]]
    if beyond := [value for value in values if not -SLACK <= value <= 1 + SLACK]:
        raise Flaw(f"has the value {beyond[0]:g}; expected fractions of the picture, from 0 to 1")
    if len(values) > 5:
        return Box(label, *around(pairs(values)))
    x, y, width, height = values[:4]  # a fifth is the confidence of a prediction
    return Box(label, x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def label_of_class(cell: str, classes: list[str] | None, table: str | None) -> str:
    if not cell.isdecimal() or len(cell) > 9:
        raise Flaw(f"has the class {shortened(cell)!r}; expected a number from 0 on")
    if classes is None:
        return cell
    if int(cell) >= len(classes):
        raise Flaw(f"has the class {cell}, and {table} names {len(classes)}, 0 to {len(classes) - 1}")
    return classes[int(cell)]


def classes_in(files: Files, name: str) -> list[str]:
    """The names of the classes in their order. Raises Problem."""
    text = text_of(files, name)
    if path_of(name).suffix not in (".yaml", ".yml"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    classes = names_in_yaml(text)
    title = files.display_name(name)
    if not classes or not all(classes):
        raise Problem(f"{title} has no list of names; expected such as `names: [cat, dog]`", DATA)
    if (count := re.search(r"^nc\s*:\s*(\d+)", text, re.M)) and int(count[1]) != len(classes):
        raise Problem(f"{title} has nc: {count[1]} and {len(classes)} names; expected as many names", DATA)
    return classes


def names_in_yaml(text: str) -> list[str]:
    """The entry `names` of data.yaml, a list or numbers with names, on one line or on several. Empty without one.

    Only this entry is read: a reader of all of YAML would be one more dependency.
    """
    match = re.search(r"^names\s*:[ \t]*([^\n#]*)\n?((?:[ \t]*[-#\d\"'].*\n?|[ \t]+.*\n?|[ \t]*\n)*)", text, re.M)
    if match is None:
        return []
    rest, block = match[1].strip(), match[2]
    if rest:
        return inline(rest if rest[-1:] in "]}" else f"{rest} {' '.join(block.split())}")
    entries: dict[int, str] = {}
    for line in block.splitlines():
        line = line.split(" #")[0].strip()
        if item := re.fullmatch(r"-\s*(.+)", line):
            entries[len(entries)] = unquoted(item[1])
        elif item := re.fullmatch(r"[\"']?(\d+)[\"']?\s*:\s*(.+)", line):
            entries[int(item[1])] = unquoted(item[2])
        elif line and not line.startswith("#"):
            break
    return [entries.get(index, "") for index in range(max(entries, default=-1) + 1)]


def inline(text: str) -> list[str]:
    """`[cat, 'dog']` or `{0: cat, 1: dog}`."""
    try:
        value: Any = literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        parts = [unquoted(part) for part in text.strip("[]{} ").split(",")]
        numbered = [re.fullmatch(r"(\d+)\s*:\s*(.+)", part) for part in parts]
        value = {int(m[1]): unquoted(m[2]) for m in numbered if m} if text.startswith("{") else parts
    if isinstance(value, dict):
        return [
            str(value.get(index, ""))
            for index in range(max((key for key in value if type(key) is int), default=-1) + 1)
        ]
    return [str(entry) for entry in value] if isinstance(value, list | tuple) else []


def unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].replace("''", "'")
    return text


def write(annotations: Annotations, folder: Path) -> list[Path]:
    """Writes labels/…/*.txt and data.yaml; returns the paths. Crowds are left out: the format does not know them."""
    labels = annotations.label_order
    index = {label: number for number, label in enumerate(labels)}
    paths = [folder / "data.yaml"]
    names = "".join(f"  {number}: {quoted(label)}\n" for label, number in index.items())
    splits = sorted({picture.split for picture in annotations.pictures if picture.split}, key=natural)
    folder.mkdir(parents=True, exist_ok=True)
    places = "".join(f"{'val' if split == 'valid' else split}: images/{split}\n" for split in splits)
    write_text(paths[0], f"{places or 'train: images' + chr(10)}nc: {len(labels)}\nnames:\n{names}")
    for picture in annotations.pictures:
        assert picture.size is not None, "pictures are measured before they are written"
        target = folder / "labels" / (picture.split or "")
        target.mkdir(parents=True, exist_ok=True)
        paths.append(target / f"{path_of(picture.name).stem}.txt")
        write_text(paths[-1], "".join(f"{index[box.label]} {line_of(box, picture.size)}\n" for box in picture.boxes))
    return paths


def line_of(box: Box, size: tuple[int, int]) -> str:
    height, width = size
    centre = (box.left + box.right) / 2 / width, (box.top + box.bottom) / 2 / height
    sides = (box.right - box.left) / width, (box.bottom - box.top) / height
    return " ".join(f"{value:.9g}" for value in (*centre, *sides))


def quoted(label: str) -> str:
    return label if re.fullmatch(r"[A-Za-z][\w -]*", label) else "'" + label.replace("'", "''") + "'"
