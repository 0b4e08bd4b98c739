"""The 48 planes of AlphaGo's policy network (Silver et al. 2016, Extended Data Table 2), from one table.

Everything is relative to the colour to move. A number is one-hot over the planes of its group: ages 0, 1, …, 7 or more;
liberties 1, …, 8 or more; stones captured 0, …, 7 or more; stones in self-atari 1, …, 8 or more.

Packed, a position is a row of bits, plane by plane, row by row, the first in the highest bit of the first byte, as
`numpy.packbits` does: 48 · 361 / 8 = 2,166 bytes for 19×19.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.problem import USAGE, Problem, did_you_mean
from .compiled import compiled
from .coords import SIZE
from .eyes import clear_eyes, mark_eyes, may_be_eye
from .ladder import captures_in_ladder, ladder_escapes, two_liberties
from .move_effect import move_effect
from .position import EMPTY, WALL, WIDTH, legal, on_board, place_of

PLANES = {
    "stones": 3,  # own, the opponent's, empty
    "ones": 1,
    "turns since": 8,  # the stone was played; passes and stones set up are turns too
    "liberties": 8,  # of the chain on the point
    "capture size": 8,  # stones captured by a legal move
    "self-atari size": 8,  # stones of the chain that a legal move leaves with one liberty
    "liberties after": 8,  # of the chain of a legal move
    "ladder capture": 1,  # a move that captures a chain of two liberties in a ladder
    "ladder escape": 1,  # a move that saves a chain in atari from ladders
    "sensible": 1,  # legal, and no true eye of the player
    "zeros": 1,  # pads 47 planes to a multiple of 8; part of AlphaGo's table, so its weights expect it
}
COUNT = sum(PLANES.values())
SLICES = {name: slice(end - PLANES[name], end) for name, end in zip(PLANES, np.cumsum([*PLANES.values()]), strict=True)}
(STONES, ONES, AGE, LIBERTIES, CAPTURE, SELF_ATARI, AFTER, LADDER_CAPTURE, LADDER_ESCAPE, SENSIBLE, _) = (
    int(SLICES[name].start) for name in PLANES
)
LAST = 7  # index of the last plane in a group of eight, which holds all larger numbers


def names() -> list[str]:
    """A name for each plane: "own stones", "liberties 3", "liberties 8+", "ladder capture"."""
    first_number = {"turns since": 0, "capture size": 0}
    result = ["own stones", "opponent's stones", "empty"]
    for group, count in list(PLANES.items())[1:]:
        first = first_number.get(group, 1)
        numbers = [f" {first + i}{'+' if i == LAST else ''}" for i in range(count)] if count > 1 else [""]
        result += [group + number for number in numbers]
    return result


def find(name: str) -> slice:
    """The planes with a name: one of `names()`, a group, or a number from 0 to 47. Raises Problem for other names."""
    key = " ".join(name.lower().replace("_", " ").split())
    if key.isdecimal() and int(key) < COUNT:
        return slice(int(key), int(key) + 1)
    if key in SLICES:
        return SLICES[key]
    for index, plane in enumerate(names()):
        if key in (plane, plane.rstrip("+")):
            return slice(index, index + 1)
    hint = did_you_mean(key, [*SLICES, *names()])
    raise Problem(
        f"{name} is not a plane{hint}; expected one of {', '.join(SLICES)}, with or without a number, or 0 to 47", USAGE
    )


def bytes_of(size: int) -> int:
    """Bytes of a packed position."""
    return -(-COUNT * size * size // 8)


def packed(position: Any) -> Any:
    """The planes of a position, packed: uint8 (2166,) for 19×19."""
    out = np.zeros(bytes_of(int(position["size"])), np.uint8)
    write(position, out, 0)
    return out


def unpacked(rows: Any, size: int = SIZE, planes: slice = slice(0, COUNT)) -> Any:
    """Packed positions (…, bytes) as planes, uint8 (…, 48, size, size), or as some of the planes."""
    first, last = planes.start * size * size, planes.stop * size * size
    bits = np.unpackbits(rows[..., first // 8 : -(-last // 8)], axis=-1)[..., first % 8 : first % 8 + last - first]
    return bits.reshape(*rows.shape[:-1], planes.stop - planes.start, size, size)


def sensible_places(row: Any) -> Any:
    """The places of legal moves that fill no true eye of the player, int64, in a packed position on 19×19."""
    return np.flatnonzero(unpacked(row, SIZE, SLICES["sensible"]))


def planes(position: Any) -> Any:
    """The planes of a position, uint8 (48, size, size): [plane][row from the top][column from the left]."""
    return unpacked(packed(position), int(position["size"]))


def stones(position: Any) -> Any:
    """The lectures' input, int8 (1, size, size): black 1, white −1, empty 0."""
    return np.array([0, 1, -1], np.int8)[on_board(position["colour"], int(position["size"]))][None]


