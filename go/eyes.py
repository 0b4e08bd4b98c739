"""Eyes: empty points that their owner should not fill.

A point may be an eye if all its neighbours are the owner's stones or the edge. It is a true eye unless too many of its
diagonals are bad: more than one in the middle of the board, any at the edge. A diagonal is bad if the opponent has a
stone there, or if it is empty and no true eye itself. Of this circular definition the largest solution is meant: start
with all points that may be eyes, and remove points until nothing changes.
"""

from __future__ import annotations

from .compiled import compiled
from .position import EMPTY, POINTS, WALL, WIDTH


@compiled
def may_be_eye(b, p, colour):  # type: ignore[no-untyped-def]
    """Returns True if all neighbours of the empty point p are stones of `colour` or the edge."""
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):  # noqa: SIM110  numba compiles no generators
        if b.colour[q] != colour and b.colour[q] != WALL:
            return False
    return True


@compiled
def mark_eyes(b, colour, count):  # type: ignore[no-untyped-def]
    """Marks in b.eye the true eyes among the first `count` points in b.eye_points, which are all that may be eyes."""
    for i in range(count):
        b.eye[b.eye_points[i]] = 1
    changed = count > 0
    while changed:
        changed = False
        for i in range(count):
            p = b.eye_points[i]
            if b.eye[p] and has_bad_diagonals(b, p, colour):
                b.eye[p] = 0
                changed = True


@compiled
def has_bad_diagonals(b, p, colour):  # type: ignore[no-untyped-def]
    """Returns True if too many diagonals of p are bad."""
    allowed = 1
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == WALL:
            allowed = 0
    for q in (p - WIDTH - 1, p - WIDTH + 1, p + WIDTH - 1, p + WIDTH + 1):
        allowed -= b.colour[q] == WALL - colour or (b.colour[q] == EMPTY and not b.eye[q])
    return allowed < 0


@compiled
def clear_eyes(b, count):  # type: ignore[no-untyped-def]
    for i in range(count):
        b.eye[b.eye_points[i]] = 0


@compiled
def is_eye(b, p, colour):  # type: ignore[no-untyped-def]
    """Returns True if the empty point p is a true eye of `colour`."""
    if not may_be_eye(b, p, colour):
        return False
    count = 0
    for q in range(WIDTH, POINTS - WIDTH):
        if b.colour[q] == EMPTY and may_be_eye(b, q, colour):
            b.eye_points[count] = q
            count += 1
    mark_eyes(b, colour, count)
    is_true = b.eye[p] == 1
    clear_eyes(b, count)
    return is_true
