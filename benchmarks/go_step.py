"""A training step of a policy network: utilisation of the device, and whether it waits for planes.

    python benchmarks/go_step.py GAMES [--recipe "alphago(filters=192)"] [--batch 1024] [--steps 30] [--rounds 5]

"bare" is the network and the optimiser on one batch of maps on the device; "full" fetches positions, computes their
planes in threads, unpacks them and applies the symmetries. Arithmetic counts three times the
multiply-accumulates of the network (forward, and backward to inputs and weights), two operations each; the peak is what
one large matrix product reaches on the same device in the same number format, in the same run.
"""

import argparse
import statistics
import time

import torch
from machine import machine
from neocog.core import device as devices
from neocog.core.data import DataSpec
from neocog.core.feed import prefetcher
from neocog.core.initialize import initialize
from neocog.core.network import Network
from neocog.core.plan import find_recipe
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import Trainer, batches
from neocog.go import DOMAIN
from step import bare


def peak(device: torch.device, dtype: torch.dtype, rounds: int = 20) -> float:
    """Operations a second of a product of two large square matrices."""
    size = 8192 if device.type == "cuda" else 2048
    a = torch.randn(size, size, device=device, dtype=dtype)
    a @ a
    devices.finish(device)
    start = time.perf_counter()
    for _ in range(rounds):
        a @ a
    devices.finish(device)
    return 2 * size**3 * rounds / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games")
    parser.add_argument("--recipe", default="alphago(filters=192)")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    device = devices.choose(options.device)
    data = DOMAIN.load(DataSpec(options.games), None, None)
    recipe, arguments, keywords = find_recipe(DOMAIN, options.recipe)
    network = Network(recipe.input, recipe.layers(len(data.labels), *arguments, **keywords))
    module = network.module()
    settings = Settings().changed(recipe.settings, {"batch": options.batch, "compile": options.compile})
    initialize(module, 0, settings.dirac)
    trainer = Trainer(
        Classify(data.labels), DOMAIN.frontend(data.preprocessing), module, settings, device, devices.World()
    )
    trainer.network.train()
    augment = DOMAIN.augment(settings.augment, data.preprocessing)
    order = batches(len(data.train), options.batch, 0, 0)
    inputs, y = (values.to(device) for values in data.train[order[0]])
    x = trainer.frontend(inputs).contiguous(memory_format=trainer.layout)
    step_index = 0

    def full_step() -> float:
        nonlocal step_index
        start = time.perf_counter()
        for _ in range(options.steps):
            if trainer.prefetcher is not None:
                trainer.prefetcher.prefetch(order[step_index : step_index + trainer.prefetcher.depth])
            trainer.step(data.train, augment, order[step_index], 0.5)
            step_index += 1
        devices.finish(device)
        return (time.perf_counter() - start) / options.steps

    trainer.prefetcher = prefetcher(data.train, device)
    bare(trainer, x, y, options.steps), full_step()
    pairs = [(bare(trainer, x, y, options.steps), full_step()) for _ in range(options.rounds)]
    peak_rate = peak(device, trainer.dtype)
    base, full = (statistics.median(values) for values in zip(*pairs, strict=True))
    work = 6 * network.macs * options.batch
    print(f"{options.recipe}, batch {options.batch}, {trainer.dtype}, {options.rounds} rounds of {options.steps} steps")
    for name, seconds in (("bare", base), ("full", full)):
        print(
            f"{name}: {seconds * 1000:.1f} ms a step, {options.batch / seconds:,.0f} positions/s, "
            f"{work / seconds / 1e12:.3g} TFLOP/s, {work / seconds / peak_rate:.0%} of the peak"
        )
    ratios = sorted(full_seconds / bare_seconds for bare_seconds, full_seconds in pairs)
    print(f"full / bare: median {statistics.median(ratios):.3f}, from {ratios[0]:.3f} to {ratios[-1]:.3f}")
    print(f"peak: {peak_rate / 1e12:.3g} TFLOP/s; {machine()}")
    if trainer.prefetcher:
        trainer.prefetcher.close()


if __name__ == "__main__":
    main()
