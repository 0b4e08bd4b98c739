"""A search guided by a policy and a value (PUCT): the most promising moves are read deeper, in batches for a network.

An evaluator is any function from a Batch of positions to an Evaluation. A search asks for positions with `collect` and
takes their evaluations with `apply`, so that several searches can share one forward pass; `run` does both in turn.

Moves in the tree are legal, fill no true eye of the player and repeat no position of the game (positional superko);
a pass is always possible. After two passes the area is counted without the dead stones, which playouts decide. The same
board and evaluator give the same tree: nothing is drawn at random.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from . import tree
from .board import Board
from .coords import PASS, SIZE
from .outcome import area_komi
from .planes import SENSIBLE, SLICES, packed, unpacked
from .position import BLACK, POSITION
from .tree import EDGE, END, MAX_DEPTH, NEW, NO_MOVE, NODE, NODE_LIMIT, OPEN, WAITING

PLACES = SIZE * SIZE
BATCH = 8  # positions in a forward pass: a network on two cores gains no more from larger ones
VISITS_PER_BATCH = 4  # a batch has at most a quarter as many positions as the tree has visits
PASS_PRIOR = 0.005  # of a pass: records hold no passes that a policy could learn from
PASS_REPLY_PRIOR = 0.1  # after the opponent's pass
LEAD_WEIGHT, LEAD_SCALE = 0.2, 20.0  # of the lead in a utility; points
MAX_PV = 12  # moves of a principal variation
FIRST_NODES = 64  # arrays grow from here


class Batch(NamedTuple):
    """Positions to evaluate."""

    positions: Any  # POSITION (N,)
    rows: Any  # uint8 (N, 2166): their packed planes
    komi: Any  # float32 (N,): White's points in an area count, NaN if unknown


class Evaluation(NamedTuple):
    """What an evaluator says of positions, from the side of the player to move."""

    policy: Any  # float32 (N, 361): probabilities of the points, 0 for illegal moves
    win: Any  # float32 (N,): probability of winning
    lead: Any  # float32 (N,): points
    ownership: Any  # float32 (N, 361): 1 for the player's points at the end, −1 for the opponent's


class Evaluator(Protocol):
    """Evaluates positions."""

    def __call__(self, batch: Batch) -> Evaluation: ...


class Leaf(NamedTuple):
    """A position of the tree that waits for its evaluation."""

    path: Any  # int32: its nodes from the root
    position: Any  # POSITION
    row: Any  # uint8 (2166,)
    allowed: Any  # bool (361,)


class MoveStats(NamedTuple):
    """What a search found about a move; win and lead are Black's."""

    place: int
    visits: int
    prior: float
    win: float
    lead: float
    pv: tuple[int, ...]  # the expected continuation, the move first
    pv_visits: tuple[int, ...]
    ownership: Any | None = None  # float32 (361,), Black's, of the position after the move


class SearchResult(NamedTuple):
    """What a search found about a position; win, lead and ownership are Black's."""

    turn: int
    visits: int
    win: float
    lead: float
    raw_win: float  # by the evaluator alone
    raw_lead: float
    moves: list[MoveStats]  # the most visited first
    policy: Any  # float32 (362,): probabilities of the points and of a pass; −1 for illegal moves
    ownership: Any  # float32 (361,): mean over the evaluations


@dataclass(frozen=True)
class Restriction:
    """The moves that may be tried first: all, except some, or only some. Places, −1 for a pass."""

    avoided: frozenset[int] = frozenset()
    allowed: frozenset[int] | None = None

    def permits(self, place: int) -> bool:
        return place not in self.avoided and (self.allowed is None or place in self.allowed)


