"""The policy networks: a position to a logit for each of the 361 points, without pooling the board."""

from __future__ import annotations

from typing import Any

from ..core.domain import Recipe
from ..core.layer import Layers
from ..core.layers import batchnorm, bias, conv, dense, flatten, relu, residual

HEAD: Layers = (conv(1, 1, bias=False), bias, flatten)  # a 1×1 filter, and a separate bias for each point


def alphago(classes: int, filters: int = 192, depth: int = 12) -> Layers:
    """AlphaGo's policy network (Silver et al. 2016, Methods, "Neural network architecture"): 3,882,793 parameters.

    The first layer pads to 23×23 and has `filters` of 5×5, the others up to `depth` pad to 21×21 and have as many of
    3×3. The match version had 192; the paper also tried 128, 256 and 384.
    """
    first = (conv(filters, 5, pad=2), relu)
    return (*first, *(conv(filters, 3, pad=1), relu) * (depth - 1), *HEAD)


def fully_connected(classes: int, units: int = 512, depth: int = 3) -> Layers:
    """The lectures' baseline: every point connects to every unit, without knowledge of neighbouring points."""
    return (flatten, *(dense(units), relu) * depth, dense(classes))


def swift(classes: int, width: int = 64, blocks: int = 3) -> Layers:
    """Neocog's default, for the best accuracy per second of training: residual blocks with batch normalisation.

    A block is two 3×3 convolutions (He et al. 2016). A global-pooling bias in each block (globalbias; Wu 2019, section
    3.3) cost a fifth of the time without a gain after 30,000 positions: 33.9% against 34.8%.
    """
    conv3 = conv(width, 3, pad=1, bias=False)
    block = (residual(conv3, batchnorm, relu, conv3, batchnorm), relu)
    return (conv3, batchnorm, relu, *block * blocks, *HEAD)


Settings = dict[str, Any]

BOARD, STONES, MATRIX = (48, 19, 19), (3, 19, 19), (1, 19, 19)
ADAMW: Settings = {
    "optimiser": "adamw", "lr": 0.0007, "weight_decay": 0.01, "warmup": 0.05, "batch": 128, "epochs": 14,
    "examples": 40_000, "checked": 5_000, "augment": "symmetries",
}  # fmt: skip
MUON: Settings = {
    **ADAMW, "optimiser": "muon", "lr": 0.03, "adam_lr": 0.005, "momentum": 0.9, "weight_decay": 0.0,
}  # fmt: skip

# As the included network was trained, where an epoch of a million positions takes 24 s (docs/go.md); a batch that a
# device has no memory for is cut (core/train.py). AdamW's rate follows the root of the batch (Malladi et al. 2022,
# arXiv:2205.10287).
ON_ACCELERATOR: Settings = {"batch": 1024, "examples": 1_000_000, "checked": 20_000}
MUON_ON_ACCELERATOR, ADAMW_ON_ACCELERATOR = ON_ACCELERATOR | {"lr": 0.025}, ON_ACCELERATOR | {"lr": 0.002}

RECIPES: dict[str, Recipe] = {
    "swift": Recipe(
        swift, "residual blocks: the best accuracy per second of training", MUON, input=BOARD,
        accelerator=MUON_ON_ACCELERATOR,
    ),
    "alphago": Recipe(
        alphago, "AlphaGo's policy network (Silver et al. 2016)", ADAMW, input=BOARD,
        accelerator=ADAMW_ON_ACCELERATOR,
    ),
    "alphago-raw": Recipe(
        alphago, "AlphaGo's policy network on the stones alone", ADAMW, {"planes": "stones"}, STONES,
        accelerator=ADAMW_ON_ACCELERATOR,
    ),
    "fully-connected": Recipe(
        fully_connected, "the lectures' fully connected baseline on a matrix of 1, −1 and 0",
        {**ADAMW, "lr": 0.002}, {"planes": "matrix"}, MATRIX,
        accelerator=ON_ACCELERATOR | {"lr": 0.005},
    ),
}  # fmt: skip
