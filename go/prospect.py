"""What a move would do, found without playing it: stones captured, and the size and liberties of its chain after."""

from __future__ import annotations

from .compiled import NONE, compiled, popcount
from .position import EMPTY, WALL, WIDTH, WORDS, bit, word


@compiled
def prospect(b, p, own):  # type: ignore[no-untyped-def]
    """Of a stone of colour `own` at the empty point p: stones it captures; stones and liberties of its chain after.

    That the move is legal is not asked.
    """
    spaces, captured, stones = 0, 0, 1
    first, several = 0, False
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        c = b.colour[q]
        if c == EMPTY:
            spaces += 1
        elif c == own:
            h = b.head[q]
            several |= first != 0 and h != first
            first = h
        elif c == WALL - own and b.liberties[b.head[q]] == 1:
            captured += 1
    if captured or several:
        return carefully(b, p, own)
    if first == 0:
        return captured, stones, spaces
    liberties = b.liberties[first] - 1  # p itself was one
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        liberties += b.colour[q] == EMPTY and b.free[first, word(q)] & bit(q) == NONE
    return captured, stones + b.stones[first], liberties


@compiled
def carefully(b, p, own):  # type: ignore[no-untyped-def]
    """The same where chains join or are captured: the liberties are put together as sets."""
    captured, stones = 0, 1
    one, two, three = 0, 0, 0  # chains that were counted: of four neighbours the last needs no remembering
    reach = b.reach
    reach[:] = NONE
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        c = b.colour[q]
        if c == EMPTY:
            reach[word(q)] |= bit(q)
        if c in (EMPTY, WALL):
            continue
        h = b.head[q]
        if h in (one, two, three):
            continue
        one, two, three = h, one, two
        if c == own:
            stones += b.stones[h]
            for w in range(WORDS):
                reach[w] |= b.free[h, w]
        elif b.liberties[h] == 1:
            captured += b.stones[h]
    if captured:
        vacate(b, p, own)
    reach[word(p)] &= ~bit(p)
    liberties = 0
    for w in range(WORDS):
        liberties += popcount(reach[w])
    return captured, stones, liberties


@compiled
def vacate(b, p, own):  # type: ignore[no-untyped-def]
    """Adds the points of the captured stones that touch the new chain: each is a liberty of it."""
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == WALL - own and b.liberties[b.head[q]] == 1:
            s = q
            while True:
                if touches(b, s, p, own):
                    b.reach[word(s)] |= bit(s)
                s = b.next[s]
                if s == q:
                    break


@compiled
def touches(b, s, p, own):  # type: ignore[no-untyped-def]
    """Whether the point s lies beside p or beside a stone of a chain of `own` that p touches."""
    for n in (s - WIDTH, s - 1, s + 1, s + WIDTH):
        if n == p:
            return True
        if b.colour[n] == own:
            for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
                if b.colour[q] == own and b.head[q] == b.head[n]:
                    return True
    return False
