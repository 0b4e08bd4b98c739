"""Ladders, read to the end by playing and taking back.

A move at a liberty of a chain with two liberties captures it in a ladder if it leaves it one liberty, and no reply
saves it. Replies are its last liberty and the moves that capture a chain of the hunters, itself in atari, that touches
it; replies are legal and fill no true eye. A reply saves it if it has three liberties then; with two it is saved
unless a move at either of them captures it; with one it is lost.

Where a ladder goes on for more than PLIES moves, or takes more than READS of them to read, the chain counts as saved.
"""

from __future__ import annotations

from .compiled import NONE, ONE, compiled, lowest
from .eyes import is_eye, may_be_eye
from .position import REPLIES, WALL, WIDTH, WORDS, bit, legal, pop, push, word
from .prospect import prospect

PLIES = 200  # from corner to corner of an empty board a ladder has 63
SAVED, LOST, CHASED = 1, 0, 2
READS = 20_000  # moves played in reading one ladder: no position of 7.5 million comes near


@compiled
def two_liberties(b, h):  # type: ignore[no-untyped-def]
    """The first and the last liberty of the chain with head h; 0 and 0 where it has none."""
    first = last = 0
    for w in range(WORDS):
        rest = b.free[h, w]
        while rest != NONE:
            last = (w << 6) + lowest(rest) + WIDTH
            first = first or last
            rest &= rest - ONE
    return first, last


@compiled
def captures(b, prey, p):  # type: ignore[no-untyped-def]
    """Whether the colour to move captures the other's chain at `prey` in a ladder that begins at p.

    The chain has two liberties, and p is one of them.
    """
    b.reads = b.top = 0
    if not hunt(b, prey, p):
        return False
    lost = not one_saves(b, prey, 0, gather_replies(b, prey))
    pop(b)
    return lost


@compiled
def escapes(b, prey):  # type: ignore[no-untyped-def]
    """Puts into b.replies the moves that save the chain at `prey`, in atari, of the colour to move; how many?"""
    b.top = kept = 0
    for i in range(gather_replies(b, prey)):
        b.reads = 0
        if one_saves(b, prey, i, i + 1):
            b.replies[kept] = b.replies[i]
            kept += 1
    return kept


@compiled
def hunt(b, prey, p):  # type: ignore[no-untyped-def]
    """Plays a hunter's move at p, where it is legal and leaves the chain at `prey`, of two liberties, only one."""
    if not legal(b, p) or runs_free(b, prey, p):
        return False
    push(b, p)
    b.reads += 1
    return True


@compiled
def runs_free(b, prey, p):  # type: ignore[no-untyped-def]
    """Whether it is plain that after a move at p the chain at `prey` has three liberties with its next stone.

    It is seen without playing: most ladders end here. Where anything is captured, it is not plain.
    """
    theirs = b.colour[prey]
    first, last = two_liberties(b, b.head[prey])
    other = last if p == first else first
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == theirs and b.liberties[b.head[q]] == 1:
            return False
    captured, _, liberties = prospect(b, other, theirs)
    return captured == 0 and liberties > 3 and not may_be_eye(b, other, theirs)  # p is one of those liberties


@compiled
def gather_replies(b, prey):  # type: ignore[no-untyped-def]
    """Puts the replies to an atari on the chain at `prey` on the stack: legal, no true eyes. Gives the new top."""
    begin = b.top
    add_reply(b, begin, two_liberties(b, b.head[prey])[0])
    s = prey
    while True:
        for q in (s - WIDTH, s - 1, s + 1, s + WIDTH):
            if b.colour[q] == WALL - b.turn and b.liberties[b.head[q]] == 1:
                add_reply(b, begin, two_liberties(b, b.head[q])[0])
        s = b.next[s]
        if s == prey:
            return b.top


@compiled
def add_reply(b, begin, p):  # type: ignore[no-untyped-def]
    for i in range(begin, b.top):
        if b.replies[i] == p:
            return
    if legal(b, p) and not is_eye(b, p, b.turn) and b.top < REPLIES:
        b.replies[b.top] = p
        b.top += 1


@compiled
def one_saves(b, prey, begin, end):  # type: ignore[no-untyped-def]
    """Whether one of the replies on the stack, from `begin` to `end`, saves the chain at `prey`, in atari.

    Depth first. A level is an atari of the hunters with the replies that are left to it; compiled code that calls
    itself could not be kept on the disk.
    """
    level = 0
    b.begin[0], b.end[0], b.floor[0] = begin, end, b.top
    while True:
        saved = False
        if b.begin[level] < b.end[level]:
            outcome = answer(b, prey, b.replies[b.begin[level]], level)
            b.begin[level] += 1
            if outcome == CHASED:
                level += 1
                open_level(b, prey, level)
            if outcome != SAVED:
                continue
            saved = True
        while level > 0:  # this atari is decided: back to the reply that it answered
            level -= 1
            b.top = b.floor[level]
            pop(b)
            if saved and b.other[level] and hunt(b, prey, b.other[level]):
                b.other[level] = 0
                level += 1
                open_level(b, prey, level)
                break
            pop(b)
            if not saved:
                break
        else:
            return saved


@compiled
def open_level(b, prey, level):  # type: ignore[no-untyped-def]
    b.begin[level] = b.top
    b.end[level] = b.floor[level] = gather_replies(b, prey)


@compiled
def answer(b, prey, p, level):  # type: ignore[no-untyped-def]
    """Plays a reply at p, and the hunters' next atari where it is CHASED; SAVED and LOST leave the board as it was."""
    if is_liberty(b, b.head[prey], p):
        liberties = prospect(b, p, b.turn)[2]
        if liberties != 2:  # seen without playing
            return SAVED if liberties > 2 else LOST
    push(b, p)
    b.reads += 1
    liberties = b.liberties[b.head[prey]]
    if liberties == 2 and b.depth < PLIES and b.reads < READS:
        one, two = two_liberties(b, b.head[prey])
        b.other[level] = two
        if hunt(b, prey, one):
            return CHASED
        b.other[level] = 0
        if hunt(b, prey, two):
            return CHASED
    pop(b)
    return SAVED if liberties > 1 else LOST


@compiled
def is_liberty(b, h, p):  # type: ignore[no-untyped-def]
    return b.free[h, word(p)] & bit(p) != NONE
