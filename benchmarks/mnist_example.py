"""Training throughput on MNIST against PyTorch's own example (pytorch/examples, mnist/main.py).

    python benchmarks/mnist_example.py FOLDER-WITH-MNIST [--rounds 3] [--batch 64] [--workers 0] [--pictures 60000]

The example's way with data, `torchvision.datasets.MNIST` with ToTensor and Normalize for each picture through a
DataLoader, and its loop, with the network (`keras-digits`), optimiser (AdamW) and batch size that ours uses too. Both
train an epoch in turn; pictures a second, and the ratio of each pair.

The example runs in a process of its own, its network of torch's modules in the order they are written: what it is on a
user's machine. Two further figures tell where the ratio comes from. With ours: the same loop inside our process, with
our modules and the memory that we keep, so that data and the loop are all that differs. At most: the example against
the bare steps of our network and optimiser on one batch that lies ready, which bounds the ratio (Amdahl 1967).
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

WARM = 20  # steps before a clock runs


def network() -> torch.nn.Module:
    module = Network((1, 28, 28), DOMAIN.recipes["keras-digits"].layers(10)).module()
    initialize(module, 0)
    return module


def example(mnist: Path, module: torch.nn.Module, options: argparse.Namespace) -> float:
    """Seconds of one epoch of the example's loop."""
    device = devices.choose(options.device)
    look = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    pictures = datasets.MNIST(str(mnist), train=True, transform=look)
    module = module.to(device)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.002)
    module.train()

    def loop(count: int) -> float:
        some = torch.utils.data.Subset(pictures, range(count))
        loader = torch.utils.data.DataLoader(some, options.batch, shuffle=True, num_workers=options.workers)
        begin = options.clock()
        for data, target in loader:
            data, target = data.to(device), target.to(device)
            optimiser.zero_grad()
            loss = F.nll_loss(F.log_softmax(module(data), dim=1), target)
            loss.backward()
            optimiser.step()
        devices.finish(device)
        return options.clock() - begin

    loop(WARM * options.batch)
    return loop(options.pictures)


def alone(mnist: Path) -> float:
    """The same in a process of its own, with torch's modules one after the other."""
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
    """Seconds of one epoch of our loop on the same pictures, without augmentation, as the example has none."""
    trainer = trainer_for(preprocessing, options)
    begin = options.clock()
    for _ in training.steps(trainer, examples, examples.subset(torch.arange(0)), DOMAIN.augment("none", {})):
        pass
    return options.clock() - begin


def steps(examples: Examples, preprocessing: dict, options: argparse.Namespace) -> float:
    """Seconds of an epoch's bare steps of our network and optimiser on one batch."""
    trainer = trainer_for(preprocessing, options)
    inputs, targets = (each.to(trainer.device) for each in examples[torch.arange(options.batch)])
    maps = trainer.frontend(inputs).contiguous(memory_format=trainer.layout)
    trainer.network.train()
    begin = options.clock()
    bare(trainer, maps, targets, -(-len(examples) // options.batch))
    return options.clock() - begin


def unpacked(folder: Path, where: Path) -> Path:
    """The IDX files as torchvision looks for them."""
    raw = where / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in folder.glob("*ubyte.gz"):
        with gzip.open(path) as packed, open(raw / path.stem, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    return where


def told(values: list[float]) -> str:
    """The median and the range."""
    return f"{statistics.median(values):.2f}× ({min(values):.2f} to {max(values):.2f})"


def compare(options: argparse.Namespace) -> None:
    data = DOMAIN.load(DataSpec(str(options.mnist)), None, None)
    both = (data.train, data.valid)
    inputs, targets = (torch.cat([getattr(e, name) for e in both]) for name in ("inputs", "targets"))
    examples = Examples(inputs[: options.pictures], targets[: options.pictures], [])
    few = Examples(inputs[: WARM * options.batch], targets[: WARM * options.batch], [])
    ours(few, data.preprocessing, options)
    rounds = []
    with tempfile.TemporaryDirectory() as where:
        mnist = unpacked(options.mnist, Path(where))
        for _ in range(options.rounds):
            theirs, own = alone(mnist), ours(examples, data.preprocessing, options)
            given, least = example(mnist, network(), options), steps(examples, data.preprocessing, options)
            rounds.append((theirs / own, given / own, theirs / least, own / least))
            speeds = {"example": theirs, "neocog": own, "example with ours": given, "the network alone": least}
            told_speeds = ", ".join(f"{name} {len(examples) / each:,.0f}/s" for name, each in speeds.items())
            print(f"{told_speeds}: {theirs / own:.2f}×", flush=True)
    ratio, given, bound, over = (told(list(each)) for each in zip(*rounds, strict=True))
    print(f"batch {options.batch}: {ratio}, with our modules and memory on both sides {given}, at most {bound}")
    print(f"an epoch of ours is {over} the steps of the network alone; {machine()}")


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
        help="count the seconds of the processor, all threads together, where other work shares it",
    )
    parser.add_argument("--example", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.example:
        print(example(options.example, torch.nn.Sequential(*network()), options))
    else:
        compare(options)


if __name__ == "__main__":
    main()
