"""A position as one record of flat arrays: stones, chains with their liberties, ko, and a log for undoing moves.

A point is an index into a frame of 20 columns: row 0 of the board begins at 21, and points off the board are walls. So
the neighbours of p are p - 20, p - 1, p + 1 and p + 20 on every board size, without a table or bounds checks.
A chain is identified by one of its stones, its head; the chain's size and liberties are stored at the head only. The
liberties are a bit set, so that merging chains is an OR and a point that touches a chain twice counts once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import U64_ONE, U64_ZERO, compiled, popcount

EMPTY, BLACK, WHITE, WALL = 0, 1, 2, 3  # WALL - colour is the opponent's colour
PASS = 0  # as a point: a corner of the frame
LARGEST = 19  # rows and columns of the largest board
WIDTH = LARGEST + 1  # of the frame: one wall separates two rows
POINTS = (LARGEST + 2) * WIDTH + 4
WORDS = 6  # of 64 bits: points 20 to 403
MAX_LOG = 256  # moves that can be undone
MAX_REPLIES = 1024  # on the stack of the ladder reader

POSITION = np.dtype(
    [
        ("colour", "i8", POINTS),
        ("age", "i8", POINTS),  # the turn in which the stone was played
        ("head", "i8", POINTS),
        ("next", "i8", POINTS),  # the stones of a chain as a ring
        ("stones", "i8", POINTS),  # size of the chain with this head
        ("liberties", "i8", POINTS),  # their number, at the head
        ("liberty_set", "u8", (POINTS, WORDS)),  # the liberties as bits, at the head
        ("hash", "u8"),  # of the stones, independent of the colour to move
        ("size", "i8"),
        ("turn", "i8"),  # the colour to move
        ("ko", "i8"),  # the point forbidden to it, or 0
        ("moves", "i8"),  # turns so far: moves, passes and stones set up
        ("captured", "i8", 3),  # captured stones of each colour
        ("depth", "i8"),  # moves in the log
        ("log_point", "i8", MAX_LOG),
        ("log_ko", "i8", MAX_LOG),
        ("log_age", "i8", MAX_LOG),  # the point's values before the move: a captured stone may be restored
        ("log_head", "i8", MAX_LOG),
        ("log_next", "i8", MAX_LOG),
        ("log_stones", "i8", MAX_LOG),  # of the root, the chain that the others merged into
        ("log_liberties", "i8", MAX_LOG),
        ("log_liberty_set", "u8", (MAX_LOG, WORDS)),
        ("log_merged", "i8", (MAX_LOG, 3)),  # heads of the chains merged into the root, 0 for none
        ("log_captured", "i8", (MAX_LOG, 4)),  # heads of the captured chains
        ("scratch_set", "u8", WORDS),  # the rest is scratch space of the functions that read a position
        ("eye_points", "i8", POINTS),
        ("eye", "i8", POINTS),  # all zero between calls
        ("moves_read", "i8"),  # in the current ladder
        ("offset", "i8"),  # of the packed position in the output
        ("replies", "i8", MAX_REPLIES),  # a stack
        ("reply_count", "i8"),
        ("level_next", "i8", MAX_LOG),  # the range of untried replies to each atari of the ladder
        ("level_end", "i8", MAX_LOG),
        ("level_top", "i8", MAX_LOG),  # height of the stack while the level is read
        ("second_atari", "i8", MAX_LOG),  # the attacker's alternative to the current atari, or 0
    ],
    align=True,
)

ZOBRIST = np.random.Generator(np.random.PCG64(19)).integers(1, 2**64 - 1, (3, POINTS), np.uint64, endpoint=True)


def on_board(points: Any, size: int) -> Any:
    """The values of an array over points (POINTS,) that lie on a board, (size, size)."""
    return points[WIDTH : WIDTH * (size + 1)].reshape(size, WIDTH)[:, 1 : size + 1]


def empty_positions(count: int, size: int) -> Any:
    """An array of empty boards, Black to move."""
    positions = np.zeros(count, POSITION)
    for position in positions:
        clear(position, size)
    return positions


@compiled
def clear(b, size):  # type: ignore[no-untyped-def]
    """Makes the board empty, Black to move."""
    b.colour[:] = WALL
    for row in range(size):
        for column in range(size):
            b.colour[(row + 1) * WIDTH + column + 1] = EMPTY
    b.captured[:] = 0
    b.hash, b.size, b.turn, b.ko, b.moves, b.depth = U64_ZERO, size, BLACK, 0, 0, 0


# --- places --------------------------------------------------------------------------------------------------------


@compiled
def point_of(b, place):  # type: ignore[no-untyped-def]
    """The point of a place, see coords.py."""
    return (place // b.size + 1) * WIDTH + place % b.size + 1


@compiled
def place_of(b, p):  # type: ignore[no-untyped-def]
    """The place of a point."""
    return (p // WIDTH - 1) * b.size + p % WIDTH - 1


# --- sets of points ------------------------------------------------------------------------------------------------


@compiled
def word_of(p):  # type: ignore[no-untyped-def]
    return (p - WIDTH) >> 6


@compiled
def bit_of(p):  # type: ignore[no-untyped-def]
    return U64_ONE << np.uint64((p - WIDTH) & 63)


@compiled
def add_liberty(b, h, p):  # type: ignore[no-untyped-def]
    word, bit = word_of(p), bit_of(p)
    if b.liberty_set[h, word] & bit == U64_ZERO:
        b.liberty_set[h, word] |= bit
        b.liberties[h] += 1


@compiled
def remove_liberty(b, h, p):  # type: ignore[no-untyped-def]
    word, bit = word_of(p), bit_of(p)
    if b.liberty_set[h, word] & bit != U64_ZERO:
        b.liberty_set[h, word] ^= bit
        b.liberties[h] -= 1


# --- the rules -----------------------------------------------------------------------------------------------------


@compiled
def legal(b, p):  # type: ignore[no-untyped-def]
    """Returns True if the colour to move may play at p: empty, not the ko, no suicide."""
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
def play(b, p):  # type: ignore[no-untyped-def]
    """Plays a legal move, or a pass, of the colour to move and logs it for `undo`. Returns the stones captured."""
    d = b.depth
    b.log_point[d], b.log_ko[d] = p, b.ko
    b.depth, b.ko = d + 1, 0
    b.moves += 1
    captured = 0
    if p != PASS:
        b.log_age[d], b.log_head[d], b.log_next[d] = b.age[p], b.head[p], b.next[p]
        b.log_captured[d] = 0
        b.log_merged[d] = 0
        root = place_stone(b, p, d)
        captured, last = capture(b, p, d)
        if captured == 1 and b.stones[root] == 1 and b.liberties[root] == 1:
            b.ko = last
    b.turn = WALL - b.turn
    return captured


@compiled
def place_stone(b, p, d):  # type: ignore[no-untyped-def]
    """Puts a stone of the colour to move at p and merges it with its neighbours. Returns the head of the chain."""
    colour = b.turn
    root, largest = p, 0
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):  # the largest chain keeps its head: the fewest stones change theirs
        if b.colour[q] == colour and b.stones[b.head[q]] > largest:
            root = b.head[q]
            largest = b.stones[root]
    b.log_stones[d], b.log_liberties[d] = b.stones[root], b.liberties[root]
    for w in range(WORDS):
        b.log_liberty_set[d, w] = b.liberty_set[root, w]
    b.colour[p], b.age[p] = colour, b.moves
    b.hash ^= ZOBRIST[colour, p]
    b.head[p] = root
    if root == p:
        b.next[p], b.stones[p], b.liberties[p] = p, 1, 0
        for w in range(WORDS):
            b.liberty_set[p, w] = U64_ZERO
    else:
        b.next[p], b.next[root] = b.next[root], p
        b.stones[root] += 1
        remove_liberty(b, root, p)
    count = 0
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == EMPTY:
            add_liberty(b, root, q)
        elif b.colour[q] == colour and b.head[q] != root:
            b.log_merged[d, count] = b.head[q]
            count += 1
            merge_chains(b, root, b.head[q])
    if count:
        b.liberty_set[root, word_of(p)] &= ~bit_of(p)
        b.liberties[root] = 0
        for w in range(WORDS):
            b.liberties[root] += popcount(b.liberty_set[root, w])
    return root


@compiled
def merge_chains(b, root, merged):  # type: ignore[no-untyped-def]
    """Merges a chain into the root's; the values at its head stay for `undo`. Does not count the liberties."""
    for w in range(WORDS):
        b.liberty_set[root, w] |= b.liberty_set[merged, w]
    b.stones[root] += b.stones[merged]
    set_head(b, merged, root)
    b.next[root], b.next[merged] = b.next[merged], b.next[root]


