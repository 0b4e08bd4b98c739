"""Go as a domain: so far what can be done without a policy network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..core.domain import UNCHANGED, Augment, Data, Domain, Facts, Source
from ..core.problem import DATA, USAGE, Problem
from ..core.sources.content import Unreadable, fetched
from ..core.sources.gather import gather
from . import picture, sgf
from .check import check
from .diagram import Diagram
from .planes import COUNT, packed, unpacked
from .records import LARGEST_FILE, RECORDS

SIZE = 19


class Frontend(nn.Module):
    """Packed planes to maps, on the device: uint8 (B, 2166) to float32 (B, 48, 19, 19)."""

    shifts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shifts", torch.arange(7, -1, -1, dtype=torch.uint8), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        bits = (rows[:, :, None] >> self.shifts) & 1
        return bits.reshape(len(rows), COUNT, SIZE, SIZE).float()


def read(source: str | bytes, facts: Facts) -> Tensor:
    """The position at the end of a record, uint8 (2166,). Raises Unreadable."""
    content = fetched(Path(source), LARGEST_FILE) if isinstance(source, str) else source
    assert isinstance(content, bytes)
    try:
        game = sgf.read(content)
    except sgf.BadRecord as problem:
        raise Unreadable(str(problem)) from None
    if game.size != SIZE:
        raise Unreadable(f"is on {game.size}×{game.size}; the network takes {SIZE}×{SIZE}")
    return torch.from_numpy(packed(game.position()))


def load(source: Source, labels: list[str] | None, facts: Facts | None) -> Data:
    raise Problem("this neocog has no policy network to train on games yet; pack them with: neocog go pack", USAGE)


def augment(text: str, extras: Mapping[str, Tensor]) -> Augment:
    if text != "none":
        raise Problem(f"games know no augmentation yet but none; got {text}", USAGE)
    return UNCHANGED


def records(arguments: Sequence[str]) -> list[str]:
    return gather(arguments, RECORDS)


def show(row: Tensor, relevance: Any = None) -> Any:
    """A position as a picture (Pillow's): the colour to move as black."""
    if relevance is not None:
        raise Problem("relevance cannot be laid over a board yet", DATA)
    found = unpacked(row.numpy())
    return picture.png(Diagram((found[0] + 2 * found[1]).astype(np.uint8)))


DOMAIN = Domain(
    name="go",
    load=load,
    read=read,
    gather=records,
    frontend=lambda facts: Frontend(),
    augment=augment,
    check=check,
    show=show,
    recipes={},
    default="",
)
