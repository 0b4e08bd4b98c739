"""The policy networks by name: a position to a score for each of the 361 points, without ever pooling the board."""

from __future__ import annotations

from typing import Any

from ..core.domain import Recipe
from ..core.layer import Layers
from ..core.layers import batchnorm, bias, conv, dense, flatten, relu, residual

HEAD: Layers = (conv(1, 1, bias=False), bias, flatten)  # a filter of 1×1, and a bias of its own for each point


def alphago(classes: int, filters: int = 192, depth: int = 12) -> Layers:
    """AlphaGo's policy network (Silver et al. 2016, Methods, "Neural network architecture"): 3,882,793 parameters.

    The first layer pads to 23×23 and convolves `filters` of 5×5, the others up to `depth` pad to 21×21 and convolve as
    many of 3×3. The match version had 192; 128, 256 and 384 were tried too.
    """
    first = (conv(filters, 5, pad=2), relu)
    return (*first, *(conv(filters, 3, pad=1), relu) * (depth - 1), *HEAD)


def fully_connected(classes: int, units: int = 512, depth: int = 3) -> Layers:
    """The lectures' comparison: every point to every unit, blind to which points are neighbours."""
    return (flatten, *(dense(units), relu) * depth, dense(classes))


def swift(classes: int, width: int = 64, blocks: int = 3) -> Layers:
    """Our own, for the best prediction per second of training: normalised residual blocks on an unpooled board.

    A block is two convolutions of 3×3 (He et al. 2016). A bias read from the whole board in each block (globalbias, Wu
    2019, section 3.3) cost a fifth of the time and won nothing in 30,000 positions: 33.9% against 34.8%.
    """
    one = conv(width, 3, pad=1, bias=False)
    block = (residual(one, batchnorm, relu, one, batchnorm), relu)
    return (one, batchnorm, relu, *block * blocks, *HEAD)


Numbers = dict[str, Any]

BOARD, STONES, MATRIX = (48, 19, 19), (3, 19, 19), (1, 19, 19)
PLAIN: Numbers = {
    "optimiser": "adamw", "lr": 0.0007, "weight_decay": 0.01, "warmup": 0.05, "batch": 128, "epochs": 14,
    "examples": 40_000, "checked": 5_000, "augment": "symmetries",
}  # fmt: skip
SWIFT: Numbers = {
    **PLAIN, "optimiser": "muon", "lr": 0.03, "adam_lr": 0.005, "momentum": 0.9, "weight_decay": 0.0,
}  # fmt: skip

RECIPES: dict[str, Recipe] = {
    "swift": Recipe(swift, "our own: the best prediction per second of training", SWIFT, input=BOARD),
    "alphago": Recipe(alphago, "AlphaGo's policy network (Silver et al. 2016)", PLAIN, input=BOARD),
    "alphago-raw": Recipe(
        alphago, "the same, shown the stones and nothing else", PLAIN, {"planes": "stones"}, input=STONES
    ),
    "dense": Recipe(
        fully_connected, "the lectures' fully connected baseline, on a matrix of 1, −1 and 0",
        {**PLAIN, "lr": 0.002}, {"planes": "matrix"}, input=MATRIX,
    ),
}  # fmt: skip
