"""Eyes: empty points that their owner should not fill.

A point may be an eye if all its neighbours are its owner's stones or the edge. It is a true one unless too many of
its diagonals are bad: one in the middle of the board, none at the edge. A diagonal is bad where the other colour
stands, or where it is empty and no true eye itself. That is a definition in a circle, and the largest set that
satisfies it is meant: begin with all that may be eyes, and strike out until nothing changes.
"""

from __future__ import annotations

from .compiled import compiled
from .position import EMPTY, POINTS, WALL, WIDTH


@compiled
def may_be_eye(b, p, own):  # type: ignore[no-untyped-def]
    """Whether all neighbours of the empty point p are stones of `own` or the edge."""
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):  # noqa: SIM110  numba compiles no generators
        if b.colour[q] != own and b.colour[q] != WALL:
            return False
    return True


@compiled
def mark_eyes(b, own, count):  # type: ignore[no-untyped-def]
    """Marks in b.eye those of the `count` points in b.asked that are true eyes; they are all that may be eyes."""
    for i in range(count):
        b.eye[b.asked[i]] = 1
    changed = count > 0
    while changed:
        changed = False
        for i in range(count):
            p = b.asked[i]
            if b.eye[p] and is_spoilt(b, p, own):
                b.eye[p] = 0
                changed = True


@compiled
def is_spoilt(b, p, own):  # type: ignore[no-untyped-def]
    """Whether too many diagonals of p are bad."""
    left = 1
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == WALL:
            left = 0
    for q in (p - WIDTH - 1, p - WIDTH + 1, p + WIDTH - 1, p + WIDTH + 1):
        left -= b.colour[q] == WALL - own or (b.colour[q] == EMPTY and not b.eye[q])
    return left < 0


@compiled
def wipe_eyes(b, count):  # type: ignore[no-untyped-def]
    for i in range(count):
        b.eye[b.asked[i]] = 0


@compiled
def is_eye(b, p, own):  # type: ignore[no-untyped-def]
    """Whether the empty point p is a true eye of `own`."""
    if not may_be_eye(b, p, own):
        return False
    count = 0
    for q in range(WIDTH, POINTS - WIDTH):
        if b.colour[q] == EMPTY and may_be_eye(b, q, own):
            b.asked[count] = q
            count += 1
    mark_eyes(b, own, count)
    found = b.eye[p] == 1
    wipe_eyes(b, count)
    return found
