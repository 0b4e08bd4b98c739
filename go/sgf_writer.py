"""Writes a game as an SGF record (FF[4])."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .coords import PASS

MOVES_PER_LINE = 10


def sgf_bytes(size: int, moves: Sequence[int], properties: Mapping[str, str]) -> bytes:
    """A record of alternating moves, Black first, with further properties of the root (PB, RE, KM, …)."""
    root = {"GM": "1", "FF": "4", "CA": "UTF-8", "AP": "Neocog", "SZ": str(size), "RU": "Chinese", **properties}
    nodes = [f";{'BW'[i % 2]}[{letters(move, size)}]" for i, move in enumerate(moves)]
    lines = ["".join(nodes[i : i + MOVES_PER_LINE]) for i in range(0, len(nodes), MOVES_PER_LINE)]
    head = "".join(f"{name}[{escaped(text)}]" for name, text in root.items() if text)
    return ("\n".join([f"(;{head}", *lines]) + ")\n").encode("utf-8", "replace")


def letters(move: int, size: int) -> str:
    """A place in SGF: column and row from the top left; empty for a pass."""
    row, column = divmod(move, size)
    return "" if move == PASS else chr(97 + column) + chr(97 + row)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("]", "\\]").replace("\x00", "")
