"""A position as one record of flat arrays: stones, chains with their liberties, ko, and what undoes the last moves.

A point is an index into a frame of 20 columns: row 0 of the board begins at 21, and where there is no board there is
a wall. So the neighbours of p are p - 20, p - 1, p + 1, p + 20 on every size of board, without a table or a question.
A chain is named by one of its stones, its head; only there its size and its liberties are kept. The liberties are a
set of bits, so that chains join by an OR and a point that touches a chain twice counts once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import NONE, ONE, compiled, popcount

EMPTY, BLACK, WHITE, WALL = 0, 1, 2, 3
PASS = 0  # as a point: a corner of the frame
LARGEST = 19  # rows and columns of the largest board
WIDTH = LARGEST + 1  # of the frame: one wall between two rows does for both
POINTS = (LARGEST + 2) * WIDTH + 4
WORDS = 6  # of 64 bits: points 20 to 403
LOG = 256  # moves that can be undone
REPLIES = 1024  # waiting to be tried in reading a ladder

POSITION = np.dtype(
    [
        ("colour", "i8", POINTS),
        ("age", "i8", POINTS),  # the turn in which the stone came
        ("head", "i8", POINTS),
        ("next", "i8", POINTS),  # the stones of a chain as a ring
        ("stones", "i8", POINTS),  # of the chain with this head
        ("liberties", "i8", POINTS),
        ("free", "u8", (POINTS, WORDS)),  # the liberties themselves
        ("hash", "u8"),  # of the stones, whoever is to move
        ("size", "i8"),
        ("turn", "i8"),  # the colour to move
        ("ko", "i8"),  # the point that is forbidden to it, or 0
        ("moves", "i8"),  # turns so far: moves, passes and stones set up
        ("taken", "i8", 3),  # stones of each colour that were captured
        ("depth", "i8"),  # moves in the log
        ("log_point", "i8", LOG),
        ("log_ko", "i8", LOG),
        ("log_age", "i8", LOG),  # what was at the point before: a captured stone may come back
        ("log_head", "i8", LOG),
        ("log_next", "i8", LOG),
        ("log_stones", "i8", LOG),  # of the root, the chain that the others joined
        ("log_liberties", "i8", LOG),
        ("log_free", "u8", (LOG, WORDS)),
        ("log_joined", "i8", (LOG, 3)),  # heads of the chains that joined the root, 0 for none
        ("log_captured", "i8", (LOG, 4)),  # heads of the chains that were captured
        ("reach", "u8", WORDS),  # room for what reads the position: nothing here outlives a question
        ("asked", "i8", POINTS),
        ("eye", "i8", POINTS),  # all zero between questions
        ("reads", "i8"),
        ("base", "i8"),  # where a packed position begins in what is written
        ("replies", "i8", REPLIES),  # a stack
        ("top", "i8"),
        ("begin", "i8", LOG),  # of the replies to each atari of the ladder that is read
        ("end", "i8", LOG),
        ("floor", "i8", LOG),  # of what lies above them on the stack
        ("other", "i8", LOG),  # the hunters' other move against the reply at hand, or 0
    ],
    align=True,
)

ZOBRIST = np.random.Generator(np.random.PCG64(19)).integers(1, 2**64 - 1, (3, POINTS), np.uint64, endpoint=True)


def point_of(row: int, column: int) -> int:
    """The point in a row from the top and a column from the left, both from 0."""
    return (row + 1) * WIDTH + column + 1


def place_of(point: int) -> tuple[int, int]:
    """The row and the column of a point."""
    return point // WIDTH - 1, point % WIDTH - 1


def empty_positions(count: int, size: int) -> Any:
    """An array of empty boards, black to move."""
    positions = np.zeros(count, POSITION)
    for each in positions:
        clear(each, size)
    return positions


@compiled
def clear(b, size):  # type: ignore[no-untyped-def]
    """An empty board, black to move."""
    b.colour[:] = WALL
    for row in range(size):
        for column in range(size):
            b.colour[(row + 1) * WIDTH + column + 1] = EMPTY
    b.taken[:] = 0
    b.hash, b.size, b.turn, b.ko, b.moves, b.depth = NONE, size, BLACK, 0, 0, 0


# --- sets of points ------------------------------------------------------------------------------------------------


@compiled
def word(p):  # type: ignore[no-untyped-def]
    return (p - WIDTH) >> 6


@compiled
def bit(p):  # type: ignore[no-untyped-def]
    return ONE << np.uint64((p - WIDTH) & 63)


@compiled
def add_liberty(b, h, p):  # type: ignore[no-untyped-def]
    w, m = word(p), bit(p)
    if b.free[h, w] & m == NONE:
        b.free[h, w] |= m
        b.liberties[h] += 1


@compiled
def drop_liberty(b, h, p):  # type: ignore[no-untyped-def]
    w, m = word(p), bit(p)
    if b.free[h, w] & m != NONE:
        b.free[h, w] ^= m
        b.liberties[h] -= 1


# --- the rules -----------------------------------------------------------------------------------------------------


@compiled
def legal(b, p):  # type: ignore[no-untyped-def]
    """Whether the colour to move may play at p: empty, not the ko, no suicide."""
    if b.colour[p] != EMPTY or p == b.ko:
        return False
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        c = b.colour[q]
        if c == EMPTY:
            return True
        if c != WALL and (b.liberties[b.head[q]] > 1) == (c == b.turn):
            return True
    return False


@compiled
def push(b, p):  # type: ignore[no-untyped-def]
    """Plays a legal move, or a pass, of the colour to move; `pop` takes it back. Gives the stones it captures."""
    d = b.depth
    b.log_point[d], b.log_ko[d] = p, b.ko
    b.depth, b.ko = d + 1, 0
    b.moves += 1
    captured = 0
    if p != PASS:
        b.log_age[d], b.log_head[d], b.log_next[d] = b.age[p], b.head[p], b.next[p]
        b.log_captured[d] = 0
        b.log_joined[d] = 0
        root = join(b, p, d)
        captured, last = take(b, p, d)
        if captured == 1 and b.stones[root] == 1 and b.liberties[root] == 1:
            b.ko = last
    b.turn = WALL - b.turn
    return captured


@compiled
def join(b, p, d):  # type: ignore[no-untyped-def]
    """Puts a stone on the board and makes it one chain with its neighbours. Gives the head of the chain."""
    own = b.turn
    root, most = p, 0
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):  # the fewer stones take the name of the more
        if b.colour[q] == own and b.stones[b.head[q]] > most:
            root = b.head[q]
            most = b.stones[root]
    b.log_stones[d], b.log_liberties[d] = b.stones[root], b.liberties[root]
    for w in range(WORDS):
        b.log_free[d, w] = b.free[root, w]
    b.colour[p], b.age[p] = own, b.moves
    b.hash ^= ZOBRIST[own, p]
    b.head[p] = root
    if root == p:
        b.next[p], b.stones[p], b.liberties[p] = p, 1, 0
        for w in range(WORDS):
            b.free[p, w] = NONE
    else:
        b.next[p], b.next[root] = b.next[root], p
        b.stones[root] += 1
        drop_liberty(b, root, p)
    count = 0
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == EMPTY:
            add_liberty(b, root, q)
        elif b.colour[q] == own and b.head[q] != root:
            b.log_joined[d, count] = b.head[q]
            count += 1
            annex(b, root, b.head[q])
    if count:
        b.free[root, word(p)] &= ~bit(p)
        b.liberties[root] = 0
        for w in range(WORDS):
            b.liberties[root] += popcount(b.free[root, w])
    return root


@compiled
def annex(b, root, other):  # type: ignore[no-untyped-def]
    """Makes another chain part of the root's; what is kept at its head stays there for `pop`."""
    for w in range(WORDS):
        b.free[root, w] |= b.free[other, w]
    b.stones[root] += b.stones[other]
    rename(b, other, root)
    b.next[root], b.next[other] = b.next[other], b.next[root]


