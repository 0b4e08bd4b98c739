"""Writes a review into its record: values as comments, and better lines as variations. The rest of the record stays."""

from __future__ import annotations

from collections.abc import Iterator

from sgfmill.sgf_grammar import Coarse_game_tree, parse_sgf_game, serialise_game_tree

from ...core.problem import DATA, Problem
from ..annotate import MARKER, add_comment
from ..coords import SIZE, vertex
from ..position import BLACK
from ..sgf import in_readable_encoding
from ..sgf_writer import letters
from .review import Review, ReviewedMove

Place = tuple[Coarse_game_tree | None, Coarse_game_tree, int]  # the parent, the tree, the index of a node in it


def reviewed_record(content: bytes, review: Review, model: str) -> bytes:
    """The first game of a file with the review. Raises Problem if the record cannot be parsed."""
    try:
        tree = parse_sgf_game(in_readable_encoding(content))
    except ValueError as error:
        raise Problem(f"the record cannot be parsed: {error}", DATA) from None
    nodes = [place for place in main_nodes(tree) if {"B", "W"} & place[1].sequence[place[2]].keys()]
    for (_, branch, index), move in zip(nodes, review.moves, strict=False):
        add_comment(branch.sequence[index], comment(move))
    for move in sorted(review.mistakes, key=lambda move: -move.number):  # from the end: a split moves later nodes
        if move.better:
            add_variation(nodes[move.number - 1], move)
    add_comment(tree.sequence[0], summary(review, model), first=True)
    record: bytes = serialise_game_tree(tree, wrap=None)
    return record


def main_nodes(tree: Coarse_game_tree) -> Iterator[Place]:
    """The nodes of the first variation, with where they are."""
    parent = None
    while tree is not None:
        for index in range(len(tree.sequence)):
            yield parent, tree, index
        parent, tree = tree, tree.children[0] if tree.children else None


def comment(move: ReviewedMove) -> str:
    """The values after a move, and what it cost."""
    text = f"Black wins {move.after.win:.1%}, lead {signed(move.after.lead)}"
    if move.rank:
        text += f"\n{vertex(move.place, SIZE)} {move.probability:.1%}, rank {move.rank}"
    if move.better:
        text += f"\nlost {move.win_loss:.1%} and {move.points_lost:.1f} points; better {line(move.better)}"
    return text


def line(places: tuple[int, ...]) -> str:
    return " ".join(vertex(place, SIZE) for place in places)


def signed(lead: float) -> str:
    """A lead of Black's as players write it: B+3.5."""
    return f"{'B' if lead >= 0 else 'W'}+{abs(lead):.1f}"


def add_variation(place: Place, move: ReviewedMove) -> None:
    """Adds the better line beside a move; replaces one of an earlier review."""
    parent, tree, index = place
    names = "BW" if move.colour == BLACK else "WB"
    variation = Coarse_game_tree()
    variation.sequence = [{names[i % 2]: [letters(point, SIZE).encode()]} for i, point in enumerate(move.better)]
    add_comment(variation.sequence[0], f"better than {vertex(move.place, SIZE)}")
    if index == 0 and parent is not None:
        parent.children = [child for child in parent.children if not is_ours(child)] + [variation]
        return
    rest = Coarse_game_tree()
    rest.sequence, rest.children = tree.sequence[index:], tree.children
    tree.sequence, tree.children = tree.sequence[:index], [rest, variation]


def is_ours(tree: Coarse_game_tree) -> bool:
    """Returns True for a variation that an earlier review added."""
    comments = tree.sequence[0].get("C", [])
    return bool(comments) and comments[0].startswith(MARKER + b"better than ")


def summary(review: Review, model: str) -> str:
    """Both players' agreement with the policy, and the costliest moves."""
    lines = [f"reviewed with {model}"]
    for name, row in review.agreement().items():
        if row["moves"] and name != "both":
            lost = row["points_lost"]
            lines.append(
                f"{name.capitalize()}: top-1 {row['top1']:.1%}, top-5 {row['top5']:.1%}, {lost:.1f} points a move"
            )
    for move in review.mistakes:
        lines.append(f"move {move.number} {vertex(move.place, SIZE)}: lost {move.win_loss:.1%}")
    return "\n".join([*lines, *review.caveats])