# --- compiled ------------------------------------------------------------------------------------------------------


@compiled
def mark(b, out, plane, place):  # type: ignore[no-untyped-def]
    """Sets the bit of a place in a plane."""
    bit = plane * b.size * b.size + place
    out[b.offset + (bit >> 3)] |= 128 >> (bit & 7)


@compiled
def write(b, out, offset):  # type: ignore[no-untyped-def]
    """Packs the planes of a position into the bytes from `offset`. The position is the same afterwards."""
    b.offset = offset
    for i in range(offset, offset + (COUNT * b.size * b.size + 7) // 8):
        out[i] = 0
    place, eyes = 0, 0
    for row in range(b.size):
        for p in range((row + 1) * WIDTH + 1, (row + 1) * WIDTH + 1 + b.size):
            mark(b, out, ONES, place)
            if b.colour[p] != EMPTY:
                mark_stone(b, p, out, place)
            else:
                mark(b, out, STONES + 2, place)
                if may_be_eye(b, p, b.turn):
                    b.eye_points[eyes] = p
                    eyes += 1
                if legal(b, p):
                    mark_move(b, p, out, place)
            place += 1
    unmark_eyes(b, out, eyes)
    mark_ladders(b, out)


@compiled
def mark_stone(b, p, out, place):  # type: ignore[no-untyped-def]
    """Marks a stone's colour, age and liberties."""
    mark(b, out, STONES + (b.colour[p] != b.turn), place)
    mark(b, out, AGE + min(b.moves - b.age[p], LAST), place)
    mark(b, out, LIBERTIES + min(b.liberties[b.head[p]] - 1, LAST), place)


@compiled
def mark_move(b, p, out, place):  # type: ignore[no-untyped-def]
    """Marks the effect of a legal move, and the move as sensible; `unmark_eyes` corrects that."""
    captured, size, liberties = move_effect(b, p, b.turn)
    mark(b, out, CAPTURE + min(captured, LAST), place)
    mark(b, out, AFTER + min(liberties - 1, LAST), place)
    if liberties == 1:
        mark(b, out, SELF_ATARI + min(size - 1, LAST), place)
    mark(b, out, SENSIBLE, place)


@compiled
def unmark_eyes(b, out, count):  # type: ignore[no-untyped-def]
    """Clears the true eyes among the first `count` points in b.eye_points in the sensible plane."""
    mark_eyes(b, b.turn, count)
    for i in range(count):
        if b.eye[b.eye_points[i]]:
            bit = SENSIBLE * b.size * b.size + place_of(b, b.eye_points[i])
            out[b.offset + (bit >> 3)] &= 255 - (128 >> (bit & 7))
    clear_eyes(b, count)


@compiled
def mark_ladders(b, out):  # type: ignore[no-untyped-def]
    """Marks the moves that capture in a ladder, and those that escape from one."""
    for row in range(b.size):
        for h in range((row + 1) * WIDTH + 1, (row + 1) * WIDTH + 1 + b.size):
            if b.colour[h] == EMPTY or b.head[h] != h:
                continue
            if b.colour[h] == WALL - b.turn and b.liberties[h] == 2:
                for p in two_liberties(b, h):
                    if captures_in_ladder(b, h, p):
                        mark(b, out, LADDER_CAPTURE, place_of(b, p))
            elif b.colour[h] == b.turn and b.liberties[h] == 1:
                for i in range(ladder_escapes(b, h)):
                    mark(b, out, LADDER_ESCAPE, place_of(b, b.replies[i]))