@compiled
def rename(b, start, head):  # type: ignore[no-untyped-def]
    """Gives all stones of the ring that `start` lies in a head."""
    q = start
    while True:
        b.head[q] = head
        q = b.next[q]
        if q == start:
            break


@compiled
def take(b, p, d):  # type: ignore[no-untyped-def]
    """Takes a liberty from the neighbours of the other colour, and off the board those that have none left.

    Gives how many stones were captured, and where the last of them stood.
    """
    captured, count, last = 0, 0, 0
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] != WALL - b.turn:
            continue
        h = b.head[q]
        drop_liberty(b, h, p)
        if b.liberties[h] == 0:
            b.log_captured[d, count] = h
            count += 1
            captured += b.stones[h]
            last = q
            lift(b, h)
    b.taken[WALL - b.turn] += captured
    return captured, last


@compiled
def lift(b, h):  # type: ignore[no-untyped-def]
    """Takes a chain off the board; its ring stays as it was, for `pop`."""
    theirs = b.colour[h]
    q = h
    while True:
        b.colour[q] = EMPTY
        b.hash ^= ZOBRIST[theirs, q]
        for n in (q - WIDTH, q - 1, q + 1, q + WIDTH):
            if b.colour[n] == WALL - theirs:
                add_liberty(b, b.head[n], q)
        q = b.next[q]
        if q == h:
            break


@compiled
def pop(b):  # type: ignore[no-untyped-def]
    """Takes the last move back. All that `push` changed is as it was."""
    d = b.depth - 1
    p = b.log_point[d]
    b.depth, b.ko = d, b.log_ko[d]
    b.moves -= 1
    b.turn = WALL - b.turn
    if p == PASS:
        return
    own = b.turn
    for i in range(3, -1, -1):
        h = b.log_captured[d, i]
        if h != 0:
            b.taken[WALL - own] -= b.stones[h]
            put_back(b, h, WALL - own)
    root = b.head[p]
    for i in range(2, -1, -1):
        other = b.log_joined[d, i]
        if other != 0:
            b.next[root], b.next[other] = b.next[other], b.next[root]
            rename(b, other, other)
    if root != p:
        b.next[root] = b.next[p]
    b.stones[root], b.liberties[root] = b.log_stones[d], b.log_liberties[d]
    for w in range(WORDS):
        b.free[root, w] = b.log_free[d, w]
    b.colour[p] = EMPTY
    b.hash ^= ZOBRIST[own, p]
    b.age[p], b.head[p], b.next[p] = b.log_age[d], b.log_head[d], b.log_next[d]
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == WALL - own:
            add_liberty(b, b.head[q], p)


@compiled
def put_back(b, h, theirs):  # type: ignore[no-untyped-def]
    """Puts a captured chain back on the board."""
    q = h
    while True:
        b.colour[q] = theirs
        b.hash ^= ZOBRIST[theirs, q]
        for n in (q - WIDTH, q - 1, q + 1, q + WIDTH):
            if b.colour[n] == WALL - theirs:
                drop_liberty(b, b.head[n], q)
        q = b.next[q]
        if q == h:
            break


@compiled
def play(b, p):  # type: ignore[no-untyped-def]
    """Plays a legal move, or a pass, for good. Gives the stones it captures."""
    b.depth = 0
    captured = push(b, p)
    b.depth = 0
    return captured


@compiled
def turn_to(b, colour):  # type: ignore[no-untyped-def]
    """Gives the move to a colour. A ko forbids a point to the other one only."""
    if colour != b.turn:
        b.turn = colour
        b.ko = 0
