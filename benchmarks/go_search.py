"""Positions a second in the search, against its evaluator alone at batches of 8, in one process on one thread.

python benchmarks/go_search.py [--visits 200] [--rounds 5] [--precision float32] game.sgf
"""

import argparse
import time

import neocog
import numpy as np
import torch
from go_machine import machine
from neocog.go import search, sgf
from neocog.go.board import Board
from neocog.go.evaluation import NetworkEvaluator
from neocog.go.planes import packed
from neocog.go.position import POSITION
from neocog.go.search import BATCH, Batch, Evaluation, Search
from neocog.go.value import FILE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("game")
    parser.add_argument("--move", type=int, default=80)
    parser.add_argument("--visits", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    head = neocog.find("go").path.with_name(FILE)
    evaluator = NetworkEvaluator(neocog.load("go", "cpu", 1), head, arguments.precision)
    sizes: list[int] = []

    def counting(batch: Batch) -> Evaluation:
        sizes.append(len(batch.rows))
        return evaluator(batch)

    with open(arguments.game, "rb") as file:
        board = Board.from_game(sgf.read(file.read()), arguments.move)
    positions = np.empty(BATCH, POSITION)
    positions[:] = board.position
    batch = Batch(positions, np.repeat(packed(board.position)[None], BATCH, 0), np.full(BATCH, 6.5, np.float32))
    search.run(Search(board, 6.5), counting, 10)  # compiles
    ratios = []
    for _ in range(arguments.rounds):
        sizes.clear()
        start = time.process_time()
        tree = Search(board, 6.5)
        search.run(tree, counting, arguments.visits)
        searched = tree.visits / (time.process_time() - start)
        start = time.process_time()
        for _ in range(arguments.visits // BATCH):
            evaluator(batch)
        alone = arguments.visits // BATCH * BATCH / (time.process_time() - start)
        ratios.append(searched / alone)
        print(f"search {searched:.1f} positions/s, evaluator {alone:.1f}, ratio {ratios[-1]:.3f}, "
              f"batches of {np.mean(sizes):.1f}", flush=True)  # fmt: skip
    print(f"ratio: median {np.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), {evaluator.dtype}")
    print(machine())


if __name__ == "__main__":
    main()
