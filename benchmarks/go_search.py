"""Positions a second in the search, against the network alone at batches of 8, in one process on one thread.

python benchmarks/go_search.py [--visits 200] [--rounds 5] game.sgf
"""

import argparse
import time

import neocog
import numpy as np
import torch
from neocog.go import search, sgf
from neocog.go.board import Board
from neocog.go.play.policy import Policy
from neocog.go.search import BATCH, Evaluation, Search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("game")
    parser.add_argument("--move", type=int, default=80)
    parser.add_argument("--visits", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    policy = Policy(neocog.load("go", "cpu", 1))
    sizes: list[int] = []

    def network(batch: search.Batch) -> Evaluation:
        """The network's policy; values that cost nothing."""
        sizes.append(len(batch.rows))
        zeros = np.zeros(len(batch.rows), np.float32)
        return Evaluation(policy(batch.rows), zeros + 0.5, zeros, np.zeros((len(zeros), 361), np.float32))

    with open(arguments.game, "rb") as file:
        board = Board.from_game(sgf.read(file.read()), arguments.move)
    rows = np.repeat(search.packed(board.position)[None], BATCH, 0)
    search.run(Search(board, 6.5), network, 10)  # compiles
    ratios = []
    for _ in range(arguments.rounds):
        sizes.clear()
        start = time.process_time()
        tree = Search(board, 6.5)
        search.run(tree, network, arguments.visits)
        searched = tree.visits / (time.process_time() - start)
        start = time.process_time()
        for _ in range(arguments.visits // BATCH):
            policy(rows)
        alone = arguments.visits // BATCH * BATCH / (time.process_time() - start)
        ratios.append(searched / alone)
        print(f"search {searched:.1f} positions/s, network {alone:.1f}, ratio {ratios[-1]:.3f}, "
              f"batches of {np.mean(sizes):.1f}", flush=True)  # fmt: skip
    print(f"ratio: median {np.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
