"""A game as an SGF record (FF[4]), for every program that reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .coords import PASS

WRAP = 10  # moves in a line


def written(size: int, moves: Sequence[int], info: Mapping[str, str]) -> bytes:
    """Moves in turn, Black first, and what is said of them: properties of SGF (PB, RE, KM, …) with their text."""
    root = {"GM": "1", "FF": "4", "CA": "UTF-8", "AP": "Neocog", "SZ": str(size), "RU": "Chinese", **info}
    nodes = [f";{'BW'[at % 2]}[{letters(move, size)}]" for at, move in enumerate(moves)]
    lines = ["".join(nodes[at : at + WRAP]) for at in range(0, len(nodes), WRAP)]
    head = "".join(f"{name}[{escaped(text)}]" for name, text in root.items() if text)
    return ("\n".join([f"(;{head}", *lines]) + ")\n").encode("utf-8", "replace")


def letters(move: int, size: int) -> str:
    """A place as SGF writes it: column and row from the top left; nothing for a pass."""
    row, column = divmod(move, size)
    return "" if move == PASS else chr(97 + column) + chr(97 + row)


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("]", "\\]").replace("\x00", "")
