"""Training throughput on MNIST against PyTorch's own example (pytorch/examples, mnist/main.py).

    python benchmarks/mnist_example.py FOLDER-WITH-MNIST [--rounds 3] [--batch 64] [--workers 0] [--pictures 60000]

The example's data pipeline (`torchvision.datasets.MNIST`, ToTensor and Normalize per image, a DataLoader) and loop,
with the same network (`keras-digits`), optimiser (AdamW) and batch size as Neocog. Both train an epoch in turn; prints
images per second and the ratio of each pair.

The example runs in its own process with torch's modules. Two further ratios explain the result. "With our modules": the
same loop in Neocog's process with its modules and memory allocator, so that only data pipeline and loop differ. "At
most": the example against the bare steps of network and optimiser on one resident batch, which bounds the ratio (Amdahl
1967).
"""

import argparse
import gzip
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from machine import machine
from neocog.core import device as devices
from neocog.core import train as training
from neocog.core.data import DataSpec, Examples
from neocog.core.initialize import initialize
from neocog.core.network import Network
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import Trainer
from neocog.vision import DOMAIN
from step import bare
from torch.nn import functional as F
from torchvision import datasets, transforms

WARM_UP = 20  # steps


def network() -> torch.nn.Module:
    module = Network((1, 28, 28), DOMAIN.recipes["keras-digits"].layers(10)).module()
    initialize(module, 0)
    return module


def example(mnist: Path, module: torch.nn.Module, options: argparse.Namespace) -> float:
    """Returns the seconds of one epoch of the example's loop."""
    device = devices.choose(options.device)
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    pictures = datasets.MNIST(str(mnist), train=True, transform=transform)
    module = module.to(device)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.002)
    module.train()

    def loop(count: int) -> float:
        subset = torch.utils.data.Subset(pictures, range(count))
        loader = torch.utils.data.DataLoader(subset, options.batch, shuffle=True, num_workers=options.workers)
        begin = options.clock()
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            optimiser.zero_grad()
            loss = F.nll_loss(F.log_softmax(module(data), dim=1), target)
            loss.backward()
            optimiser.step()
        devices.finish(device)
        return options.clock() - begin

    loop(WARM_UP * options.batch)
    return loop(options.pictures)


def example_process(mnist: Path) -> float:
    """Returns the seconds of `example` in its own process, with torch's modules."""
    command = [sys.executable, __file__, *sys.argv[1:], "--example", str(mnist)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def trainer_for(preprocessing: dict, options: argparse.Namespace) -> Trainer:
    settings = Settings(epochs=1, batch=options.batch, lr=0.002)
    return Trainer(
        Classify([]),
        DOMAIN.frontend(preprocessing),
        network(),
        settings,
        devices.choose(options.device),
        devices.World(),
    )


def ours(examples: Examples, preprocessing: dict, options: argparse.Namespace) -> float:
    """Returns the seconds of one epoch of Neocog's loop on the same images, without augmentation."""
    trainer = trainer_for(preprocessing, options)
    begin = options.clock()
    for _ in training.steps(trainer, examples, examples.subset(torch.arange(0)), DOMAIN.augment("none", {})):
        pass
    return options.clock() - begin


def steps(examples: Examples, preprocessing: dict, options: argparse.Namespace) -> float:
    """Returns the seconds of an epoch's bare steps of network and optimiser on one batch."""
    trainer = trainer_for(preprocessing, options)
    inputs, targets = (tensor.to(trainer.device) for tensor in examples[torch.arange(options.batch)])
    maps = trainer.frontend(inputs).contiguous(memory_format=trainer.layout)
    trainer.network.train()
    begin = options.clock()
    bare(trainer, maps, targets, -(-len(examples) // options.batch))
    return options.clock() - begin


def unpack(mnist: Path, folder: Path) -> Path:
    """Unpacks the IDX files where torchvision expects them."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in mnist.glob("*ubyte.gz"):
        with gzip.open(path) as packed, open(raw / path.stem, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    return folder


def summary(values: list[float]) -> str:
    """Returns the median and the range."""
    return f"{statistics.median(values):.2f}× ({min(values):.2f} to {max(values):.2f})"


def compare(options: argparse.Namespace) -> None:
    data = DOMAIN.load(DataSpec(str(options.mnist)), None, None)
    splits = (data.train, data.valid)
    inputs, targets = (torch.cat([getattr(split, name) for split in splits]) for name in ("inputs", "targets"))
    examples = Examples(inputs[: options.pictures], targets[: options.pictures], [])
    warm_up = Examples(inputs[: WARM_UP * options.batch], targets[: WARM_UP * options.batch], [])
    ours(warm_up, data.preprocessing, options)
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        mnist = unpack(options.mnist, Path(folder))
        for _ in range(options.rounds):
            example_seconds, neocog_seconds = example_process(mnist), ours(examples, data.preprocessing, options)
            shared_seconds, steps_seconds = (
                example(mnist, network(), options),
                steps(examples, data.preprocessing, options),
            )
            rounds.append(
                (
                    example_seconds / neocog_seconds,
                    shared_seconds / neocog_seconds,
                    example_seconds / steps_seconds,
                    neocog_seconds / steps_seconds,
                )
            )
            speeds = {
                "example": example_seconds,
                "neocog": neocog_seconds,
                "example with ours": shared_seconds,
                "the network alone": steps_seconds,
            }
            speed_text = ", ".join(f"{name} {len(examples) / seconds:,.0f}/s" for name, seconds in speeds.items())
            print(f"{speed_text}: {example_seconds / neocog_seconds:.2f}×", flush=True)
    ratio, shared, bound, overhead = (summary(list(values)) for values in zip(*rounds, strict=True))
    print(f"batch {options.batch}: {ratio}, with our modules and memory on both sides {shared}, at most {bound}")
    print(f"an epoch of ours is {overhead} the steps of the network alone; {machine()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--workers", type=int, default=0, help="of the example's DataLoader; the example uses 0 on a CPU"
    )
    parser.add_argument("--pictures", type=int, default=60_000, help="of an epoch, the first of the set")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--processor",
        dest="clock",
        action="store_const",
        const=time.process_time,
        default=time.perf_counter,
        help="measure CPU seconds of all threads, for machines with other load",
    )
    parser.add_argument("--example", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.example:
        print(example(options.example, torch.nn.Sequential(*network()), options))
    else:
        compare(options)


if __name__ == "__main__":
    main()