@compiled
def set_head(b, start, head):  # type: ignore[no-untyped-def]
    """Sets the head of all stones in the ring of `start`."""
    q = start
    while True:
        b.head[q] = head
        q = b.next[q]
        if q == start:
            break


@compiled
def capture(b, p, d):  # type: ignore[no-untyped-def]
    """Removes the liberty p from the opponent's neighbouring chains, and captures those without liberties.

    Returns the number of captured stones, and a point of the chain captured last.
    """
    captured, count, last = 0, 0, 0
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] != WALL - b.turn:
            continue
        h = b.head[q]
        remove_liberty(b, h, p)
        if b.liberties[h] == 0:
            b.log_captured[d, count] = h
            count += 1
            captured += b.stones[h]
            last = q
            remove_chain(b, h)
    b.captured[WALL - b.turn] += captured
    return captured, last


@compiled
def remove_chain(b, h):  # type: ignore[no-untyped-def]
    """Removes a chain from the board; its ring is kept for `undo`."""
    colour = b.colour[h]
    q = h
    while True:
        b.colour[q] = EMPTY
        b.hash ^= ZOBRIST[colour, q]
        for n in (q - WIDTH, q - 1, q + 1, q + WIDTH):
            if b.colour[n] == WALL - colour:
                add_liberty(b, b.head[n], q)
        q = b.next[q]
        if q == h:
            break


