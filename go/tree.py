"""The tree of a search as flat arrays, compiled: nodes with counts and sums, edges with priors, and PUCT selection.

A node is a position, reached by one move from its parent; an edge is a move with its prior probability, and has a node
once it was visited. Sums are from Black's side. The edges of a node are sorted by prior, so of those without a visit
only the first can be selected: a selection reads the visited edges and one more.

PUCT (Silver et al. 2017, "Methods: Select"): the edge with the largest Q + c · P · √N / (1 + n), where an edge without
visits has the Q of its parent, reduced by the probability already explored (as in Leela Zero and KataGo). A visit that
waits for its evaluation counts as a loss (virtual loss), so that the next one of the batch goes elsewhere.
"""

from __future__ import annotations

from math import sqrt

import numpy as np

from .compiled import compiled
from .move_effect import move_effect
from .position import BLACK, PASS, WALL, ZOBRIST, play, play_without_undo, point_of, undo

NEW, WAITING, OPEN, END = range(4)  # no evaluation yet; in a batch; has edges; the game is over
NO_MOVE = -2  # the place of the root of a game without moves
MAX_DEPTH = 500  # moves below the root
EXPLORATION = 1.5  # c of PUCT, for utilities from −1 to 1
REDUCTION = 0.3  # of the utility of an edge without visits, times the root of the probability explored
NODE_LIMIT = 50_000  # of a tree: some 130 MB

NODE = np.dtype(
    [
        ("parent", "i4"),
        ("place", "i2"),  # the move that leads here, −1 for a pass
        ("turn", "i1"),  # the colour to move
        ("state", "i1"),
        ("first", "i8"),  # of its edges
        ("edges", "i4"),
        ("visits", "i4"),  # evaluations of this node and below
        ("pending", "i4"),  # those that wait for the network
        ("utility", "f8"),  # sums over the visits, from Black's side
        ("win", "f8"),
        ("lead", "f8"),
        ("own_utility", "f4"),  # of this node's own evaluation
        ("own_win", "f4"),
        ("own_lead", "f4"),
    ],
    align=True,
)
EDGE = np.dtype([("prior", "f4"), ("child", "i4"), ("place", "i2")], align=True)


@compiled
def best_edge(nodes, edges, node, exploration):  # type: ignore[no-untyped-def]
    """The index of the edge that PUCT selects."""
    n = nodes[node]
    sign = 1.0 if n.turn == BLACK else -1.0
    explored, total = 0.0, 0
    for e in range(n.first, n.first + n.edges):
        if edges[e].child < 0:
            break
        c = nodes[edges[e].child]
        if c.visits + c.pending > 0:
            explored += edges[e].prior
            total += c.visits + c.pending
    unvisited = sign * n.utility / max(n.visits, 1) - REDUCTION * sqrt(explored)
    scale = exploration * sqrt(max(total, 1))
    best, highest = n.first, -1e30
    for e in range(n.first, n.first + n.edges):
        child, count, q = edges[e].child, 0, unvisited
        if child >= 0:
            c = nodes[child]
            count = c.visits + c.pending
            if count > 0:
                q = (sign * c.utility - c.pending) / count
        score = q + scale * edges[e].prior / (1 + count)
        if score > highest:
            best, highest = e, score
        if child < 0:
            break
    return best


@compiled
def add_node(nodes, counts, parent, place, turn):  # type: ignore[no-untyped-def]
    """Adds a node without edges; returns its index."""
    index = counts[0]
    counts[0] += 1
    n = nodes[index]
    n.parent, n.place, n.turn, n.state = parent, place, turn, NEW
    n.first, n.edges, n.visits, n.pending = 0, 0, 0, 0
    n.utility, n.win, n.lead = 0.0, 0.0, 0.0
    n.own_utility, n.own_win, n.own_lead = 0.0, 0.0, 0.0
    return index


@compiled
def descend(nodes, edges, counts, exploration, work, history, known, path):  # type: ignore[no-untyped-def]
    """Follows the selected edges from node 0, whose position is in `work`, to a node without edges.

    Plays the moves in `work`, appends the hashes of the positions to `history` after the `known` ones, and writes the
    nodes into `path`. Returns the number of moves.
    """
    b = work[0]
    node, depth = 0, 0
    path[0] = 0
    while nodes[node].state == OPEN and depth < MAX_DEPTH:
        edge = best_edge(nodes, edges, node, exploration)
        place = edges[edge].place
        if edges[edge].child < 0:
            edges[edge].child = add_node(nodes, counts, node, place, WALL - nodes[node].turn)
        node = edges[edge].child
        play_without_undo(b, PASS if place < 0 else point_of(b, place))
        history[known + depth] = b.hash
        depth += 1
        path[depth] = node
    return depth


@compiled
def forbid_repetitions(b, history, known, allowed):  # type: ignore[no-untyped-def]
    """Clears the places of legal moves that repeat one of the first `known` positions of `history`."""
    for place in range(b.size * b.size):
        if allowed[place]:
            p = point_of(b, place)
            captured, _, _ = move_effect(b, p, b.turn)
            if captured == 0:
                after = b.hash ^ ZOBRIST[b.turn, p]
            else:
                play(b, p)
                after = b.hash
                undo(b)
            for i in range(known):
                if history[i] == after:
                    allowed[place] = False
                    break


@compiled
def open_node(nodes, edges, counts, node, places, priors):  # type: ignore[no-untyped-def]
    """Gives a node its edges, whose priors are in descending order."""
    n = nodes[node]
    n.first, n.edges, n.state = counts[1], len(places), OPEN
    for i in range(len(places)):
        e = edges[counts[1] + i]
        e.prior, e.child, e.place = priors[i], -1, places[i]
    counts[1] += len(places)


@compiled
def add_pending(nodes, path, depth, count):  # type: ignore[no-untyped-def]
    """Adds waiting visits to the nodes of a path, or removes them."""
    for i in range(depth + 1):
        nodes[path[i]].pending += count


@compiled
def add_visit(nodes, node):  # type: ignore[no-untyped-def]
    """Adds the evaluation of a node to the sums of this node and of those above."""
    utility, win, lead = nodes[node].own_utility, nodes[node].own_win, nodes[node].own_lead
    while node >= 0:
        n = nodes[node]
        n.visits += 1
        n.utility += utility
        n.win += win
        n.lead += lead
        node = n.parent


@compiled
def copy_subtree(nodes, edges, root, new_nodes, new_edges, counts):  # type: ignore[no-untyped-def]
    """Copies the tree below a node, which becomes node 0, into other arrays. Nothing may be pending."""
    old = np.empty(len(new_nodes), np.int32)
    new_nodes[0] = nodes[root]
    new_nodes[0].parent = -1
    old[0] = root
    count, edge_count, i = 1, 0, 0
    while i < count:
        n = new_nodes[i]
        source = nodes[old[i]]
        n.first = edge_count
        for k in range(source.edges):
            new_edges[edge_count] = edges[source.first + k]
            child = edges[source.first + k].child
            if child >= 0:
                new_nodes[count] = nodes[child]
                new_nodes[count].parent = i
                old[count] = child
                new_edges[edge_count].child = count
                count += 1
            edge_count += 1
        i += 1
    counts[0], counts[1] = count, edge_count
