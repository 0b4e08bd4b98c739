"""Predictions per second of a trained model, and the time of a training step relative to a bare step.

    python benchmarks/text_speed.py RUN DATA [--steps 100] [--rounds 5]

RUN is a run folder; the texts of DATA are predicted as lines, tokenisation and windows included, and trained on. The
bare step is forward, loss, backward and the same optimiser on batches prepared in advance.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from machine import machine
from neocog import domain, load
from neocog.core import device as devices
from neocog.core import stream
from neocog.core.data import DataSpec
from neocog.core.network import Network, parse
from neocog.core.settings import Settings
from neocog.core.sources.content import fetched
from neocog.core.tasks import Classify
from neocog.core.train import Trainer, batches
from neocog.text.options import Reading
from neocog.text.sources import open_sources
from torch.nn import functional as F


def predictions(run: str, data: str, rounds: int) -> list[float]:
    """Returns texts per CPU second, predicted as by `neocog predict RUN -`."""
    model = load(run, "cpu")
    ((source, _),) = open_sources(DataSpec(data), Reading())
    samples = source.scan(None).samples
    lines = [fetched(content) for _, content in source.contents(samples)]
    rates = []
    for _ in range(rounds):
        begin = time.process_time()
        count = sum(1 for _ in stream.lines(model, [lines[i : i + 500] for i in range(0, len(lines), 500)], 1))
        rates.append(count / (time.process_time() - begin))
    return rates


def trainer_of(run: str) -> tuple[Trainer, Network]:
    card = load(run, "cpu").card
    network = Network(card.input, parse(card.network))
    settings = Settings().changed(card.settings)
    frontend = domain("text").frontend(card.preprocessing)
    device = torch.device("cpu")
    return Trainer(
        Classify([]), frontend, network.module(), settings, device, devices.World(), network.right_context
    ), network


def step_ratios(run: str, data: str, steps: int, rounds: int) -> list[float]:
    """Returns the CPU seconds of training steps divided by those of bare steps, on the same batches."""
    trainer, network = trainer_of(run)
    examples = domain("text").load(DataSpec(data), None, None).train.with_right_context(network.right_context)
    augment = domain("text").augment("none", {})
    indices = batches(len(examples), trainer.settings.batch, 0, 0, None, examples.lengths)[: steps + 5]
    ready = [(x.float(), y) for x, y in (examples[batch_indices] for batch_indices in indices)]
    trainer.network.train()
    ratios = []
    for _ in range(rounds):
        begin = time.process_time()
        for x, y in ready:
            trainer.optimiser.zero_grad()
            F.cross_entropy(trainer.runs(x), y).backward()
            trainer.optimiser.step()
        bare = time.process_time() - begin
        begin = time.process_time()
        for batch_indices in indices:
            trainer.step(examples, augment, batch_indices, 0.5)
        ratios.append((time.process_time() - begin) / bare)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    speeds = predictions(str(options.run), options.data, options.rounds)
    print(
        f"predictions: {statistics.median(speeds):,.0f} texts a CPU second ({min(speeds):,.0f} to {max(speeds):,.0f})"
    )
    ratios = step_ratios(str(options.run), options.data, options.steps, options.rounds)
    print(f"step: {statistics.median(ratios):.3f} of a bare one ({min(ratios):.3f} to {max(ratios):.3f})")
    print(machine())


if __name__ == "__main__":
    main()