class Search:
    """The tree of a position. `komi` are White's points, None if unknown; `bonus` the points for handicap stones."""

    def __init__(
        self,
        board: Board,
        komi: float | None,
        bonus: int = 0,
        restriction: Restriction | None = None,
        exploration: float = tree.EXPLORATION,
    ) -> None:
        self.komi = math.nan if komi is None else area_komi(komi, bonus)
        self.restriction, self.exploration = restriction or Restriction(), exploration
        self.nodes, self.edges = np.zeros(FIRST_NODES, NODE), np.zeros(FIRST_NODES * PLACES // 2, EDGE)
        self.counts = np.zeros(2, np.int64)  # nodes and edges in use
        self.start, self.work = np.empty(1, POSITION), np.empty(1, POSITION)
        self._set_board(board.copy())
        last = board.moves[-1] if board.moves else NO_MOVE
        tree.add_node(self.nodes, self.counts, -1, last, board.turn)
        self._forget_evaluations()

    def _set_board(self, board: Board) -> None:
        self.board = board
        self.start[0] = board.position
        self.history = np.zeros(len(board.hashes) + MAX_DEPTH + 1, np.uint64)
        self.history[: len(board.hashes)] = board.hashes

    def _forget_evaluations(self) -> None:
        self.policy: Any = None  # of the root, (361,)
        self.ownership, self.ownership_count = np.zeros(PLACES), 0
        self.child_ownership: dict[int, Any] = {}  # by place

    @property
    def visits(self) -> int:
        return int(self.nodes[0]["visits"])

    @property
    def is_full(self) -> bool:
        """Returns True if the tree has as many nodes as it may have."""
        return bool(self.counts[0] >= NODE_LIMIT)

    # --- growing -----------------------------------------------------------------------------------------------------

    def collect(self, count: int) -> list[Leaf]:
        """Up to `count` positions to evaluate. A position where the game is over is evaluated here.

        Returns fewer if the selection comes back to the same positions. All must be given to `apply`.
        """
        self._reserve(2 * count)
        count = max(1, min(count, self.visits // VISITS_PER_BATCH))
        leaves: list[Leaf] = []
        collisions: list[Any] = []
        ended = 0
        while len(leaves) + ended < count and len(collisions) <= count:
            path = self._descend()
            node = int(path[-1])
            state = self.nodes[node]["state"]
            if state == NEW and len(path) > 1 and self._is_over(node):
                self._count(node)
                state = END
            if state == END:
                tree.add_visit(self.nodes, node)
                ended += 1
            elif state == NEW:
                leaves.append(self._leaf(path))
                tree.add_pending(self.nodes, path, len(path) - 1, 1)
            else:  # it waits already, or lies at the largest depth: try elsewhere
                collisions.append(path)
                tree.add_pending(self.nodes, path, len(path) - 1, 1)
        for path in collisions:
            tree.add_pending(self.nodes, path, len(path) - 1, -1)
        return leaves

    def _descend(self) -> Any:
        """The nodes from the root to a node without edges, int32; its position is then in `work`."""
        path = np.zeros(MAX_DEPTH + 1, np.int32)
        self.work[0] = self.start[0]
        arrays = self.nodes, self.edges, self.counts
        depth = tree.descend(*arrays, self.exploration, self.work, self.history, len(self.board.hashes), path)
        return path[: depth + 1]

    def _leaf(self, path: Any) -> Leaf:
        """The position in `work`, with its planes and the moves that may be played there."""
        position = self.work.copy()
        row = packed(position[0])
        allowed = np.unpackbits(row[SENSIBLE_BYTES])[SENSIBLE_BITS].astype(bool)
        known = len(self.board.hashes) + len(path) - 1
        tree.forbid_repetitions(position[0], self.history, known, allowed)
        self.nodes[int(path[-1])]["state"] = WAITING
        return Leaf(path, position, row, allowed)

    def _is_over(self, node: int) -> bool:
        """Returns True if a position was reached by two passes."""
        parent = self.nodes[node]["parent"]
        return bool(self.nodes[node]["place"] == PASS and self.nodes[parent]["place"] == PASS)

    def _count(self, node: int) -> None:
        """Sets the value of a position where the game is over: the area without the dead stones."""
        from .play.playouts import run_playouts

        board = self.board.copy()
        board.position = self.work[0].copy()
        lead = run_playouts(board).without_dead().score(0 if math.isnan(self.komi) else self.komi)
        self._set_value(node, 0.5 + 0.5 * float(np.sign(lead)), lead)
        self.nodes[node]["state"] = END

    def _set_value(self, node: int, win: float, lead: float) -> None:
        values = self.nodes[node]
        values["own_win"], values["own_lead"] = win, lead
        values["own_utility"] = (2 * win - 1) * (1 - LEAD_WEIGHT) + LEAD_WEIGHT * math.tanh(lead / LEAD_SCALE)

    def apply(self, leaves: Sequence[Leaf], evaluation: Evaluation) -> None:
        """Adds the evaluations of positions that `collect` gave, in the same order."""
        for i, leaf in enumerate(leaves):
            node, turn = int(leaf.path[-1]), int(leaf.position[0]["turn"])
            sign = 1 if turn == BLACK else -1
            win = float(evaluation.win[i])
            self._set_value(node, win if turn == BLACK else 1 - win, sign * float(evaluation.lead[i]))
            ownership = sign * evaluation.ownership[i]
            self.ownership += ownership
            self.ownership_count += 1
            if len(leaf.path) == 1:
                self.policy = evaluation.policy[i]
            elif len(leaf.path) == 2:
                self.child_ownership[int(self.nodes[node]["place"])] = ownership
            self._open(node, leaf, evaluation.policy[i])
            tree.add_pending(self.nodes, leaf.path, len(leaf.path) - 1, -1)
            tree.add_visit(self.nodes, node)

    def _open(self, node: int, leaf: Leaf, policy: Any) -> None:
        """Gives a node its moves, the likeliest first."""
        pass_prior = PASS_REPLY_PRIOR if self.nodes[node]["place"] == PASS else PASS_PRIOR
        places = np.flatnonzero(leaf.allowed)
        if node == 0:
            places = places[[self.restriction.permits(int(place)) for place in places]] if len(places) else places
            pass_prior = pass_prior if self.restriction.permits(PASS) else 0.0
        weights = policy[places].astype(np.float64)
        if not len(places):
            places, priors = np.array([PASS]), np.ones(1)
        else:
            weights += 1e-9
            priors = weights / weights.sum()
            if pass_prior < PASS_REPLY_PRIOR:  # else never the likeliest, however many moves are alike
                pass_prior = min(pass_prior, priors.max() / 2)
            priors *= 1 - pass_prior
            if pass_prior:
                places, priors = np.append(places, PASS), np.append(priors, pass_prior)
        order = np.argsort(-priors, kind="stable")
        arrays = self.nodes, self.edges, self.counts
        tree.open_node(*arrays, node, places[order].astype(np.int16), priors[order].astype(np.float32))

    def _reserve(self, count: int) -> None:
        """Makes room for the nodes and edges of `count` positions."""
        nodes, edges = int(self.counts[0]) + count + 1, int(self.counts[1]) + (count + 1) * (PLACES + 1)
        if nodes > len(self.nodes):
            self.nodes = np.concatenate([self.nodes, np.zeros(max(len(self.nodes), count + 1), NODE)])
        if edges > len(self.edges):
            self.edges = np.concatenate([self.edges, np.zeros(max(len(self.edges), edges), EDGE)])

    # --- moving on ---------------------------------------------------------------------------------------------------

    def advance(self, place: int, colour: int | None = None) -> None:
        """Plays a move and keeps the part of the tree below it. Raises ValueError if the move is illegal."""
        board = self.board.copy()
        board.play(place, colour)
        child = self._child(place) if colour in (None, self.board.turn) and not self._is_restricted() else -1
        self.restriction = Restriction()
        self._set_board(board)
        nodes, edges = self.nodes, self.edges
        self.nodes, self.edges = np.zeros_like(nodes), np.zeros_like(edges)
        self.counts = np.zeros(2, np.int64)
        if child >= 0 and nodes[child]["state"] == OPEN:
            tree.copy_subtree(nodes, edges, child, self.nodes, self.edges, self.counts)
        else:
            tree.add_node(self.nodes, self.counts, -1, place, board.turn)
        self._forget_evaluations()

    def _is_restricted(self) -> bool:
        return bool(self.restriction.avoided) or self.restriction.allowed is not None

    def _child(self, place: int) -> int:
        edges = self._root_edges()
        children = edges["child"][edges["place"] == place]
        return int(children[0]) if len(children) else -1

    def _root_edges(self) -> Any:
        root = self.nodes[0]
        return self.edges[root["first"] : root["first"] + root["edges"]]

    # --- reading -----------------------------------------------------------------------------------------------------

    def result(self, max_moves: int | None = None) -> SearchResult:
        """What the search has found so far. At least one position must have been evaluated."""
        root = self.nodes[0]
        assert root["visits"], "nothing is evaluated"
        edges = self._root_edges()
        visits = np.array([self.nodes[child]["visits"] if child >= 0 else 0 for child in edges["child"]])
        order = np.lexsort((-edges["prior"], -visits))
        order = order[: max(int((visits > 0).sum()), 1)][:max_moves]
        mean = max(self.ownership_count, 1)
        return SearchResult(
            int(root["turn"]),
            int(root["visits"]),
            float(root["win"] / root["visits"]),
            float(root["lead"] / root["visits"]),
            float(root["own_win"]),
            float(root["own_lead"]),
            [self._move_stats(edges[i], int(visits[i])) for i in order],
            self._root_policy(edges),
            (self.ownership / mean).astype(np.float32),
        )

    def _move_stats(self, edge: Any, visits: int) -> MoveStats:
        node = self.nodes[edge["child"] if visits else 0]  # without a visit, the value of the position itself
        total, place = int(node["visits"]), int(edge["place"])
        pv, counts = self._pv(int(edge["child"])) if visits else ((), ())
        values = float(edge["prior"]), float(node["win"] / total), float(node["lead"] / total)
        return MoveStats(
            place, visits, *values, (place, *pv), (max(visits, 1), *counts), self.child_ownership.get(place)
        )

    def _pv(self, node: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The most visited moves below a node, and their visits."""
        places: list[int] = []
        counts: list[int] = []
        while len(places) < MAX_PV - 1:
            values = self.nodes[node]
            edges = self.edges[values["first"] : values["first"] + values["edges"]]
            visited = edges[edges["child"] >= 0]
            visits = self.nodes[visited["child"]]["visits"]
            if not len(visits) or not visits.max():
                break
            best = int(visits.argmax())
            node = int(visited["child"][best])
            places.append(int(visited["place"][best]))
            counts.append(int(visits[best]))
        return tuple(places), tuple(counts)

    def _root_policy(self, edges: Any) -> Any:
        policy = np.full(PLACES + 1, -1, np.float32)
        if self.policy is not None:  # else the tree of an earlier search was kept
            legal = packed_legal(packed(self.start[0]))
            policy[:PLACES][legal] = self.policy[legal]
        policy[edges["place"]] = edges["prior"]
        return policy


SENSIBLE_BYTES = slice(SENSIBLE * PLACES // 8, -(-(SENSIBLE + 1) * PLACES // 8))
SENSIBLE_BITS = slice(SENSIBLE * PLACES % 8, SENSIBLE * PLACES % 8 + PLACES)


def packed_legal(row: Any) -> Any:
    """The legal points of a packed position, bool (361,): those with a number of captured stones."""
    return unpacked(row, SIZE, SLICES["capture size"]).any(0).ravel()


def batch_of(leaves: Sequence[tuple[Search, Leaf]]) -> Batch:
    """The positions of several searches as one batch."""
    return Batch(
        np.concatenate([leaf.position for _, leaf in leaves]),
        np.stack([leaf.row for _, leaf in leaves]),
        np.array([search.komi for search, _ in leaves], np.float32),
    )


def grow(searches: Iterable[tuple[Search, int]], evaluator: Evaluator, size: int = BATCH) -> int:
    """One forward pass for several searches: up to `size` positions, of each search up to a number of visits.

    Returns the number of visits added.
    """
    searches = list(searches)
    before = sum(search.visits for search, _ in searches)
    collected: list[tuple[Search, list[Leaf]]] = []
    free = size
    for search, visits in searches:
        missing = visits - search.visits
        if free > 0 and missing > 0 and not search.is_full and (leaves := search.collect(min(free, missing))):
            collected.append((search, leaves))
            free -= len(leaves)
    flat = [(search, leaf) for search, leaves in collected for leaf in leaves]
    if flat:
        evaluation = evaluator(batch_of(flat))
        first = 0
        for search, leaves in collected:
            part = slice(first, first + len(leaves))
            search.apply(leaves, Evaluation(*(values[part] for values in evaluation)))
            first += len(leaves)
    return sum(search.visits for search, _ in searches) - before


def run(
    search: Search,
    evaluator: Evaluator,
    visits: int,
    seconds: float | None = None,
    stopped: Callable[[], bool] | None = None,
) -> None:
    """Searches up to a number of visits, up to some seconds, or until `stopped`; at least one visit."""
    deadline = math.inf if seconds is None else time.monotonic() + seconds
    while search.visits < max(visits, 1) and not (search.is_full and search.visits):
        grow([(search, max(visits, 1))], evaluator)
        if time.monotonic() >= deadline or (stopped and stopped()):
            break
