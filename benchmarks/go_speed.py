"""How fast Go is: moves replayed, random playouts, planes, and records read, each by its CPU seconds on one core.

    python benchmarks/go_speed.py GAMES [--games 300] [--rounds 3]

GAMES are records: test.sgf.zip. Records are read in turn with sgfmill alone and with ours, in one process; the other
figures are of compiled code after a first call. `--processes N` reads all records once more in N processes, by the
clock.
"""

import argparse
import os
import time
from itertools import islice

import numpy as np
from go_machine import machine
from neocog.go.collection import read_collection
from neocog.go.compiled import compiled
from neocog.go.eyes import is_spoilt, may_be_eye
from neocog.go.game import replay
from neocog.go.games import Games
from neocog.go.pack import ROW, first_rows, rows_of
from neocog.go.play.playouts import list_empty
from neocog.go.position import PASS, clear, empty_positions, legal, play
from neocog.go.record_files import record_files
from neocog.go.sgf import records
from sgfmill import sgf as sgfmill


def timed(work, rounds: int) -> list[float]:
    """CPU seconds of each round."""
    found = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return found


def tell(what: str, count: float, seconds: list[float]) -> float:
    rates = sorted(count / each for each in seconds)
    print(f"{what}: {rates[len(rates) // 2]:,.0f} a second (from {rates[0]:,.0f} to {rates[-1]:,.0f})")
    return rates[len(rates) // 2]


def by_sgfmill(contents) -> int:
    """The moves of all main lines."""
    return sum(
        1
        for content in contents
        for node in sgfmill.Sgf_game.from_bytes(content).get_main_sequence()
        if node.get_move()[0]
    )


def by_us(contents) -> list:
    return [next(records(content, ""))[1] for content in contents]


@compiled
def replay_all(b, stone_starts, stones, stone_colours, starts, moves, colours):
    """Plays games through, each move asked whether it is legal."""
    played = 0
    for game in range(len(starts) - 1):
        begin, end, first, last = stone_starts[game], stone_starts[game + 1], starts[game], starts[game + 1]
        played += replay(b, stones[begin:end], stone_colours[begin:end], moves[first:last], colours[first:last])
    return played


@compiled
def playouts(b, games, seed):
    """Games of random legal moves that fill no eye whose diagonals are the player's, to two passes. Gives the moves."""
    np.random.seed(seed)
    points = np.empty(b.size * b.size, np.int64)
    total = 0
    for _ in range(games):
        clear(b, b.size)
        count = list_empty(b, points)
        passes = 0
        while passes < 2 and b.moves < 1000:
            left, found = count, PASS
            while left:  # the points in a random order, as far as it is needed
                at = np.random.randint(left)
                p = points[at]
                left -= 1
                points[at], points[left] = points[left], p
                if legal(b, p) and not (may_be_eye(b, p, b.turn) and not is_spoilt(b, p, b.turn)):
                    count -= 1
                    points[left], points[count] = points[count], p
                    found = p
                    break
            passes = passes + 1 if found == PASS else 0
            if play(b, found):
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
    games = Games.from_list(by_us(contents))
    flat = (games.stone_starts, games.stones, games.stone_colours, games.starts, games.moves, games.colours)
    b = empty_positions(1, 19)[0]
    replay_all(b, *flat), playouts(b, 10, 0), rows_of(games, 0, 1, int(first_rows(games)[1]))

    theirs, ours = [], []
    for _ in range(options.rounds):
        theirs += timed(lambda: by_sgfmill(contents), 1)
        ours += timed(lambda: by_us(contents), 1)
    base = tell("sgfmill alone, games", len(contents), theirs)
    rate = tell("records read and played through, games", len(contents), ours)
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
        begin = time.perf_counter()
        collection = read_collection([options.records], options.processes)
        seconds = time.perf_counter() - begin
        print(f"{options.processes} processes: {len(collection.games) / seconds:,.0f} games a second by the clock")
    print(machine())
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
