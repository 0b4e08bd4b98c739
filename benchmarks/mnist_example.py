"""Training throughput on MNIST against PyTorch's own example (pytorch/examples, mnist/main.py).

    python benchmarks/mnist_example.py FOLDER-WITH-MNIST [--rounds 3] [--batch 64] [--workers 0]

The example's way with data, `torchvision.datasets.MNIST` with ToTensor and Normalize for each picture through a
DataLoader, and its loop, with the network (`keras-digits`), optimiser (AdamW) and batch size that ours uses too. Both
train an epoch in turn; pictures a second, and the ratio of each pair.
"""

import argparse
import gzip
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import torch
from machine import machine
from neocog.core import device as devices
from neocog.core.domain import Examples, Source
from neocog.core.network import Network
from neocog.core.settings import Settings
from neocog.core.start import start
from neocog.core.train import Trainer, train
from neocog.vision import DOMAIN
from torch.nn import functional as F
from torchvision import datasets, transforms


def network() -> torch.nn.Module:
    module = Network((1, 28, 28), DOMAIN.recipes["keras-digits"].layers(10)).module()
    start(module, 0)
    return module


def example(mnist: Path, batch: int, workers: int, device: torch.device) -> float:
    """Seconds of one epoch of the example's loop."""
    look = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    loader = torch.utils.data.DataLoader(
        datasets.MNIST(str(mnist), train=True, transform=look), batch_size=batch, shuffle=True, num_workers=workers
    )
    module = network().to(device)
    optimiser = torch.optim.AdamW(module.parameters(), lr=0.002)
    module.train()
    begin = time.perf_counter()
    for data, target in loader:
        data, target = data.to(device), target.to(device)
        optimiser.zero_grad()
        loss = F.nll_loss(F.log_softmax(module(data), dim=1), target)
        loss.backward()
        optimiser.step()
    devices.finish(device)
    return time.perf_counter() - begin


def ours(examples: Examples, facts: dict, batch: int, device: torch.device) -> float:
    """Seconds of one epoch of our loop on the same pictures, without augmentation, as the example has none."""
    settings = Settings(epochs=1, batch=batch, lr=0.002)
    trainer = Trainer(DOMAIN.frontend(facts), network(), settings, device, devices.World())
    begin = time.perf_counter()
    for _ in train(trainer, examples, examples.keep(torch.arange(0)), DOMAIN.augment("none", {})):
        pass
    return time.perf_counter() - begin


def unpacked(folder: Path, where: Path) -> Path:
    """The IDX files as torchvision looks for them."""
    raw = where / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in folder.glob("*ubyte.gz"):
        with gzip.open(path) as packed, open(raw / path.stem, "wb") as plain:
            shutil.copyfileobj(packed, plain)
    return where


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mnist", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--workers", type=int, default=0, help="of the example's DataLoader; the example uses 0 on a CPU"
    )
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = devices.choose(options.device)
    data = DOMAIN.load(Source(str(options.mnist)), None, None)
    both = (data.train, data.valid)
    examples = Examples(torch.cat([e.inputs for e in both]), torch.cat([e.targets for e in both]), [])
    with tempfile.TemporaryDirectory() as where:
        mnist = unpacked(options.mnist, Path(where))
        ours(examples, data.facts, options.batch, device)  # a warm-up
        pairs = []
        for _ in range(options.rounds):
            theirs, own = (
                example(mnist, options.batch, options.workers, device),
                ours(examples, data.facts, options.batch, device),
            )
            pairs.append((theirs, own))
            print(
                f"example {len(examples) / theirs:,.0f}/s, neocog {len(examples) / own:,.0f}/s, {theirs / own:.2f}×",
                flush=True,
            )
    ratios = [theirs / own for theirs, own in pairs]
    print(
        f"batch {options.batch}: {statistics.median(ratios):.2f}× "
        f"(from {min(ratios):.2f} to {max(ratios):.2f}), {machine()}"
    )


if __name__ == "__main__":
    main()
