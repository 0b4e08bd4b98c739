"""Reads SGF records with sgfmill's tokeniser; the main line becomes a Game.

Reads the first variation only. Covered: collections in one file, stones set up before the first move, compressed point
lists, passes (`B[]` and `B[tt]`), records without `SZ` (19×19), the common encodings of names. Not covered:
boards that are not square or larger than 19×19, and stones set up during a game.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from sgfmill.sgf_grammar import parse_compose, tokenise

from .charset import START, declared, hides_delimiters, text, to_utf8
from .coords import sgf_places
from .game import Game, GameInfo, IllegalGame, check_legal
from .position import BLACK, LARGEST, WHITE

MAX_BYTES = 4 << 20  # of a record; a game with a comment on every move has some 200,000
TYPICAL_BYTES = 256 << 10  # nearly every record is shorter
MAX_NODES = 100_000  # of a longer record: the tokens of millions of nodes would fill the memory
ROOT = re.compile(rb"\(\s*;\s*(?:GM|FF|SZ|CA|AP)\s*\[")  # the usual start of a record: finds the one after a bad one
COLOURS = {"B": BLACK, "W": WHITE}
SET_UP = {"AB": BLACK, "AW": WHITE, "AE": 0}
INFO = {
    **{"PB": "black", "PW": "white", "BR": "black_rank", "WR": "white_rank", "RE": "result"},
    **{"DT": "date", "RU": "rules", "KM": "komi", "HA": "handicap", "AP": "application"},
}
places_on = lru_cache(sgf_places)

Tokens = list[tuple[str, bytes]]  # "I" the name of a property, "V" a value, "D" one of ; ( )
Node = dict[str, list[bytes]]


class BadRecord(ValueError):
    """An unusable record. The message gives the reason and the number of the move, and reads on from the name."""


def read(content: bytes, name: str = "") -> Game:
    """The first game of a file. Raises BadRecord if it cannot be used."""
    _, game = next(records(content, name))
    if isinstance(game, BadRecord):
        raise game
    return game


def records(content: bytes, name: str) -> Iterator[tuple[str, Game | BadRecord]]:
    """Yields the name of each record in a file with its game, or the reason why it has none; at least one pair.

    The records of a collection are named name#1, name#2, ….
    """
    content = in_readable_encoding(content)
    if (start := START.search(content)) is None or content.lstrip()[:1] == b"<":
        yield name, BadRecord(reason_without_record(content))
        return
    number = 0
    while start:
        number += 1
        tokens, end, reason = tokens_of(content, start.start())
        following = ROOT.search(content, start.end()) if reason else START.search(content, end)
        record_name = f"{name}#{number}" if following or number > 1 else name
        try:
            if reason:
                raise BadRecord(reason)
            game = game_of(main_line(tokens), record_name)
            check_legal(game)
            yield record_name, game
        except IllegalGame as problem:
            yield record_name, BadRecord(str(problem))
        except BadRecord as problem:
            yield record_name, problem
        start = following


def in_readable_encoding(content: bytes) -> bytes:
    """Returns a file in UTF-8 if its encoding hides delimiters in characters, else as it is.

    Some programs escape the bytes of such characters, some declare an encoding and use another: the reading with the
    most tokens is the one that closes its values where they end.
    """
    if not hides_delimiters(content):
        return content
    candidates = to_utf8(content)
    readings = [*candidates, content] if declared(content) else [content, *candidates]
    return max(readings, key=count_tokens)


def count_tokens(content: bytes) -> int:
    """The number of tokens of the first record; 0 if it cannot be read."""
    start = START.search(content)
    return len(tokens_of(content, start.start())[0]) if start else 0


def reason_without_record(content: bytes) -> str:
    """Returns why a file holds no record."""
    if not content.strip():
        return "is empty"
    if content.lstrip()[:1] == b"<":
        return "is a web page, not a game record: download the record itself"
    return "holds no game record, which would begin with (;"


def tokens_of(content: bytes, start: int) -> tuple[Tokens, int, str]:
    """The tokens of the record at `start`, its end, and the reason if it cannot be used."""
    view = memoryview(content)
    for length in (TYPICAL_BYTES, MAX_BYTES):
        tokens, used = tokenise(view[start : start + length])
        if is_complete(tokens):
            return tokens, start + used, ""
        if start + length >= len(content):
            return [], start, "is cut off or is not SGF"
        if content.count(b";", start, start + MAX_BYTES) > MAX_NODES:
            return [], start, f"holds more than {MAX_NODES:,} nodes"
    return [], start, f"is longer than {MAX_BYTES >> 20} MB"


def is_complete(tokens: Tokens) -> bool:
    """Returns True if all parentheses of a record are closed."""
    return tokens.count(("D", b"(")) == tokens.count(("D", b")"))


def main_line(tokens: Tokens) -> list[Node]:
    """The nodes of a record up to the first closing parenthesis, where the first variation ends."""
    nodes: list[Node] = []
    values: list[bytes] | None = None
    for kind, token in tokens:
        if kind == "V":
            if values is None:
                raise BadRecord("is invalid SGF: a value without a property")
            values.append(token)
        elif kind == "I":
            if not nodes:
                raise BadRecord("is invalid SGF: a property outside a node")
            values = nodes[-1].setdefault(token.decode("ascii"), [])
        elif token == b";":
            nodes.append({})
            values = None
        elif token == b")":
            break
    return nodes


# --- nodes to a game -----------------------------------------------------------------------------------------------


def game_of(nodes: list[Node], name: str) -> Game:
    """A game from the nodes of its main line; does not check that moves are legal. Raises BadRecord."""
    root = nodes[0]
    if (kind := first(root, "GM")) not in (b"1", b""):
        raise BadRecord(f"is not a game of Go (GM[{text(kind)}])")
    size = size_of(root)
    places = places_on(size)
    board: dict[int, int] = {}
    moves: list[int] = []
    colours: list[int] = []
    to_move = b""
    for node in nodes:
        to_move = to_move if moves else first(node, "PL") or to_move
        if (len(node) > 1 or COLOURS.keys().isdisjoint(node)) and not SET_UP.keys().isdisjoint(node):
            if moves:
                raise BadRecord(f"sets up stones in the middle of the game, after move {len(moves)}")
            set_up(node, size, board)
        for key, colour in COLOURS.items():
            if key in node:
                moves.append(move(node, key, places, len(moves) + 1, size))
                colours.append(colour)
    stones = {place: colour for place, colour in board.items() if colour}
    info = GameInfo(**{name: text(first(root, key), first(root, "CA")) for key, name in INFO.items()})
    return Game(
        name,
        size,
        np.array([*stones], np.int16),
        np.array([*stones.values()], np.uint8),
        np.array(moves, np.int16),
        np.array(colours, np.uint8),
        first_colour(to_move, stones),
        info,
    )


def first(node: Node, key: str) -> bytes:
    """The value of a property, stripped; empty if it is missing."""
    values = node.get(key)
    return values[0].strip() if values else b""


def size_of(root: Node) -> int:
    """Rows and columns of the board."""
    value = first(root, "SZ") or b"19"
    columns, _, rows = (side.strip() for side in value.partition(b":"))
    value = columns if columns == rows else value
    if not value.isdigit() or not 1 <= int(value[:9]) <= LARGEST:
        size = text(value).replace(":", "×")
        shape = size if "×" in size else f"{size}×{size}"
        raise BadRecord(f"has a board of {shape}; expected a square one up to {LARGEST}×{LARGEST}")
    return int(value)


def move(node: Node, key: str, places: dict[bytes, int], number: int, size: int) -> int:
    """The place of the move in a node."""
    values = node[key]
    if len(values) > 1 or ("B" in node and "W" in node):
        raise BadRecord(f"move {number}: two moves in one node, in unknown order")
    place = places.get(values[0] if values else b"")
    if place is None:
        place = places.get(values[0].strip())
    if place is None:
        raise BadRecord(f"move {number}, {key}[{text(values[0])[:9]}]: not a point of a board of {size}×{size}")
    return place


def set_up(node: Node, size: int, board: dict[int, int]) -> None:
    """Puts the stones set up by a node on the board, in its order: handicap stones age like moves."""
    for key, colour in SET_UP.items():
        for value in node.get(key, ()):
            for place in places_of(value, key, size):
                if colour and board.get(place, 0) not in (0, colour):
                    raise BadRecord(f"sets up two stones at one point, {key}[{text(value)[:9]}]")
                board[place] = colour


def places_of(value: bytes, key: str, size: int) -> list[int]:
    """The places of an element of a point list: a point, or a rectangle given by two corners."""
    corners = [places_on(size).get(corner.strip(), -1) for corner in parse_compose(value) if corner is not None]
    if min(corners) < 0:
        raise BadRecord(
            f"sets up a stone at {key}[{text(value)[:9]}], which is not a point of a board of {size}×{size}"
        )
    (top, left), (bottom, right) = divmod(corners[0], size), divmod(corners[-1], size)
    return [row * size + column for row in range(top, bottom + 1) for column in range(left, right + 1)]


def first_colour(to_move: bytes, stones: dict[int, int]) -> int:
    """The colour to move in a record without moves: the value of its last PL, or else White after handicap stones."""
    value = to_move[:1].upper()
    if value in (b"B", b"W", b"1", b"2"):
        return BLACK if value in (b"B", b"1") else WHITE
    return WHITE if stones and set(stones.values()) == {BLACK} else BLACK
