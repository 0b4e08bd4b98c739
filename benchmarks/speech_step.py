"""Time of a training step of `neocog train speech` relative to a bare step of the network on one batch of maps.

    python benchmarks/speech_step.py [--recipe swift] [--batch 64] [--steps 10] [--rounds 5] [--rate 8000]
        [--seconds 0.7]

A training step adds batch indexing, augmentation of samples and maps, the log-mel frontend and bookkeeping.
"""

import argparse
import statistics
import time

import torch
from machine import machine
from neocog.core import device as devices
from neocog.core.data import Examples
from neocog.core.initialize import initialize
from neocog.core.network import Network
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import Trainer, batches
from neocog.speech import DOMAIN
from neocog.speech.options import DEFAULTS
from neocog.speech.spectrogram import middles
from step import bare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="swift")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=int, default=8000)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--augment", help="instead of the recipe's")
    options = parser.parse_args()
    recipe, samples = DOMAIN.recipes[options.recipe], round(options.seconds * options.rate)
    preprocessing = {**DEFAULTS, "rate": options.rate, "samples": samples, **recipe.options}
    changes = {"batch": options.batch, "augment": options.augment}
    settings = Settings().changed(recipe.settings, changes)
    sounds = (torch.randn(10 * options.batch, samples) * 3000).to(torch.int16)
    examples = Examples(sounds, torch.randint(0, 10, (len(sounds),)), [""] * len(sounds))
    frontend = DOMAIN.frontend(preprocessing)
    x = torch.randn_like(frontend(sounds[: options.batch]))
    module = Network(tuple(x.shape[1:]), recipe.layers(10, frames=x.shape[3])).module()
    initialize(module, 0, settings.dirac)
    if settings.whiten:
        module[0].weight.requires_grad_(False)
    trainer = Trainer(Classify([]), frontend, module, settings, torch.device("cpu"), devices.World())
    trainer.network.train()
    augment = DOMAIN.augment(settings.augment, {"bands": middles(preprocessing["bands"], options.rate).float()})
    indices = batches(len(examples), options.batch, 0, 0)
    x, y = x.contiguous(memory_format=trainer.layout), examples.targets[: options.batch]

    def both() -> tuple[float, float]:
        begin = time.perf_counter()
        for step in range(options.steps):
            trainer.step(examples, augment, indices[step % len(indices)], 0.5)
        ours = (time.perf_counter() - begin) / options.steps
        return bare(trainer, x, y, options.steps), ours

    both()
    pairs = [both() for _ in range(options.rounds)]
    ratios = sorted(ours / base for base, ours in pairs)
    base, ours = (statistics.median(values) * 1000 for values in zip(*pairs, strict=True))
    print(f"{options.recipe}, {options.seconds:g} s at {options.rate} Hz, batch {options.batch}, {settings.augment}")
    print(f"bare {base:.1f} ms, whole {ours:.1f} ms a step")
    print(f"ratio: median {statistics.median(ratios):.3f}, from {ratios[0]:.3f} to {ratios[-1]:.3f}")
    print(machine())


if __name__ == "__main__":
    main()
