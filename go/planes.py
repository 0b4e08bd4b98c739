"""The 48 planes of AlphaGo's policy network (Silver et al. 2016, Extended Data Table 2), from one table.

Everything is relative to the colour to move. A number n is one plane of its group: ages 0, 1, …, 7 or more; liberties
1, …, 8 or more; stones captured 0, …, 7 or more; stones in self-atari 1, …, 8 or more.

Packed, a position is a row of bits, plane by plane, row by row, the first in the highest bit of the first byte, as
`numpy.packbits` has it: 48 · 361 / 8 = 2,166 bytes for 19×19.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.problem import USAGE, Problem, did_you_mean
from .compiled import compiled
from .eyes import mark_eyes, may_be_eye, wipe_eyes
from .ladder import captures, escapes, two_liberties
from .position import EMPTY, WALL, WIDTH, legal
from .prospect import prospect

PLANES = {
    "stones": 3,  # own, the opponent's, empty
    "ones": 1,
    "turns since": 8,  # a stone was played; passes and stones set up are turns too
    "liberties": 8,  # of the chain on the point
    "capture size": 8,  # stones that a legal move takes
    "self-atari size": 8,  # stones of the chain that a legal move leaves with one liberty
    "liberties after": 8,  # a legal move, of its chain
    "ladder capture": 1,  # a move that captures a chain of two liberties in a ladder
    "ladder escape": 1,  # a move that saves a chain in atari from ladders
    "sensible": 1,  # legal, and no true eye of one's own
    "zeros": 1,  # 47 are not a multiple of 8; AlphaGo's table has it, and so its weights expect it
}
COUNT = sum(PLANES.values())
AT = {name: slice(end - PLANES[name], end) for name, end in zip(PLANES, np.cumsum([*PLANES.values()]), strict=True)}
(STONES, ONES, AGE, LIBERTIES, CAPTURE, SELF_ATARI, AFTER, LADDER_CAPTURE, LADDER_ESCAPE, SENSIBLE, _) = (
    int(AT[name].start) for name in PLANES
)
MOST = 7  # the last plane of a group of eight holds the rest


def names() -> list[str]:
    """A name for each plane: "own stones", "liberties 3", "liberties 8+", "ladder capture"."""
    first = {"turns since": 0, "capture size": 0}
    told = ["own stones", "opponent's stones", "empty"]
    for group, count in list(PLANES.items())[1:]:
        begin = first.get(group, 1)
        numbers = [f" {begin + i}{'+' if i == MOST else ''}" for i in range(count)] if count > 1 else [""]
        told += [group + number for number in numbers]
    return told


def find(name: str) -> slice:
    """The planes that a name means: one of `names()`, a whole group, or a number from 0 to 47.

    Raises Problem for a name that is none of them.
    """
    word = " ".join(name.lower().replace("_", " ").split())
    if word.isdecimal() and int(word) < COUNT:
        return slice(int(word), int(word) + 1)
    if word in AT:
        return AT[word]
    for at, each in enumerate(names()):
        if word in (each, each.rstrip("+")):
            return slice(at, at + 1)
    hint = did_you_mean(word, [*AT, *names()])
    raise Problem(f"{name} is no plane{hint}; there are {', '.join(AT)}, each with its number, or 0 to 47", USAGE)


def bytes_of(size: int) -> int:
    """Bytes of a packed position."""
    return -(-COUNT * size * size // 8)


def packed(position: Any) -> Any:
    """The planes of a position, uint8 (2166,) for 19×19."""
    out = np.zeros(bytes_of(int(position["size"])), np.uint8)
    write(position, out, 0)
    return out


def unpacked(rows: Any, size: int = 19) -> Any:
    """Packed positions (…, bytes) as planes, uint8 (…, 48, size, size)."""
    bits = np.unpackbits(rows, axis=-1, count=COUNT * size * size)
    return bits.reshape(*rows.shape[:-1], COUNT, size, size)


def planes(position: Any) -> Any:
    """The planes of a position, uint8 (48, size, size): [plane][row from the top][column from the left]."""
    return unpacked(packed(position), int(position["size"]))


def stones(position: Any) -> Any:
    """The smaller input, as the lectures draw it: int8 (1, size, size), black 1, white −1, empty 0."""
    size = int(position["size"])
    board = position["colour"][WIDTH : WIDTH * (size + 1)].reshape(size, WIDTH)[:, 1 : size + 1]
    return np.array([0, 1, -1], np.int8)[board][None]


# --- what is compiled ----------------------------------------------------------------------------------------------


@compiled
def mark(b, out, plane, place):  # type: ignore[no-untyped-def]
    """Sets the bit of a place in a plane."""
    at = plane * b.size * b.size + place
    out[b.base + (at >> 3)] |= 128 >> (at & 7)


@compiled
def place_in(b, p):  # type: ignore[no-untyped-def]
    """The place of a point in a plane: row · size + column."""
    return (p // WIDTH - 1) * b.size + p % WIDTH - 1


@compiled
def write(b, out, base):  # type: ignore[no-untyped-def]
    """Packs the planes of a position into bytes, from `base` on. The position is as it was afterwards."""
    b.base = base
    for i in range(base, base + (COUNT * b.size * b.size + 7) // 8):
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
                    b.asked[eyes] = p
                    eyes += 1
                if legal(b, p):
                    mark_move(b, p, out, place)
            place += 1
    strike_eyes(b, out, eyes)
    mark_ladders(b, out)


@compiled
def mark_stone(b, p, out, place):  # type: ignore[no-untyped-def]
    """Whose it is, how old, and its liberties."""
    mark(b, out, STONES + (b.colour[p] != b.turn), place)
    mark(b, out, AGE + min(b.moves - b.age[p], MOST), place)
    mark(b, out, LIBERTIES + min(b.liberties[b.head[p]] - 1, MOST), place)


@compiled
def mark_move(b, p, out, place):  # type: ignore[no-untyped-def]
    """What a legal move does. That it is sensible stands until its point turns out to be an eye."""
    captured, size, liberties = prospect(b, p, b.turn)
    mark(b, out, CAPTURE + min(captured, MOST), place)
    mark(b, out, AFTER + min(liberties - 1, MOST), place)
    if liberties == 1:
        mark(b, out, SELF_ATARI + min(size - 1, MOST), place)
    mark(b, out, SENSIBLE, place)


@compiled
def strike_eyes(b, out, count):  # type: ignore[no-untyped-def]
    """Takes the true eyes among the `count` points in b.asked out of the sensible plane."""
    mark_eyes(b, b.turn, count)
    for i in range(count):
        if b.eye[b.asked[i]]:
            at = SENSIBLE * b.size * b.size + place_in(b, b.asked[i])
            out[b.base + (at >> 3)] &= 255 - (128 >> (at & 7))
    wipe_eyes(b, count)


@compiled
def mark_ladders(b, out):  # type: ignore[no-untyped-def]
    """The moves that capture in a ladder, and those that save from one."""
    for row in range(b.size):
        for h in range((row + 1) * WIDTH + 1, (row + 1) * WIDTH + 1 + b.size):
            if b.colour[h] == EMPTY or b.head[h] != h:
                continue
            if b.colour[h] == WALL - b.turn and b.liberties[h] == 2:
                for p in two_liberties(b, h):
                    if captures(b, h, p):
                        mark(b, out, LADDER_CAPTURE, place_in(b, p))
            elif b.colour[h] == b.turn and b.liberties[h] == 1:
                for i in range(escapes(b, h)):
                    mark(b, out, LADDER_ESCAPE, place_in(b, b.replies[i]))
