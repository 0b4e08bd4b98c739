"""The recipe for captions of pictures: a CNN that sees, and one that writes."""

from __future__ import annotations

from ..core.domain import Recipe
from ..core.layer import Layers
from ..core.layers import batchnorm, conv, decoder, dense, flatten, maxpool, relu

TASK, DEFAULT = "caption", "show-and-tell"


def show_and_tell(classes: int, words: int = 20, width: int = 16, dim: int = 128) -> Layers:
    """After show-and-tell (Vinyals et al. 2015, arXiv:1411.4555): a small CNN and a decoder, trained together.

    The paper has an Inception network that was trained on ImageNet, and an LSTM.
    """
    blocks = [
        layer
        for filters in (width, 2 * width, 2 * width)
        for layer in (conv(filters, 3, pad=1, bias=False), batchnorm, relu, maxpool(2))
    ]
    return (*blocks, flatten, dense(2 * dim), relu, decoder(classes, words, dim=dim))


RECIPES = {
    DEFAULT: Recipe(
        show_and_tell,
        "after show-and-tell (Vinyals et al. 2015): a CNN that sees, a causal CNN that writes",
        {"optimiser": "adamw", "lr": 0.002, "weight_decay": 0.01, "batch": 64, "epochs": 6, "augment": "none"},
        {"size": 48},
        (3, 48, 48),
        task=TASK,
    )
}
