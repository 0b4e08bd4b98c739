"""Time of a training step of `neocog train` relative to a bare step of the network on one batch on the device.

    python benchmarks/step.py [--recipe keras-digits] [--batch 128] [--steps 100] [--rounds 7]

The bare step is forward, loss, backward and the same optimiser. A training step adds batch indexing, augmentation,
frontend, schedule, seeding, running sums and checks of the loss.
"""

import argparse
import statistics
import time

import torch
from machine import machine
from neocog.core import device as devices
from neocog.core.data import Examples
from neocog.core.feed import to_device_if_fits
from neocog.core.initialize import initialize
from neocog.core.network import Network
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import Trainer, batches
from neocog.vision import DOMAIN
from torch.nn import functional as F


def trainer_for(recipe: str, batch: int | None, shape: tuple[int, int, int], device: torch.device) -> Trainer:
    entry = DOMAIN.recipes[recipe]
    settings = Settings().changed(entry.settings, {"batch": batch})
    module = Network(shape, entry.layers(10)).module()
    initialize(module, 0, settings.dirac)
    if settings.whiten:
        module[0].weight.requires_grad_(False)
    preprocessing = {"colour": "grey" if shape[0] == 1 else "rgb", "mean": [0.5] * shape[0], "std": [0.25] * shape[0]}
    return Trainer(Classify([]), DOMAIN.frontend(preprocessing), module, settings, device, devices.World())


def bare(trainer: Trainer, x: torch.Tensor, y: torch.Tensor, steps: int) -> float:
    """Returns the seconds of a bare step on one batch of maps."""
    begin = time.perf_counter()
    for _ in range(steps):
        trainer.optimiser.zero_grad()
        with trainer.precision():
            logits = trainer.runs(x)
        F.cross_entropy(logits.float(), y, label_smoothing=trainer.settings.smoothing).backward()
        trainer.optimiser.step()
    devices.finish(trainer.device)
    return (time.perf_counter() - begin) / steps


def training_step(trainer: Trainer, examples: Examples, steps: int) -> float:
    """Returns the seconds of a training step."""
    augment = DOMAIN.augment(trainer.settings.augment, {})
    indices = batches(len(examples), trainer.settings.batch, 0, 0)
    begin = time.perf_counter()
    for step in range(steps):
        trainer.step(examples, augment, indices[step % len(indices)], 0.5)
    devices.finish(trainer.device)
    return (time.perf_counter() - begin) / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="keras-digits")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--input", default="1x28x28")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    channels, height, width = map(int, options.input.split("x"))
    device = devices.choose(options.device)
    trainer = trainer_for(options.recipe, options.batch, (channels, height, width), device)
    trainer.network.train()
    count = max(10_000, 2 * trainer.settings.batch)
    images = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)
    examples = to_device_if_fits(Examples(images, torch.randint(0, 10, (count,)), [""] * count), device)
    x = torch.randn(trainer.settings.batch, channels, height, width, device=device)
    x, y = x.contiguous(memory_format=trainer.layout), examples.targets[: trainer.settings.batch]
    bare(trainer, x, y, options.steps // 4), training_step(trainer, examples, options.steps // 4)
    pairs = [
        (bare(trainer, x, y, options.steps), training_step(trainer, examples, options.steps))
        for _ in range(options.rounds)
    ]
    ratios = sorted(ours / base for base, ours in pairs)
    base, ours = (statistics.median(values) * 1000 for values in zip(*pairs, strict=True))
    print(
        f"{options.recipe}, {options.input}, batch {trainer.settings.batch}: "
        f"bare {base:.2f} ms, whole {ours:.2f} ms a step"
    )
    print(
        f"ratio: median {statistics.median(ratios):.3f}, "
        f"from {ratios[0]:.3f} to {ratios[-1]:.3f}, {options.rounds} rounds"
    )
    print(machine())


if __name__ == "__main__":
    main()
