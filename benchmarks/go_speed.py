"""Speed of Go in CPU seconds on one core: moves replayed, playouts, planes, and records read.

    python benchmarks/go_speed.py GAMES [--games 300] [--rounds 3]

GAMES are records: test.sgf.zip. Records are read alternately with sgfmill alone and with neocog, in one process; the
other figures are of compiled code after a first call. `--processes N` reads all records again in N processes and takes
the wall time.
"""

import argparse
import os
import time
from itertools import islice

import numpy as np
from go_machine import machine
from neocog.go.collection import read_collection
from neocog.go.compiled import compiled
from neocog.go.eyes import has_bad_diagonals, may_be_eye
from neocog.go.game import replay
from neocog.go.games import Games
from neocog.go.pack import ROW, first_rows, rows_of
from neocog.go.play.playouts import list_empty
from neocog.go.position import PASS, clear, empty_positions, legal, play_without_undo
from neocog.go.record_files import record_files
from neocog.go.sgf import records
from sgfmill import sgf as sgfmill


def timed(work, rounds: int) -> list[float]:
    """CPU seconds of each round."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return seconds


def tell(name: str, count: float, seconds: list[float]) -> float:
    rates = sorted(count / duration for duration in seconds)
    print(f"{name}: {rates[len(rates) // 2]:,.0f} a second (from {rates[0]:,.0f} to {rates[-1]:,.0f})")
    return rates[len(rates) // 2]


def by_sgfmill(contents) -> int:
    """The moves of all main lines."""
    return sum(
        1
        for content in contents
        for node in sgfmill.Sgf_game.from_bytes(content).get_main_sequence()
        if node.get_move()[0]
    )


def by_neocog(contents) -> list:
    return [next(records(content, ""))[1] for content in contents]


@compiled
def replay_all(b, stone_starts, stones, stone_colours, starts, moves, colours):
    """Replays games, checking each move."""
    played = 0
    for game in range(len(starts) - 1):
        s, m = slice(stone_starts[game], stone_starts[game + 1]), slice(starts[game], starts[game + 1])
        played += replay(b, stones[s], stone_colours[s], moves[m], colours[m])
    return played


@compiled
def playouts(b, games, seed):
    """Plays random legal moves that fill no eye, until both pass. Returns the number of moves."""
    np.random.seed(seed)
    points = np.empty(b.size * b.size, np.int64)
    total = 0
    for _ in range(games):
        clear(b, b.size)
        count = list_empty(b, points)
        passes = 0
        while passes < 2 and b.moves < 1000:
            untried, move = count, PASS
            while untried:  # tries points in random order
                i = np.random.randint(untried)
                p = points[i]
                untried -= 1
                points[i], points[untried] = points[untried], p
                if legal(b, p) and not (may_be_eye(b, p, b.turn) and not has_bad_diagonals(b, p, b.turn)):
                    count -= 1
                    points[untried], points[count] = points[count], p
                    move = p
                    break
            passes = passes + 1 if move == PASS else 0
            if play_without_undo(b, move):
                count = list_empty(b, points)
        total += b.moves
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records")
    parser.add_argument("--games", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=0)
    options = parser.parse_args()
    contents = [content for _, content in islice(record_files([options.records]), options.games)]
    games = Games.from_list(by_neocog(contents))
    flat = (games.stone_starts, games.stones, games.stone_colours, games.starts, games.moves, games.colours)
    b = empty_positions(1, 19)[0]
    replay_all(b, *flat), playouts(b, 10, 0), rows_of(games, 0, 1, int(first_rows(games)[1]))

    sgfmill_seconds, neocog_seconds = [], []
    for _ in range(options.rounds):
        sgfmill_seconds += timed(lambda: by_sgfmill(contents), 1)
        neocog_seconds += timed(lambda: by_neocog(contents), 1)
    base = tell("sgfmill alone, games", len(contents), sgfmill_seconds)
    rate = tell("records read and played through, games", len(contents), neocog_seconds)
    print(f"  {rate / base:.2f} times sgfmill alone")
    tell("moves replayed", len(games.moves), timed(lambda: replay_all(b, *flat), options.rounds))
    moves = playouts(b, 1000, 1)
    tell(f"playouts of {moves / 1000:.0f} moves", 1000, timed(lambda: playouts(b, 1000, 1), options.rounds))
    count = int(first_rows(games)[-1])
    rates = timed(
        lambda: [rows_of(games, g, g + 1, n) for g, n in enumerate(np.diff(first_rows(games)))], options.rounds
    )
    rate = tell("48 planes with ladders, packed, positions", count, rates)
    print(f"  {rate / 382:.0f} times RocAlphaGo's 382 (of another processor); {ROW.itemsize} bytes each")
    if options.processes:
        start = time.perf_counter()
        collection = read_collection([options.records], options.processes)
        seconds = time.perf_counter() - start
        print(f"{options.processes} processes: {len(collection.games) / seconds:,.0f} games a second by the clock")
    print(machine())
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
