"""From packed planes to what a network sees, on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ..core.data import Preprocessing
from ..core.problem import USAGE, Problem, did_you_mean
from .coords import place
from .planes import AT, COUNT

SIZE = 19
SEEN = {"all": COUNT, "stones": 3, "matrix": 1}  # what a network is shown of the 48 planes, and its channels


class Frontend(nn.Module):
    """Packed planes, uint8 (B, 2166), to maps, float32 (B, C, 19, 19).

    `all` are the 48 planes, `stones` the first three (own, the opponent's, empty), and `matrix` the lectures' one:
    1 for an own stone, −1 for the opponent's, 0 for none.
    """

    shifts: Tensor

    def __init__(self, seen: str) -> None:
        super().__init__()
        self.seen = seen
        self.register_buffer("shifts", torch.arange(7, -1, -1, dtype=torch.uint8), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        maps = planes_in(rows, self.shifts)
        if self.seen == "all":
            return maps.float()
        stones = maps[:, AT["stones"]].float()
        return stones if self.seen == "stones" else stones[:, :1] - stones[:, 1:2]


def planes_in(rows: Tensor, shifts: Tensor) -> Tensor:
    """(B, 2166) bytes to (B, 48, 19, 19) zeros and ones, uint8."""
    bits = (rows[:, :, None] >> shifts) & 1
    return bits.reshape(len(rows), COUNT, SIZE, SIZE)


def possible(labels: Sequence[str]) -> Callable[[Tensor], Tensor]:
    """From packed positions (B, 2166) to bool (B, K), the labels whose points are legal.

    Raises Problem for a label that is no point.
    """
    try:
        places = [place(label, SIZE) for label in labels]
    except ValueError as error:
        raise Problem(f"the model's labels are not those of a board: {error}; train it anew") from None
    return legal if places == list(range(SIZE * SIZE)) else lambda rows: legal(rows)[:, places]


def legal(rows: Tensor) -> Tensor:
    """The legal points of packed positions, bool (B, 361): those where a move captures 0, 1, … stones."""
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=rows.device)
    return planes_in(rows, shifts)[:, AT["capture size"]].bool().any(1).flatten(1)


def frontend(preprocessing: Preprocessing) -> Frontend:
    return Frontend(seen_of(preprocessing))


def seen_of(preprocessing: Preprocessing) -> str:
    """What a network is shown. Raises Problem for what no frontend knows."""
    if (seen := preprocessing.get("planes", "all")) not in SEEN:
        hint = did_you_mean(str(seen), SEEN)
        raise Problem(f"planes is {', '.join(SEEN)}{hint}; got {seen}", USAGE)
    return str(seen)
