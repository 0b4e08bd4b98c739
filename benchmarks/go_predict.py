"""Cost of one prediction: planes, network and the symmetries of the board, from a position to probabilities.

    python benchmarks/go_predict.py [--filters 192] [--model MODEL] [--rounds 30] [--threads 1 2]

Medians over rounds of one position at a time, after a warm-up, in wall time and CPU time. Without a model, the network
is AlphaGo's with random weights, on which the cost does not depend.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import neocog
import numpy as np
import torch
from go_machine import machine
from neocog.core import checkpoint
from neocog.core.checkpoint import Card
from neocog.core.initialize import initialize
from neocog.core.network import Network
from neocog.go.board import Board
from neocog.go.data import LABELS
from neocog.go.models import BOARD, alphago
from neocog.go.planes import packed
from neocog.go.play.policy import Policy


def untrained(filters: int, folder: str) -> str:
    """A model file of AlphaGo's network with random weights."""
    network = Network(BOARD, alphago(len(LABELS), filters))
    module = network.module()
    initialize(module, 0, False)
    path = Path(folder) / "model.safetensors"
    card = Card("go", str(network), BOARD, LABELS, {}, settings={"augment": "symmetries"})
    checkpoint.save(path, module.state_dict(), card)
    return str(path)


def position() -> Board:
    """A board after 120 random moves."""
    board, rng = Board(19), np.random.default_rng(0)
    while len(board.moves) < 120:
        if board.legal(place := int(rng.integers(361))):
            board.play(place)
    return board


def timed(policy: Policy, board: Board, rounds: int) -> tuple[list[float], list[float]]:
    """Wall and CPU milliseconds of each round."""
    wall, cpu = [], []
    for _ in range(rounds):
        start, cpu_start = time.perf_counter(), time.process_time()
        policy(packed(board.position)[None])
        wall.append(1000 * (time.perf_counter() - start))
        cpu.append(1000 * (time.process_time() - cpu_start))
    return wall, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--filters", type=int, default=192)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    board = position()
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or untrained(options.filters, folder)
        policies = {count: Policy(neocog.load(model, "cpu", count)) for count in (1, 8)}
    for threads in options.threads:
        torch.set_num_threads(threads)
        for count, policy in policies.items():
            timed(policy, board, 3)
            wall, cpu = timed(policy, board, options.rounds)
            low, middle, high = min(wall), statistics.median(wall), max(wall)
            print(
                f"{threads} thread{'s' * (threads > 1)}, {count} symmetr{'ies' if count > 1 else 'y'}: "
                f"{middle:.1f} ms ({low:.1f} to {high:.1f}), {statistics.median(cpu):.1f} CPU ms"
            )
    print(machine())
    print(f"load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
