"""Game records: SGF as sgfmill's tokeniser reads it, the main line as a Game.

Main lines only: of every branch the first. Covered are collections in one file, stones set up before the first move,
compressed lists of points, passes (`B[]` and `B[tt]`), records without `SZ` (19×19), the usual encodings of names.
Not covered: boards that are not square or larger than 19×19, and stones set up during a game.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from sgfmill.sgf_grammar import parse_compose, simpletext_value, tokenise

from .coords import sgf_places
from .game import Game, GameInfo, Illegal, check_legal
from .position import BLACK, LARGEST, WHITE

LONGEST = 4 << 20  # bytes of a record; a game with a comment on every move has some 200,000
SOON = 256 << 10  # bytes in which nearly every record ends
MOST_NODES = 100_000  # of a longer one: the tokens of millions would fill the memory
ENCODINGS = ("utf-8", "gb2312", "latin-1")  # tried in turn where a record names none, or a wrong one
START = re.compile(rb"\(\s*;")
ROOT = re.compile(rb"\(\s*;\s*(?:GM|FF|SZ|CA|AP)\s*\[")  # how records usually begin: to find the one after a bad one
COLOURS = {"B": BLACK, "W": WHITE}
SET_UP = {"AB": BLACK, "AW": WHITE, "AE": 0}
FACTS = {
    **{"PB": "black", "PW": "white", "BR": "black_rank", "WR": "white_rank", "RE": "result"},
    **{"DT": "date", "RU": "rules", "KM": "komi", "HA": "handicap"},
}
places_on = lru_cache(sgf_places)

Tokens = list[tuple[str, bytes]]  # "I" a property's name, "V" a value, "D" one of ; ( )
Node = dict[str, list[bytes]]


class BadRecord(ValueError):
    """A record that cannot be used; its text says why, with the number of the move, and can follow its name."""


def read(content: bytes, name: str = "") -> Game:
    """The first game of a file. Raises BadRecord where its record cannot be used."""
    _, found = next(records(content, name))
    if isinstance(found, BadRecord):
        raise found
    return found


def records(content: bytes, name: str) -> Iterator[tuple[str, Game | BadRecord]]:
    """The name of each record in a file with its game, or why there is none; at least one of them.

    In a collection, the records are called name#1, name#2, ….
    """
    if (start := START.search(content)) is None or content.lstrip()[:1] == b"<":
        yield name, BadRecord(nothing(content))
        return
    number = 0
    while start:
        number += 1
        tokens, end, reason = tokens_of(content, start.start())
        following = ROOT.search(content, start.end()) if reason else START.search(content, end)
        called = f"{name}#{number}" if following or number > 1 else name
        try:
            if reason:
                raise BadRecord(reason)
            game = game_of(main_line(tokens), called)
            check_legal(game)
            yield called, game
        except Illegal as problem:
            yield called, BadRecord(str(problem))
        except BadRecord as problem:
            yield called, problem
        start = following


def nothing(content: bytes) -> str:
    """Why a file holds no record, as far as it can be seen."""
    if not content.strip():
        return "is empty"
    if content.lstrip()[:1] == b"<":
        return "is a web page, not a game record: download the record itself"
    return "holds no game record, which would begin with (;"


def tokens_of(content: bytes, begin: int) -> tuple[Tokens, int, str]:
    """The tokens of the record that begins there, where it ends, and why it cannot be used, if so."""
    view = memoryview(content)
    for most in (SOON, LONGEST):
        tokens, used = tokenise(view[begin : begin + most])
        if is_whole(tokens):
            return tokens, begin + used, ""
        if begin + most >= len(content):
            return [], begin, "breaks off, or is no SGF"
        if content.count(b";", begin, begin + LONGEST) > MOST_NODES:
            return [], begin, f"holds more than {MOST_NODES:,} nodes"
    return [], begin, f"is longer than {LONGEST >> 20} MB"


def is_whole(tokens: Tokens) -> bool:
    """Whether a record has its last closing parenthesis."""
    return tokens.count(("D", b"(")) == tokens.count(("D", b")"))


def main_line(tokens: Tokens) -> list[Node]:
    """The nodes of a record up to the first closing parenthesis: there the first of all branches ends."""
    nodes: list[Node] = []
    values: list[bytes] | None = None
    for kind, token in tokens:
        if kind == "V":
            if values is None:
                raise BadRecord("breaks the rules of SGF: a value that belongs to no property")
            values.append(token)
        elif kind == "I":
            if not nodes:
                raise BadRecord("breaks the rules of SGF: a property outside a node")
            values = nodes[-1].setdefault(token.decode("ascii"), [])
        elif token == b";":
            nodes.append({})
            values = None
        elif token == b")":
            break
    return nodes


# --- nodes to a game -----------------------------------------------------------------------------------------------


def game_of(nodes: list[Node], name: str) -> Game:
    """A game from the nodes of its main line; that its moves are legal is not asked. Raises BadRecord."""
    root = nodes[0]
    if (kind := first(root, "GM")) not in (b"1", b""):
        raise BadRecord(f"is not a game of Go (GM[{text(kind)}])")
    size = size_of(root)
    places = places_on(size)
    board: dict[int, int] = {}
    moves: list[int] = []
    colours: list[int] = []
    for node in nodes:
        if (len(node) > 1 or COLOURS.keys().isdisjoint(node)) and not SET_UP.keys().isdisjoint(node):
            if moves:
                raise BadRecord(f"sets up stones in the middle of the game, after move {len(moves)}")
            set_up(node, size, board)
        for key, colour in COLOURS.items():
            if key in node:
                moves.append(move(node, key, places, len(moves) + 1, size))
                colours.append(colour)
    stones = {place: colour for place, colour in board.items() if colour}
    info = GameInfo(**{own: text(first(root, key), first(root, "CA")) for key, own in FACTS.items()})
    return Game(
        name,
        size,
        np.array([*stones], np.int16),
        np.array([*stones.values()], np.uint8),
        np.array(moves, np.int16),
        np.array(colours, np.uint8),
        to_begin(root, stones),
        info,
    )


def first(node: Node, key: str) -> bytes:
    """The value of a property, stripped; empty where there is none."""
    values = node.get(key)
    return values[0].strip() if values else b""


def size_of(root: Node) -> int:
    """Rows and columns of the board."""
    said = first(root, "SZ") or b"19"
    if not said.isdigit() or not 1 <= int(said[:9]) <= LARGEST:
        shown = text(said).replace(":", "×")
        shape = shown if "×" in shown else f"{shown}×{shown}"
        raise BadRecord(f"has a board of {shape}; square ones up to {LARGEST}×{LARGEST} are read")
    return int(said)


def move(node: Node, key: str, places: dict[bytes, int], number: int, size: int) -> int:
    """The place of the move in a node."""
    values = node[key]
    if len(values) > 1 or ("B" in node and "W" in node):
        raise BadRecord(f"move {number}: two moves in one node, and no telling which came first")
    place = places.get(values[0] if values else b"")
    if place is None:
        place = places.get(values[0].strip())
    if place is None:
        raise BadRecord(f"move {number}, {key}[{text(values[0])[:9]}]: no point of a board of {size}×{size}")
    return place


def set_up(node: Node, size: int, board: dict[int, int]) -> None:
    """Puts the stones that a node sets up on the board, in its order: handicap stones age like moves."""
    for key, colour in SET_UP.items():
        for value in node.get(key, ()):
            for place in listed(value, key, size):
                if colour and board.get(place):
                    raise BadRecord(f"sets up two stones at one point, {key}[{text(value)[:9]}]")
                board[place] = colour


def listed(value: bytes, key: str, size: int) -> list[int]:
    """The places of an element of a list: a point, or the rectangle between two corners."""
    corners = [places_on(size).get(corner.strip(), -1) for corner in parse_compose(value) if corner is not None]
    if min(corners) < 0:
        raise BadRecord(f"sets up a stone at {key}[{text(value)[:9]}], which is no point of a board of {size}×{size}")
    (top, left), (bottom, right) = divmod(corners[0], size), divmod(corners[-1], size)
    return [row * size + column for row in range(top, bottom + 1) for column in range(left, right + 1)]


def to_begin(root: Node, stones: dict[int, int]) -> int:
    """Who moves first where no move tells: as PL says; else white after handicap stones."""
    said = first(root, "PL")[:1].upper()
    if said in (b"B", b"W", b"1", b"2"):
        return BLACK if said in (b"B", b"1") else WHITE
    return WHITE if stones and set(stones.values()) == {BLACK} else BLACK


def text(value: bytes, encoding: bytes = b"") -> str:
    """A short text as people read it, in the encoding that the record names or one that fits."""
    plain = simpletext_value(value) if b"\\" in value or b"\n" in value or b"\r" in value else value
    if plain.isascii():
        return plain.decode("ascii")
    for each in (encoding.decode("ascii", "replace"), *ENCODINGS):
        try:
            return plain.decode(each)
        except (UnicodeDecodeError, LookupError):
            continue
    raise AssertionError("latin-1 reads everything")
