"""The evaluator of the search in bfloat16 against float32: time, policy and values on the same test positions.

python benchmarks/go_precision.py test.sgf.zip --positions 2000
"""

import argparse
import time

import neocog
import numpy as np
import torch
from go_machine import machine
from neocog.go.collection import read_collection
from neocog.go.evaluation import NetworkEvaluator
from neocog.go.pack import usable_games
from neocog.go.position import empty_positions
from neocog.go.positions import Positions
from neocog.go.search import BATCH, Batch
from neocog.go.value import FILE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games")
    parser.add_argument("--positions", type=int, default=2000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    collection = read_collection([arguments.games])
    positions = Positions(collection.games.subset(usable_games(collection)[0]))
    indices = np.sort(np.random.default_rng(0).choice(len(positions), arguments.positions, replace=False))
    moves = positions.moves[indices]
    turns = empty_positions(len(indices), 19)
    turns["turn"] = positions.games.colours[positions.move_indices[indices]]
    batch = Batch(turns, positions.rows(indices), np.full(len(indices), 6.5, np.float32))
    model, path = neocog.load("go", "cpu", 1), neocog.find("go").path.with_name(FILE)
    seconds, losses, hits, wins, leads = {}, {}, {}, {}, {}
    for precision in ("float32", "bfloat16"):
        evaluator = NetworkEvaluator(model, path, precision)
        evaluator(Batch(*(part[:BATCH] for part in batch)))
        start = time.process_time()
        parts = [evaluator(Batch(*(part[i : i + BATCH] for part in batch))) for i in range(0, len(indices), BATCH)]
        seconds[precision] = time.process_time() - start
        policy = np.concatenate([part.policy for part in parts])
        losses[precision] = -np.log(np.maximum(policy[np.arange(len(moves)), moves], 1e-12))
        hits[precision] = policy.argmax(1) == moves
        wins[precision] = np.concatenate([part.win for part in parts])
        leads[precision] = np.concatenate([part.lead for part in parts])
        print(f"{precision:<9} {1000 * seconds[precision] / len(moves):.2f} ms CPU a position in batches of {BATCH}, "
              f"top-1 {hits[precision].mean():.2%}, log loss {losses[precision].mean():.4f}", flush=True)  # fmt: skip
    change = losses["bfloat16"] - losses["float32"]
    half = 1.96 * change.std() / len(change) ** 0.5
    win = np.abs(wins["bfloat16"] - wins["float32"])
    print(f"time ratio {seconds['float32'] / seconds['bfloat16']:.2f}; log loss {change.mean():+.5f} ± {half:.5f}; "
          f"the hit differs in {np.mean(hits['float32'] != hits['bfloat16']):.2%} of the positions; "
          f"win rate differs by {win.mean():.4f} on average (at most {win.max():.3f}), lead by "
          f"{np.abs(leads['bfloat16'] - leads['float32']).mean():.2f} points; {machine()}")  # fmt: skip


if __name__ == "__main__":
    main()
