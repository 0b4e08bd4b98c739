"""Ladders, read to the end by playing and undoing moves.

A move at a liberty of a chain with two liberties captures it in a ladder if it leaves the chain one liberty and no
reply saves it. Replies are the last liberty, and captures of attacking chains in atari that touch the chain; they must
be legal and fill no true eye. With three liberties after the reply the chain is saved, with one it is captured; with
two it is saved unless a move at one of them captures it in a ladder.

If a ladder is longer than MAX_DEPTH moves, or takes more than MAX_MOVES_READ moves to read, the chain counts as saved.
"""

from __future__ import annotations

from .compiled import U64_ONE, U64_ZERO, compiled, lowest_bit
from .eyes import is_eye, may_be_eye
from .move_effect import move_effect
from .position import MAX_REPLIES, WALL, WIDTH, WORDS, bit_of, legal, play, undo, word_of

MAX_DEPTH = 200  # from corner to corner of an empty board a ladder has 63 moves
SAVED, CAPTURED, UNDECIDED = 1, 0, 2
MAX_MOVES_READ = 20_000  # no position of 7.5 million comes near


@compiled
def two_liberties(b, h):  # type: ignore[no-untyped-def]
    """The first and the last liberty of the chain with head h; 0 and 0 if it has none."""
    first = last = 0
    for w in range(WORDS):
        bits = b.liberty_set[h, w]
        while bits != U64_ZERO:
            last = (w << 6) + lowest_bit(bits) + WIDTH
            first = first or last
            bits &= bits - U64_ONE
    return first, last


@compiled
def captures_in_ladder(b, target, p):  # type: ignore[no-untyped-def]
    """Returns True if the colour to move captures the opponent's chain at `target` in a ladder that begins at p.

    The chain has two liberties, and p is one of them.
    """
    b.moves_read = b.reply_count = 0
    if not play_atari(b, target, p):
        return False
    captured = not any_reply_saves(b, target, 0, push_replies(b, target))
    undo(b)
    return captured


@compiled
def ladder_escapes(b, target):  # type: ignore[no-untyped-def]
    """Lists in b.replies the moves that save the chain in atari at `target`, of the colour to move.

    Returns their number.
    """
    b.reply_count = count = 0
    for i in range(push_replies(b, target)):
        b.moves_read = 0
        if any_reply_saves(b, target, i, i + 1):
            b.replies[count] = b.replies[i]
            count += 1
    return count


@compiled
def play_atari(b, target, p):  # type: ignore[no-untyped-def]
    """Plays the attacker's move at p if it is legal and leaves the chain at `target`, of two liberties, only one.

    Returns True if the move was played.
    """
    if not legal(b, p) or escapes_at_once(b, target, p):
        return False
    play(b, p)
    b.moves_read += 1
    return True


@compiled
def escapes_at_once(b, target, p):  # type: ignore[no-untyped-def]
    """Returns True if after a move at p the chain at `target` surely reaches three liberties with its next stone.

    Decides most ladders without playing. Returns False if anything is captured.
    """
    colour = b.colour[target]
    first, last = two_liberties(b, b.head[target])
    reply = last if p == first else first
    for q in (p - WIDTH, p - 1, p + 1, p + WIDTH):
        if b.colour[q] == colour and b.liberties[b.head[q]] == 1:
            return False
    captured, _, liberties = move_effect(b, reply, colour)
    return captured == 0 and liberties > 3 and not may_be_eye(b, reply, colour)  # p is counted among the liberties


@compiled
def push_replies(b, target):  # type: ignore[no-untyped-def]
    """Pushes the replies to an atari on the chain at `target` on the stack. Returns the new height of the stack."""
    start = b.reply_count
    push_reply(b, start, two_liberties(b, b.head[target])[0])
    s = target
    while True:
        for q in (s - WIDTH, s - 1, s + 1, s + WIDTH):
            if b.colour[q] == WALL - b.turn and b.liberties[b.head[q]] == 1:
                push_reply(b, start, two_liberties(b, b.head[q])[0])
        s = b.next[s]
        if s == target:
            return b.reply_count


@compiled
def push_reply(b, start, p):  # type: ignore[no-untyped-def]
    """Pushes a reply, if it is legal, fills no true eye and is not on the stack above `start`."""
    for i in range(start, b.reply_count):
        if b.replies[i] == p:
            return
    if legal(b, p) and not is_eye(b, p, b.turn) and b.reply_count < MAX_REPLIES:
        b.replies[b.reply_count] = p
        b.reply_count += 1


@compiled
def any_reply_saves(b, target, start, end):  # type: ignore[no-untyped-def]
    """Returns True if a reply on the stack, from `start` to `end`, saves the chain in atari at `target`.

    Searches depth first. A level is an atari with its untried replies. Iterative, since numba cannot cache recursive
    functions on disk.
    """
    level = 0
    b.level_next[0], b.level_end[0], b.level_top[0] = start, end, b.reply_count
    while True:
        saved = False
        if b.level_next[level] < b.level_end[level]:
            outcome = try_reply(b, target, b.replies[b.level_next[level]], level)
            b.level_next[level] += 1
            if outcome == UNDECIDED:
                level += 1
                open_level(b, target, level)
            if outcome != SAVED:
                continue
            saved = True
        while level > 0:  # the level is decided: return to the reply before it
            level -= 1
            b.reply_count = b.level_top[level]
            undo(b)
            if saved and b.second_atari[level] and play_atari(b, target, b.second_atari[level]):
                b.second_atari[level] = 0
                level += 1
                open_level(b, target, level)
                break
            undo(b)
            if not saved:
                break
        else:
            return saved


@compiled
def open_level(b, target, level):  # type: ignore[no-untyped-def]
    b.level_next[level] = b.reply_count
    b.level_end[level] = b.level_top[level] = push_replies(b, target)


@compiled
def try_reply(b, target, p, level):  # type: ignore[no-untyped-def]
    """Plays a reply at p. If UNDECIDED, the attacker's next atari is played too; else the board stays as it was."""
    if is_liberty(b, b.head[target], p):
        liberties = move_effect(b, p, b.turn)[2]
        if liberties != 2:  # decided without playing
            return SAVED if liberties > 2 else CAPTURED
    play(b, p)
    b.moves_read += 1
    liberties = b.liberties[b.head[target]]
    if liberties == 2 and b.depth < MAX_DEPTH and b.moves_read < MAX_MOVES_READ:
        first, second = two_liberties(b, b.head[target])
        b.second_atari[level] = second
        if play_atari(b, target, first):
            return UNDECIDED
        b.second_atari[level] = 0
        if play_atari(b, target, second):
            return UNDECIDED
    undo(b)
    return SAVED if liberties > 1 else CAPTURED


@compiled
def is_liberty(b, h, p):  # type: ignore[no-untyped-def]
    return b.liberty_set[h, word_of(p)] & bit_of(p) != U64_ZERO
