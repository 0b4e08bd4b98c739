"""Packed planes on the device: what a network sees, and which moves are legal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NotRequired, TypedDict

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding

from ..core.data import Preprocessing
from ..core.problem import DATA, USAGE, Problem, did_you_mean
from .coords import SIZE, place
from .planes import COUNT, SLICES

CHANNELS = {"all": COUNT, "stones": 3, "matrix": 1}  # values of the option `planes`


class Unpack(nn.Module):
    """Unpacks some of the 48 planes: uint8 (B, 2166) to float32 (B, planes, 19, 19). Reads only the bytes they are in.

    Bytes are looked up in a table of their bits: an exported graph holds no bit operations, which not every runtime
    has, and it is faster than shifts (0.4 times their CPU time for 128 positions).
    """

    bits_of_byte: Tensor

    def __init__(self, planes: slice) -> None:
        super().__init__()
        first, last = planes.start * SIZE * SIZE, planes.stop * SIZE * SIZE
        self.bytes = slice(first // 8, -(-last // 8))
        self.bits = slice(first % 8, first % 8 + last - first)
        masks = 2 ** torch.arange(7, -1, -1)
        table = (torch.arange(256)[:, None] & masks) != 0
        self.register_buffer("bits_of_byte", table.float(), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        bits = embedding(rows[:, self.bytes].int(), self.bits_of_byte)
        maps: Tensor = bits.flatten(1)[:, self.bits].unflatten(1, (-1, SIZE, SIZE))
        return maps


class Frontend(nn.Module):
    """Packed planes, uint8 (B, 2166), to maps, float32 (B, C, 19, 19).

    `all` are the 48 planes, `stones` the first three (own, the opponent's, empty), and `matrix` the lectures' single
    channel: 1 for an own stone, −1 for the opponent's, 0 for an empty point.
    """

    def __init__(self, planes: str) -> None:
        super().__init__()
        self.planes = planes
        self.unpack = Unpack(slice(0, COUNT) if planes == "all" else SLICES["stones"])

    def forward(self, rows: Tensor) -> Tensor:
        maps: Tensor = self.unpack(rows)
        return maps[:, :1] - maps[:, 1:2] if self.planes == "matrix" else maps


class LegalMask(nn.Module):
    """Packed planes, uint8 (B, 2166), to the legal moves among the labels, bool (B, K); `places` are the labels'.

    A legal move captures 0, 1, … stones, so exactly the legal moves are marked in the "capture size" planes.
    """

    places: Tensor

    def __init__(self, places: Sequence[int] = range(SIZE * SIZE)) -> None:
        super().__init__()
        self.unpack = Unpack(SLICES["capture size"])
        self.in_order = list(places) == list(range(SIZE * SIZE))
        self.register_buffer("places", torch.tensor(list(places)), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        legal: Tensor = self.unpack(rows).any(1).flatten(1)
        return legal if self.in_order else legal[:, self.places]


def legal_mask(labels: Sequence[str]) -> LegalMask:
    """The legal moves in the order of a model's labels. Raises Problem for a label that is not a point."""
    try:
        return LegalMask([place(label, SIZE) for label in labels])
    except ValueError as error:
        raise Problem(f"the model's labels are not the points of a board: {error}; train it again", DATA) from None


class GoPreprocessing(TypedDict):
    """What a model of Go keeps: which planes it sees."""

    planes: NotRequired[Literal["all", "stones", "matrix"]]


def random_planes(preprocessing: Preprocessing, shape: Sequence[int], rng: torch.Generator) -> Tensor:
    """Returns planes of random bits, packed: uint8 (B, 2166)."""
    return torch.randint(0, 256, tuple(shape), generator=rng).byte()


def maps(preprocessing: Preprocessing) -> tuple[int, int, int]:
    """The shape of the frontend's maps."""
    return CHANNELS[planes_option(preprocessing)], SIZE, SIZE


def frontend(preprocessing: Preprocessing) -> Frontend:
    return Frontend(planes_option(preprocessing))


def planes_option(preprocessing: Preprocessing) -> str:
    """The option `planes`, a key of CHANNELS. Raises Problem for any other value."""
    if (planes := preprocessing.get("planes", "all")) not in CHANNELS:
        hint = did_you_mean(str(planes), CHANNELS)
        raise Problem(f"planes is {', '.join(CHANNELS)}{hint}; got {planes}", USAGE)
    return str(planes)
