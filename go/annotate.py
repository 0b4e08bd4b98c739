"""Annotates a game: how likely a policy finds each move, also written into the record for Sabaki, KaTrain and others.

A node keeps its content: the annotation follows its comment, after `neocog: `, and labels 1 to 5, on the moves that the
policy prefers, are set only on points without a mark. Annotating a record again replaces earlier annotations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from sgfmill.sgf_grammar import Coarse_game_tree, parse_sgf_game, serialise_game_tree

from ..core.problem import DATA, Problem
from .coords import SIZE, vertex
from .game import COLOURS, Game
from .planes import packed
from .play.player import Move
from .play.policy import PolicyFunction
from .sgf import in_readable_encoding
from .sgf_writer import letters

BEST = 5  # moves listed for each position
MARKER = b"neocog: "
MARKS = ("LB", "TR", "MA", "CR", "SQ", "SL")  # a point may have one of them
MIN_PROBABILITY = 1e-12  # in logarithms, as in the log loss of core/metrics.py


class AnnotatedMove(NamedTuple):
    """A played move with its probability under the policy."""

    number: int  # from 1, passes counted
    colour: int
    place: int
    probability: float
    rank: int  # 1 for the likeliest
    legal: int  # number of legal moves
    best: tuple[Move, ...]


def annotate_moves(game: Game, policy: PolicyFunction) -> list[AnnotatedMove]:
    """Rates every move of a game except passes. Raises Problem if there is none, or for another board size."""
    if game.size != SIZE:
        raise Problem(f"{game.name} is on {game.size}×{game.size}; the network takes {SIZE}×{SIZE}", DATA)
    numbers = np.flatnonzero(game.moves >= 0).tolist()
    if not numbers:
        raise Problem(f"{game.name} has no moves; expected a record with moves", DATA)
    rows = np.stack([packed(game.position(number)) for number in numbers])
    return [annotate_move(game, number, row) for number, row in zip(numbers, policy(rows), strict=True)]


def annotate_move(game: Game, number: int, probabilities: Any) -> AnnotatedMove:
    """Rates the move after `number` others."""
    place, probability = int(game.moves[number]), float(probabilities[game.moves[number]])
    order = np.argsort(-probabilities, kind="stable")[:BEST]
    best = tuple(Move(int(index), float(probabilities[index])) for index in order if probabilities[index] > 0)
    rank, legal = int((probabilities > probability).sum()) + 1, int((probabilities > 0).sum())
    return AnnotatedMove(number + 1, int(game.colours[number]), place, probability, rank, legal, best)


def metrics(moves: Sequence[AnnotatedMove]) -> dict[str, Any]:
    """Top-1 and top-5 accuracy of the policy, and the mean log loss in nats."""
    if not moves:
        return {"moves": 0, "top1": None, "top5": None, "log_loss": None}
    return {
        "moves": len(moves),
        "top1": float(np.mean([move.rank == 1 for move in moves])),
        "top5": float(np.mean([move.rank <= BEST for move in moves])),
        "log_loss": float(np.mean([-np.log(max(move.probability, MIN_PROBABILITY)) for move in moves])),
    }


def metrics_by_colour(moves: Sequence[AnnotatedMove]) -> dict[str, dict[str, Any]]:
    """The metrics of both colours together and of each."""
    by_colour = {name: metrics([move for move in moves if move.colour == colour]) for colour, name in COLOURS.items()}
    return {"both": metrics(moves), **by_colour}


def least_expected(moves: Sequence[AnnotatedMove], count: int) -> list[AnnotatedMove]:
    """The least likely moves, in ascending order of probability."""
    return sorted(moves, key=lambda move: move.probability)[:count]


def to_dict(move: AnnotatedMove) -> dict[str, Any]:
    """A move for JSON."""
    return {
        "number": move.number,
        "colour": COLOURS[move.colour],
        "move": vertex(move.place, SIZE),
        "probability": move.probability,
        "rank": move.rank,
        "best": [{"move": vertex(best.place, SIZE), "probability": best.probability} for best in move.best],
    }


# --- the record ----------------------------------------------------------------------------------------------------


def annotated_record(content: bytes, moves: Sequence[AnnotatedMove], model: str) -> bytes:
    """The first game of a file with annotations. Raises Problem if the record cannot be parsed."""
    try:
        tree = parse_sgf_game(in_readable_encoding(content))
    except ValueError as error:
        raise Problem(f"the record cannot be parsed: {error}", DATA) from None
    by_number = {move.number: move for move in moves}
    number = 0
    for node in main_line(tree):
        if "B" in node or "W" in node:
            number += 1
            if number in by_number:
                annotate_node(node, by_number[number])
    add_comment(tree.sequence[0], summary(moves, model), first=True)
    record: bytes = serialise_game_tree(tree, wrap=None)
    return record


def main_line(tree: Coarse_game_tree) -> Iterator[dict[str, list[bytes]]]:
    """Yields the nodes of the first variation."""
    while tree is not None:
        yield from tree.sequence
        tree = tree.children[0] if tree.children else None


def annotate_node(node: dict[str, list[bytes]], move: AnnotatedMove) -> None:
    """Writes the annotation of a move into its node."""
    if any(MARKER in value for value in node.get("C", [])):
        remove_labels(node)
    best = ", ".join(f"{n} {vertex(best.place, SIZE)} {best.probability:.1%}" for n, best in enumerate(move.best, 1))
    played = f"{vertex(move.place, SIZE)} {move.probability:.1%}, rank {move.rank} of {move.legal}"
    add_comment(node, f"{played}\nexpected {best}")
    marked = {value.partition(b":")[0].strip() for name in MARKS for value in node.get(name, [])}
    labels = [(letters(best.place, SIZE).encode(), str(n).encode()) for n, best in enumerate(move.best, 1)]
    if new := [point + b":" + label for point, label in labels if point not in marked]:
        node["LB"] = [*node.get("LB", []), *new]


def remove_labels(node: dict[str, list[bytes]]) -> None:
    """Removes the labels of an earlier annotation."""
    labels = {str(n).encode() for n in range(1, BEST + 1)}
    remaining = [value for value in node.get("LB", []) if value.partition(b":")[2].strip() not in labels]
    node.pop("LB", None)
    if remaining:
        node["LB"] = remaining


def add_comment(node: dict[str, list[bytes]], text: str, first: bool = False) -> None:
    """Appends an annotation to a node's comment, replacing an earlier one.

    With `first`, for the summary in the root: an annotation of the root's move stays behind it.
    """
    comment = b"".join(node.get("C", [])[:1])
    original, marker, previous = comment.partition(MARKER)
    behind = b"\n" + previous if first and marker and ("B" in node or "W" in node) else b""
    node["C"] = [original.rstrip() + (b"\n\n" if original.strip() else b"") + MARKER + text.encode() + behind]


def summary(moves: Sequence[AnnotatedMove], model: str) -> str:
    """The metrics of each colour, for the comment of the first node."""
    lines = [
        f"{name.capitalize()}: top-1 {row['top1']:.1%}, top-5 {row['top5']:.1%}, log loss {row['log_loss']:.3f}"
        for name, row in metrics_by_colour(moves).items()
        if row["moves"] and name != "both"
    ]
    return "\n".join([f"top-1 is the share of moves that {model} found likeliest", *lines])
