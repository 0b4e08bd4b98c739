"""A classifier as a fully convolutional network: dense layers become convolutions (Long et al. 2015, section 3.1).

What a dense layer computes from the maps of an input of the training size is a convolution whose window is as large as
these maps. On a larger input the same weights give a map: the classifier at every position, computed at once, since
neighbouring positions share their first layers. A classifier without padding gives at each position what it gives for
the part of the input there; with padding, it sees neighbouring pixels where it saw zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .combinators import Heads, Vote
from .layer import Layer, Layers, Shape
from .layers.pointwise import BatchNorm, Bias, Maxout
from .layers.whole import Dense, Flatten, GlobalAvg, GlobalBias, GlobalMax, GlobalPool
from .layers.windows import AvgPool, Conv, Local, MaxPool
from .network import Network, Row, walk
from .problem import DATA, USAGE, Problem
from .receptive_field import ReceptiveField

POSITIONAL = (Bias, Local, GlobalBias, Heads, Vote)  # of other weights or inputs at each position
TOGETHER = (Maxout, BatchNorm)  # of neighbouring numbers in a row, which are positions of one map where it is flattened


class Converted(NamedTuple):
    """A fully convolutional network: `layers` give a map, and with flatten behind them what the classifier gave."""

    layers: Layers
    weights: dict[str, Tensor]

    def network(self, shape: Shape) -> Network:
        """The network for inputs of a shape, whose output is a map (K, h, w). Raises Problem for one too small."""
        return Network(shape, self.layers)

    def module(self, network: Network) -> nn.Module:
        """The module of a network of these layers, with the weights, in evaluation mode."""
        module = network.module()
        module.load_state_dict(self.weights)
        return module.eval()


def fully_convolutional(network: Network, module: nn.Module) -> Converted:
    """A classifier as a fully convolutional network. Raises Problem for layers that have no such form."""
    if network.input[1] == 1:
        raise Problem("only networks of pictures become convolutional over larger ones", USAGE)
    layers: list[Layer] = []
    weights: dict[str, Tensor] = {}
    flattened: Shape | None = None  # the maps whose numbers the row holds
    for index, (row, child) in enumerate(zip(network.rows, module.children(), strict=True)):
        require_convertible(row, flattened, f"layer {index}, {row.layer.name}")
        if isinstance(row.layer, Flatten):
            flattened = row.input if len(row.input) == 3 else flattened
            continue
        state = child.state_dict()
        layer = as_window(row)
        if isinstance(layer, Dense):
            channels, height, width = flattened or (row.input[0], 1, 1)
            state["weight"] = state["weight"].view(layer.units, channels, height, width)
            layer = Conv(layer.units, height if height == width else (height, width), bias=layer.bias)
            flattened = None
        weights |= {f"{len(layers)}.{name}": value for name, value in state.items()}
        layers.append(layer)
    if len(network.output) != 1 or flattened is not None:
        raise Problem("the network does not end with a number for each label", USAGE)
    return Converted(tuple(layers), weights)


def as_window(row: Row) -> Layer:
    """A layer that mixes all positions as one with a window as large as its maps; any other as it is."""
    if isinstance(row.layer, GlobalAvg):
        return AvgPool((row.input[1], row.input[2]), stride=1)
    if isinstance(row.layer, GlobalMax):
        return MaxPool((row.input[1], row.input[2]), stride=1)
    return row.layer


def require_convertible(row: Row, flattened: Shape | None, name: str) -> None:
    """Raises Problem for a layer that has no form with a window."""
    inner = [entry.layer for _, entry in walk((row,))]
    fixed = next((layer for layer in inner if isinstance(layer, POSITIONAL)), None)
    pooled = next((layer for layer in inner[1:] if isinstance(layer, GlobalPool | Dense | Flatten)), None)
    if (layer := fixed or pooled) is not None:
        reason = "depends on the position" if fixed else "mixes all positions within a branch"
        raise Problem(f"{name}: {layer.name} {reason}, so that the network cannot become convolutional", USAGE)
    if flattened is not None and isinstance(row.layer, TOGETHER):
        raise Problem(f"{name}: it mixes numbers of flattened maps, so that it cannot become a convolution", USAGE)


def difference(network: Network, module: nn.Module, form: Converted, count: int = 4) -> float:
    """The largest difference between the outputs of both networks on random inputs of the training size.

    It is relative to the largest output.
    """
    x = torch.randn(count, *network.input, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        first, second = module.eval()(x), form.module(form.network(network.input))(x).flatten(1)
    return float((first - second).abs().max() / first.abs().max().clamp_min(1e-6))


class CoarseMap(NamedTuple):
    """A classifier at every position of a larger input."""

    probabilities: Tensor  # (K, h, w)
    field: ReceptiveField  # where each position lies on the input

    def labels(self, size: Sequence[int], least: float, unsure: int) -> Tensor:
        """(H, W) uint8 the most probable label around each pixel; `unsure` where its probability is below `least`."""
        best = self.probabilities.max(0)
        labels = torch.where(best.values >= least, best.indices, torch.full_like(best.indices, unsure))
        rows, columns = (
            ((torch.arange(length) - centre) / step).round().long().clamp(0, count - 1)
            for length, centre, step, count in zip(size, self.field.centre, self.field.step, labels.shape, strict=True)
        )
        return labels[rows][:, columns].to(torch.uint8)


@torch.inference_mode()
def coarse_map(form: Converted, maps: Tensor) -> CoarseMap:
    """Slides a classifier over the maps (1, C, H, W) that a frontend makes of a larger input."""
    try:
        network = form.network((int(maps.shape[1]), int(maps.shape[2]), int(maps.shape[3])))
    except Problem as problem:
        raise Problem(f"a picture of {maps.shape[3]}×{maps.shape[2]} pixels is too small: {problem}", DATA) from None
    (logits,) = form.module(network)(maps)
    return CoarseMap(logits.softmax(0), network.rows[-1].field)
