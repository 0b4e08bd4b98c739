"""A small world for tests of the core: pictures of 8×8 with a bright patch whose corner is the label."""

from dataclasses import replace

import torch
from neocog.core.capability import Capability
from neocog.core.data import Data, Examples
from neocog.core.device import World
from neocog.core.domain import UNCHANGED, Augment, Domain, Recipe
from neocog.core.explain.capability import Explainable, FilterImages
from neocog.core.initialize import initialize
from neocog.core.inputs import FileInput
from neocog.core.layers import batchnorm, conv, dense, dropout, flatten, maxpool, relu
from neocog.core.lazy import LazyInputs
from neocog.core.network import Network, parse
from neocog.core.settings import Settings
from neocog.core.tasks import Classify
from neocog.core.train import Trainer, steps
from neocog.core.transfer import Transferable
from torch import nn

LABELS = ["left", "right", "low"]
NETWORK = "conv(4, 3), batchnorm, relu, conv(5, 2), relu, maxpool(2), flatten, dropout(0.2), dense(3)"


def examples(count: int, seed: int = 0) -> Examples:
    rng = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % 3
    inputs = torch.randint(0, 120, (count, 1, 8, 8), generator=rng).byte()
    for picture, target in zip(inputs, targets, strict=True):
        y, x = ((0, 0), (0, 5), (5, 2))[int(target)]
        picture[0, y : y + 3, x : x + 3] += 100
    return Examples(inputs, targets, [f"{seed}/{i}.png" for i in range(count)])


def lazy(source: Examples, indices: torch.Tensor | None = None) -> Examples:
    """The same examples, computed on demand."""
    indices = torch.arange(len(source)) if indices is None else indices
    return Examples(
        LazyInputs(lambda batch: source.inputs[torch.from_numpy(batch)], indices),
        source.targets[indices],
        [source.names[i] for i in indices.tolist()],
    )


def data(train: int = 60, valid: int = 15, test: int = 15) -> Data:
    return Data(examples(train, 0), examples(valid, 1), examples(test, 2), LABELS, {"scale": 255})


class Frontend(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float() / 255 - 0.5


def augment(text: str, extras: dict[str, torch.Tensor]) -> Augment:
    """`noise` adds some, drawn from the step's generator."""

    def noise(x: torch.Tensor, y: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        return x + torch.randint(0, 9, x.shape, generator=rng).to(x), y

    return Augment(noise) if text == "noise" else UNCHANGED


def layers(classes: int, width: int = 4):
    return (conv(width, 3), batchnorm, relu, maxpool(2), flatten, dropout(0.2), dense(classes))


DOMAIN = Domain(
    name="toy",
    load=lambda source, labels, preprocessing: data(),
    read=lambda value, preprocessing: examples(3).inputs[int(value.name) % 3],
    expand_paths=lambda arguments: [FileInput(path) for path in arguments],
    frontend=lambda preprocessing: Frontend(),
    augment=augment,
    check=lambda source: {},
    show=lambda inputs, relevance=None, preprocessing=None: None,
    recipes={"small": Recipe(layers, "for tests", {"epochs": 3, "batch": 16, "lr": 0.01})},
    default="small",
    capabilities=(Explainable(), FilterImages(), Transferable(lambda preprocessing: {})),
)


def with_capability(capability: Capability, domain: Domain = DOMAIN) -> Domain:
    """The toy domain with a capability replaced."""
    return replace(
        domain,
        capabilities=(capability, *(value for value in domain.capabilities if type(value) is not type(capability))),
    )


def train(trainer: Trainer, train: Examples, valid: Examples, augment: Augment, watch=lambda trainer: False):
    """Trains and yields the epochs; ends after the step at which `watch` returns True."""
    for step in steps(trainer, train, valid, augment):
        if step.epoch is not None:
            yield step.epoch
        if watch(trainer):
            return


def trainer(network: str = NETWORK, world: World | None = None, **changes) -> Trainer:
    settings = Settings(**{"epochs": 3, "batch": 16, "lr": 0.01, "device": "cpu", "augment": "noise"} | changes)
    module = Network((1, 8, 8), parse(network)).module()
    initialize(module, settings.seed, settings.dirac)
    return Trainer(Classify(LABELS), Frontend(), module, settings, torch.device(settings.device), world or World())
