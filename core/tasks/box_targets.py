"""The boxes of an example: their text, and their tensor.

The text is JSON, {"frame": the Frame, "boxes": [[label, left, top, right, bottom, crowd], …]}, edges in pixels of the
file. The tensor is (1 + M, 6), M ≥ 1: the frame, then a row for each box: left, top, right, bottom in pixels of the
input, the index of the label, and 1 for a crowd. Rows without a box have the label −1.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..frame import Frame

COLUMNS = 6
LABEL, CROWD = 4, 5  # columns of the tensor; SCORE and LABEL_OF of predictions are theirs
NOTHING = -1.0  # the label of a row without a box

Floats = NDArray[np.floating[Any]]


class TextBox(NamedTuple):
    """A box in the text of a target."""

    label: str
    left: float
    top: float
    right: float
    bottom: float
    crowd: bool

    @property
    def edges(self) -> tuple[float, float, float, float]:
        return self.left, self.top, self.right, self.bottom


class TextTarget(NamedTuple):
    """The target of an example, read from its text."""

    frame: Frame
    boxes: list[TextBox]


def write(frame: Frame, boxes: Sequence[Sequence[Any]]) -> str:
    """The text of a target."""
    return json.dumps({"frame": list(frame), "boxes": [list(box) for box in boxes]}, ensure_ascii=False)


@lru_cache(maxsize=65536)
def read(text: str) -> TextTarget:
    """Reads a target from its text."""
    value = json.loads(text)
    return TextTarget(Frame(*value["frame"]), [TextBox(*box) for box in value["boxes"]])


def encode(targets: Sequence[TextTarget], labels: Sequence[str]) -> Tensor:
    """(N, 1 + M, 6) the tensors of targets; boxes of unknown labels are left out."""
    index_of = {label: index for index, label in enumerate(labels)}
    rows = [
        [
            [*target.frame.into_input(box.edges), index_of[box.label], box.crowd]
            for box in target.boxes
            if box.label in index_of
        ]
        for target in targets
    ]
    most = max(map(len, rows), default=1) or 1  # also without any box there is a row
    table = np.zeros((len(targets), 1 + most, COLUMNS), np.float32)
    table[:, 1:, LABEL] = NOTHING
    for index, (target, boxes) in enumerate(zip(targets, rows, strict=True)):
        table[index, 0] = target.frame
        if boxes:
            table[index, 1 : 1 + len(boxes)] = boxes
    return torch.from_numpy(table)


def frame_of(target: Floats) -> Frame:
    """The frame of one target (1 + M, 6)."""
    height, width, *others = target[0].tolist()
    return Frame(int(height), int(width), *others)


def boxes_of(target: Floats) -> Floats:
    """(G, 6) the boxes of one target, in pixels of the input."""
    boxes: Floats = target[1:][target[1:, LABEL] >= 0]
    return boxes


def clipped(targets: Tensor, size: Sequence[int], least: float = 1.0) -> Tensor:
    """Targets with their boxes cut off at the border of the input; those smaller than `least` pixels are taken out."""
    height, width = size
    limits = targets.new_tensor([width, height, width, height])
    edges = torch.minimum(targets[:, 1:, :4].clamp_min(0), limits)
    is_left = (edges[..., 2:] - edges[..., :2]).amin(-1) >= least
    rows = targets[:, 1:].clone()
    rows[..., :4] = edges
    rows[..., LABEL] = torch.where(is_left, rows[..., LABEL], NOTHING)
    return torch.cat((targets[:, :1], rows), 1)
