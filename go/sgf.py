"""Game records: SGF as sgfmill reads it, the main line as a Game.

Main lines only: of every branch the first. Stones may be set up before the first move. Covered are collections in one
file, passes (`B[]`, and `B[tt]` up to 19×19), records without `SZ` (19×19), compressed lists of points, the usual
encodings of names. Not covered: boards that are not square or larger than 19×19, stones set up during the game.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from sgfmill.sgf_grammar import parse_compose, simpletext_value, tokenise

from .coords import sgf_places
from .game import Facts, Game, Illegal, check_legal
from .position import BLACK, LARGEST, WHITE

LARGEST_RECORD = 4 << 20  # bytes: a long game with comments on every move has some 200,000
ENCODINGS = ("utf-8", "gb18030", "cp1252")  # tried in turn where a record names none or a wrong one
COLOUR = {"B": BLACK, "W": WHITE}
FACTS = {
    **{"PB": "black", "PW": "white", "BR": "black_rank", "WR": "white_rank", "RE": "result"},
    **{"DT": "date", "RU": "rules", "KM": "komi", "HA": "handicap"},
}
ROOT = re.compile(rb"\(\s*;\s*(?:GM|FF|SZ|CA|AP)\s*\[")  # how a record usually begins, to find the next after a bad one

Node = dict[str, list[bytes]]


class BadRecord(ValueError):
    """A record that cannot be used; its text says why, with the number of the move."""


def read(content: bytes, name: str = "") -> Game:
    """The game of the first record of a file. Raises BadRecord where there is none that can be used."""
    for found in records(content, name):
        if isinstance(found, BadRecord):
            raise found
        return found
    raise AssertionError("records yields at least one")


def records(content: bytes, name: str) -> Iterator[Game | BadRecord]:
    """The games of a file in their order, and why others cannot be used; at least one of either.

    Where a file holds several, they are called name#1, name#2, ….
    """
    number, at = 0, 0
    view = memoryview(content)
    while at < len(content):
        tokens, used = tokenise(view[at : at + LARGEST_RECORD])
        if not tokens:
            break
        end = at + used
        alone = number == 0 and b"(" not in content[end:]
        number += 1
        try:
            game = game_of(main_line(tokens, len(content) - end), name if alone else f"{name}#{number}")
            check_legal(game)
            yield game
        except (BadRecord, Illegal) as problem:
            yield BadRecord(str(problem) if alone else f"record {number}: {problem}")
            if not is_whole(tokens):
                following = ROOT.search(content, max(at + 1, at + tokens_begin(content, at)))
                end = following.start() if following else len(content)
        at = end
    if number == 0:
        yield BadRecord(nothing(content))