@compiled
def undo(b):  # type: ignore[no-untyped-def]
    """Takes the last logged move back and restores everything that `play` changed."""
    d = b.depth - 1
    p = b.log_point[d]
    b.depth, b.ko = d, b.log_ko[d]
    b.moves -= 1
    b.turn = WALL - b.turn
    if p == PASS:
        return
    colour = b.turn
    for i in range(3, -1, -1):
        h = b.log_captured[d, i]
        if h != 0:
            b.captured[WALL - colour] -= b.stones[h]
            restore_chain(b, h, WALL - colour)
    root = b.head[p]
    for i in range(2, -1, -1):
        merged = b.log_merged[d, i]
        if merged != 0:
            b.next[root], b.next[merged] = b.next[merged], b.next[root]
            set_head(b, merged, merged)
    if root != p:
        b.next[root] = b.next[p]
    b.stones[root], b.liberties[root] = b.log_stones[d], b.log_liberties[d]
    for w in range(WORDS):
        b.liberty_set[root, w] = b.log_liberty_set[d, w]
    b.colour[p] = EMPTY
    b.hash ^= ZOBRIST[colour, p]
    b.age[p], b.head[p], b.next[p] = b.log_age[d], b.log_head[d], b.log_next[d]
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == WALL - colour:
            add_liberty(b, b.head[q], p)


@compiled
def restore_chain(b, h, colour):  # type: ignore[no-untyped-def]
    """Puts a captured chain back on the board."""
    q = h
    while True:
        b.colour[q] = colour
        b.hash ^= ZOBRIST[colour, q]
        for n in (q - WIDTH, q - 1, q + 1, q + WIDTH):
            if b.colour[n] == WALL - colour:
                remove_liberty(b, b.head[n], q)
        q = b.next[q]
        if q == h:
            break


@compiled
def play_without_undo(b, p):  # type: ignore[no-untyped-def]
    """Plays a legal move, or a pass, and empties the log. Returns the stones captured."""
    b.depth = 0
    captured = play(b, p)
    b.depth = 0
    return captured


@compiled
def set_turn(b, colour):  # type: ignore[no-untyped-def]
    """Makes it a colour's turn. If the turn changes, the ko ends: it forbids a point to one colour only."""
    if colour != b.turn:
        b.turn = colour
        b.ko = 0
