"""A game seen by a policy: how likely each move was, and that written into its record for Sabaki, KaTrain and others.

A node keeps all it has: our words follow its comment, after `neocog: `, and our labels 1 to 5, where the policy would
have played instead, lie only on points without a mark. Whatever is ours is replaced when a record is annotated again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from sgfmill.sgf_grammar import Coarse_game_tree, parse_sgf_game, serialise_game_tree

from ..core.problem import DATA, Problem
from .coords import vertex
from .game import COLOURS, Game
from .planes import packed
from .play.player import Move
from .play.policy import SIZE, Opinion
from .writer import letters

BEST = 5  # moves that are named for each position
MARKER = b"neocog: "
MARKS = ("LB", "TR", "MA", "CR", "SQ", "SL")  # a point may have one of them
LEAST = 1e-12  # a probability's logarithm is taken of no less, as in core/score.py


class Seen(NamedTuple):
    """A move that was played, and what the policy made of it."""

    number: int  # from 1, passes counted
    colour: int
    place: int
    probability: float
    rank: int  # 1 for the likeliest
    legal: int  # how many moves there were
    best: tuple[Move, ...]


def seen(game: Game, policy: Opinion) -> list[Seen]:
    """What a policy makes of every move of a game but passes. Raises Problem where there is nothing to say."""
    if game.size != SIZE:
        raise Problem(f"{game.name} is on {game.size}×{game.size}; the network takes {SIZE}×{SIZE}", DATA)
    numbers = np.flatnonzero(game.moves >= 0).tolist()
    if not numbers:
        raise Problem(f"{game.name} has no moves; expected a record with some", DATA)
    rows = np.stack([packed(game.position(number)) for number in numbers])
    return [judged(game, number, each) for number, each in zip(numbers, policy(rows), strict=True)]


def judged(game: Game, number: int, probabilities: Any) -> Seen:
    """The move after so many others."""
    place, own = int(game.moves[number]), float(probabilities[game.moves[number]])
    order = np.argsort(-probabilities, kind="stable")[:BEST]
    best = tuple(Move(int(each), float(probabilities[each])) for each in order if probabilities[each] > 0)
    rank, legal = int((probabilities > own).sum()) + 1, int((probabilities > 0).sum())
    return Seen(number + 1, int(game.colours[number]), place, own, rank, legal, best)


def summary(moves: Sequence[Seen]) -> dict[str, Any]:
    """The share of moves that were the likeliest, and among the five likeliest, and the mean log loss in nats."""
    if not moves:
        return {"moves": 0, "top1": None, "top5": None, "log_loss": None}
    return {
        "moves": len(moves),
        "top1": float(np.mean([move.rank == 1 for move in moves])),
        "top5": float(np.mean([move.rank <= BEST for move in moves])),
        "log_loss": float(np.mean([-np.log(max(move.probability, LEAST)) for move in moves])),
    }


def summaries(moves: Sequence[Seen]) -> dict[str, dict[str, Any]]:
    """Of both together and of each colour."""
    own = {name: summary([move for move in moves if move.colour == colour]) for colour, name in COLOURS.items()}
    return {"both": summary(moves), **own}


def surprising(moves: Sequence[Seen], count: int) -> list[Seen]:
    """The moves that were least expected, the least likely first."""
    return sorted(moves, key=lambda move: move.probability)[:count]


def document(move: Seen) -> dict[str, Any]:
    """A move for programs."""
    return {
        "number": move.number,
        "colour": COLOURS[move.colour],
        "move": vertex(move.place, SIZE),
        "probability": move.probability,
        "rank": move.rank,
        "best": [{"move": vertex(each.place, SIZE), "probability": each.probability} for each in move.best],
    }


# --- the record ----------------------------------------------------------------------------------------------------


def annotated(content: bytes, moves: Sequence[Seen], model: str) -> bytes:
    """The first game of a file with what is said of its moves. Raises Problem where it cannot be taken apart."""
    try:
        tree = parse_sgf_game(content)
    except ValueError as error:
        raise Problem(f"the record cannot be taken apart: {error}", DATA) from None
    told = {move.number: move for move in moves}
    number = 0
    for node in main_line(tree):
        if "B" in node or "W" in node:
            number += 1
            if number in told:
                annotate(node, told[number])
    comment(tree.sequence[0], told_in_all(moves, model), first=True)
    written: bytes = serialise_game_tree(tree, wrap=None)
    return written


def main_line(tree: Coarse_game_tree) -> Iterator[dict[str, list[bytes]]]:
    """The nodes of the first of all branches."""
    while tree is not None:
        yield from tree.sequence
        tree = tree.children[0] if tree.children else None


def annotate(node: dict[str, list[bytes]], move: Seen) -> None:
    """Writes what is said of a move into its node."""
    if ours(node):
        forget_labels(node)
    best = ", ".join(f"{n} {vertex(each.place, SIZE)} {each.probability:.1%}" for n, each in enumerate(move.best, 1))
    played = f"{vertex(move.place, SIZE)} {move.probability:.1%}, rank {move.rank} of {move.legal}"
    comment(node, f"{played}\nexpected {best}")
    taken = {value.partition(b":")[0].strip() for name in MARKS for value in node.get(name, [])}
    labels = [(letters(each.place, SIZE).encode(), str(n).encode()) for n, each in enumerate(move.best, 1)]
    if new := [point + b":" + label for point, label in labels if point not in taken]:
        node["LB"] = [*node.get("LB", []), *new]


def ours(node: dict[str, list[bytes]]) -> bool:
    """Whether a node was annotated before."""
    return any(MARKER in value for value in node.get("C", []))


def forget_labels(node: dict[str, list[bytes]]) -> None:
    """Takes away the labels that we wrote."""
    own = {str(n).encode() for n in range(1, BEST + 1)}
    kept = [value for value in node.get("LB", []) if value.partition(b":")[2].strip() not in own]
    node.pop("LB", None)
    if kept:
        node["LB"] = kept


def comment(node: dict[str, list[bytes]], text: str, first: bool = False) -> None:
    """Puts our words behind what a comment says of its own; in the root, if it is a move too, before ours on it."""
    said = b"".join(node.get("C", [])[:1])
    own, mark, rest = said.partition(MARKER)
    later = b"\n" + rest if first and mark and ("B" in node or "W" in node) else b""
    node["C"] = [own.rstrip() + (b"\n\n" if own.strip() else b"") + MARKER + text.encode() + later]


def told_in_all(moves: Sequence[Seen], model: str) -> str:
    """The summary, for the comment of the first node."""
    lines = [
        f"{name.capitalize()}: top-1 {each['top1']:.1%}, top-5 {each['top5']:.1%}, log loss {each['log_loss']:.3f}"
        for name, each in summaries(moves).items()
        if each["moves"] and name != "both"
    ]
    return "\n".join([f"top-1 is the share of moves that {model} thought likeliest", *lines])
