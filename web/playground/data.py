"""Points as data: drawn from a shape, or the rows of a table of x1, x2 and a label."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from ...core import files
from ...core.data import Data, DataSpec, Examples, Preprocessing
from ...core.inputs import BytesInput, FileInput, Input, TextInput
from ...core.options import integer, number, set_options
from ...core.problem import DATA, USAGE, Bad, Problem, did_you_mean, shortened
from ...core.sources.source import natural
from ...core.sources.table import Row, read_table
from ...core.split import split
from . import features
from .points import LABELS, SHAPES, points

NAMES = ("inputs", "noise", "points", "cache")  # the options of the domain
COUNT = 500  # points
EXPECTED = f"a shape ({', '.join(SHAPES)}) or a table of x1, x2 and a label"


class PointsPreprocessing(TypedDict):
    """What a model on points depends on."""

    inputs: list[str]


def options_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, checked, with their defaults. Raises Problem."""
    given = set_options(options, NAMES, "playground")
    return {
        "inputs": features.parse(str(given.get("inputs", "x1, x2"))),
        "noise": number("playground", "noise", given.get("noise", 0)),
        "points": integer("playground", "points", given.get("points", COUNT)),
    }


def coordinates(text: str) -> Tensor:
    """(2,) int16 of a text such as `1.5,-2`. Raises Problem for another one."""
    cells = text.replace(",", " ").replace(";", " ").split()
    try:
        x = np.array([float(cell) for cell in cells])
    except ValueError:
        x = np.zeros(0)
    if len(x) != 2 or not (np.abs(x) <= features.LIMIT).all():
        raise Problem(f"{shortened(text)!r} is not a point; expected two numbers from −8 to 8, such as 1.5,-2", DATA)
    return compact(x)


def compact(x: np.ndarray[Any, Any]) -> Tensor:
    """Coordinates (…, 2) as int16."""
    return torch.from_numpy(np.round(x / features.UNIT).astype(np.int16))


def name_of(point: Tensor) -> str:
    """The text of a point, which `coordinates` reads."""
    return ",".join(f"{value:.7g}" for value in (point.double() * features.UNIT).tolist())


def read(value: Input, preprocessing: Preprocessing) -> Tensor:
    match value:
        case TextInput(text):
            return coordinates(text)
        case BytesInput(content):
            return coordinates(content.decode("utf-8", "replace"))
        case FileInput(path):
            return coordinates(files.read_text(Path(path), "a file with a point"))
    raise Problem(f"{value.name} is not a point", DATA)


def expand_paths(arguments: Sequence[str]) -> list[Input]:
    """Points as `1.5,-2`, and the points of tables. Raises Problem for anything else."""
    inputs: list[Input] = []
    for argument in arguments:
        if os.path.isfile(argument):
            rows, _, _ = table(argument)
            inputs += [TextInput(name_of(point)) for point in rows]
        else:
            coordinates(argument)
            inputs.append(TextInput(argument))
    return inputs


def table(path: str) -> tuple[Tensor, list[str], list[Bad]]:
    """The points (N, 2) in a table, their labels, and the rows that are none."""
    name = os.path.basename(path)
    rows = [row for row in read_table(name, Path(path)).rows if isinstance(row, Row)]
    points_of_rows, labels, bad = [], [], []
    for number_of_row, row in enumerate(rows):
        cells = [cell.strip() for cell in row.cells]
        try:
            if len(cells) != 3 or not cells[2]:
                raise Problem(f"has {len(cells)} cells; expected x1, x2 and a label", DATA)
            points_of_rows.append(coordinates(",".join(cells[:2])))
            labels.append(cells[2])
        except Problem as problem:
            if number_of_row or not cells or any(cell[:1].isdigit() for cell in cells):
                bad.append(Bad(f"{name}:{row.line}", str(problem)))
    if not points_of_rows:
        raise Problem(f"{path} holds no points; expected {EXPECTED}", DATA)
    return torch.stack(points_of_rows), labels, bad


def load(spec: DataSpec, labels: list[str] | None, preprocessing: Preprocessing | None) -> Data:
    """Points in splits. Raises Problem for data that are neither a shape nor a table, and for options of others."""
    for option, value in (
        ("--group-by", spec.grouping),
        ("--exclude", spec.exclude),
        ("--valid", spec.valid),
        ("--test", spec.test),
    ):
        if value:
            raise Problem(f"{option} is not for points; leave it out", USAGE)
    options = options_of(spec.options)
    bad: list[Bad] = []
    if spec.data in SHAPES:
        drawn = points(spec.data, options["points"], options["noise"], spec.split)
        x, names = compact(drawn.x), [LABELS[index] for index in drawn.labels]
    elif os.path.isfile(spec.data):
        x, names, bad = table(spec.data)
    else:
        raise Problem(f"{spec.data} is not known{did_you_mean(spec.data, SHAPES)}; expected {EXPECTED}", DATA)
    if len(bad) > spec.max_bad * (len(bad) + len(names)):
        raise Problem(f"{bad[0].file}: {bad[0].reason}; {len(bad)} of {len(bad) + len(names)} rows are no points", DATA)
    known = labels or sorted(set(names), key=natural)
    if unknown := sorted(set(names) - set(known), key=natural):
        raise Problem(f"the label {unknown[0]} is not known; the labels are {', '.join(known)}", DATA)
    keys = [bytes(point.numpy().tobytes()) + str(spec.split).encode() for point in x]
    share = 0.1 if spec.valid_share is None else spec.valid_share
    splits, _ = split(keys, names, share * (1 - spec.test_share), spec.test_share)
    targets = torch.tensor([known.index(name) for name in names])

    def part(name: str) -> Examples:
        rows = torch.tensor([index for index, assigned in enumerate(splits) if assigned == name], dtype=torch.long)
        members = x[rows].reshape(-1, 2)
        return Examples(members, targets[rows], [name_of(point) for point in members])

    made = preprocessing or {"inputs": options["inputs"]}
    return Data(part("train"), part("valid"), part("test"), list(known), made, bad)


def check(spec: DataSpec) -> dict[str, Any]:
    """The report of `neocog check playground`."""
    data = load(spec, None, None)
    targets = torch.cat([part.targets for part in data.splits.values()])
    counts = torch.bincount(targets, minlength=len(data.labels)).tolist()
    return {
        "examples": len(targets),
        "task": "classify",
        "labels": dict(zip(data.labels, counts, strict=True)),
        "splits": data.counts,
        "bad": [bad._asdict() for bad in data.bad],
        "duplicates": [],
        "problems": [],
        "remarks": data.remarks,
    }


def form(preprocessing: Preprocessing) -> dict[str, Any]:
    """The options that give points a model's inputs."""
    return {"inputs": ", ".join(preprocessing["inputs"])}
