"""The effect of a move, computed without playing it: stones captured, and size and liberties of the chain it makes."""

from __future__ import annotations

from .compiled import U64_ZERO, compiled, popcount
from .position import EMPTY, WALL, WIDTH, WORDS, bit_of, word_of


@compiled
def move_effect(b, p, colour):  # type: ignore[no-untyped-def]
    """For a stone of `colour` at the empty point p: stones captured, stones of its chain, liberties of its chain.

    Does not check that the move is legal.
    """
    spaces, captured, stones = 0, 0, 1
    chain, several = 0, False
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        c = b.colour[q]
        if c == EMPTY:
            spaces += 1
        elif c == colour:
            h = b.head[q]
            several |= chain != 0 and h != chain
            chain = h
        elif c == WALL - colour and b.liberties[b.head[q]] == 1:
            captured += 1
    if captured or several:
        return effect_by_sets(b, p, colour)
    if chain == 0:
        return captured, stones, spaces
    liberties = b.liberties[chain] - 1  # p itself was a liberty
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        liberties += b.colour[q] == EMPTY and b.liberty_set[chain, word_of(q)] & bit_of(q) == U64_ZERO
    return captured, stones + b.stones[chain], liberties


@compiled
def effect_by_sets(b, p, colour):  # type: ignore[no-untyped-def]
    """The same for a move that merges or captures chains: unites the sets of liberties."""
    captured, stones = 0, 1
    counted1, counted2, counted3 = 0, 0, 0  # chains counted so far: the fourth neighbour's need not be remembered
    liberty_set = b.scratch_set
    liberty_set[:] = U64_ZERO
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        c = b.colour[q]
        if c == EMPTY:
            liberty_set[word_of(q)] |= bit_of(q)
        if c in (EMPTY, WALL):
            continue
        h = b.head[q]
        if h in (counted1, counted2, counted3):
            continue
        counted1, counted2, counted3 = h, counted1, counted2
        if c == colour:
            stones += b.stones[h]
            for w in range(WORDS):
                liberty_set[w] |= b.liberty_set[h, w]
        elif b.liberties[h] == 1:
            captured += b.stones[h]
    if captured:
        add_captured_points(b, p, colour)
    liberty_set[word_of(p)] &= ~bit_of(p)
    liberties = 0
    for w in range(WORDS):
        liberties += popcount(liberty_set[w])
    return captured, stones, liberties


@compiled
def add_captured_points(b, p, colour):  # type: ignore[no-untyped-def]
    """Adds to b.scratch_set the points of captured stones that touch the new chain: they become its liberties."""
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == WALL - colour and b.liberties[b.head[q]] == 1:
            s = q
            while True:
                if touches(b, s, p, colour):
                    b.scratch_set[word_of(s)] |= bit_of(s)
                s = b.next[s]
                if s == q:
                    break


@compiled
def touches(b, s, p, colour):  # type: ignore[no-untyped-def]
    """Returns True if s is next to p or to a stone of a chain of `colour` that touches p."""
    for n in (s - WIDTH, s - 1, s + 1, s + WIDTH):
        if n == p:
            return True
        if b.colour[n] == colour:
            for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
                if b.colour[q] == colour and b.head[q] == b.head[n]:
                    return True
    return False
