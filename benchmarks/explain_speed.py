"""Seconds of one core for a relevance map of a 224×224 image, for each method, on ResNet-18 with random weights."""

import argparse
import time

import torch
from machine import machine
from neocog.core.explain.methods import Subject, compatible_methods
from neocog.core.initialize import initialize
from neocog.core.network import Network
from neocog.vision.models import resnet18


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    network = Network((3, 224, 224), resnet18(1000))
    module = network.module()
    initialize(module, 0)
    maps = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    subject, target = Subject(network, module.eval(), maps, torch.zeros_like(maps)), torch.tensor([3])
    print(machine())
    with torch.no_grad():
        module(maps)  # warm-up
    import captum.attr  # noqa: F401  # takes two seconds, which are not part of a method

    for method in compatible_methods(network, module):
        cpu_start, wall_start = time.process_time(), time.perf_counter()
        method.compute(subject, target)
        print(
            f"{method.name:<22}{time.process_time() - cpu_start:8.2f} CPU s {time.perf_counter() - wall_start:8.2f} s"
        )


if __name__ == "__main__":
    main()
