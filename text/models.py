"""The networks of the field by name, each beside the settings that train it. A text is an image of height 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.domain import Recipe
from ..core.layer import Layer, Layers
from ..core.layers import (
    bag,
    batchnorm,
    conv,
    dense,
    dropout,
    embed,
    flatten,
    globalmax,
    maxpool,
    ngrams,
    parallel,
    relu,
    residual,
    vote,
)
from ..core.problem import USAGE, Problem, did_you_mean

# --- words -----------------------------------------------------------------------------------------------------------

VARIANTS = ("rand", "static", "nonstatic", "multichannel")


def kim(classes: int, tokens: int, runs: int = 0, variant: str = "rand", dim: int = 300, filters: int = 100) -> Layers:
    """Kim 2014 (arXiv:1408.5882, section 2): windows of 3, 4 and 5 words, 100 filters each, max over time, dropout.

    `rand` learns its word vectors; with --vectors, `static` keeps them, `nonstatic` goes on learning them, and
    `multichannel` has both: here the filters see the two tables beside each other, in the paper they add up what the
    same filter gives on each.
    """
    if variant not in VARIANTS:
        close = did_you_mean(str(variant), VARIANTS)
        raise Problem(f"kim: variant is one of {', '.join(VARIANTS)}{close}; got {variant}", USAGE)
    table: Layer = embed(tokens, dim, static=variant == "static")
    if variant == "multichannel":
        table = parallel((embed(tokens, dim, static=True),), (embed(tokens, dim),))
    return (table, _windows((3, 4, 5), filters), dropout, dense(classes))


def _windows(widths: tuple[int, ...], filters: int) -> Layer:
    return parallel(*((conv(filters, width), relu, globalmax) for width in widths))


def swift(classes: int, tokens: int, runs: int, dim: int = 128, filters: int = 64) -> Layers:
    """Our own: a small convolutional network and a linear model over runs of 1, 2 and 3 words, which vote.

    The linear model is solved before the network learns (text/linear.py), and stays as it is.
    """
    network = (embed(tokens, dim), _windows((2, 3, 4), filters), dropout, dense(classes))
    return (vote(network, (ngrams(3, runs), bag(runs, classes, static=True, unit=True))),)


def mlp(classes: int, tokens: int, runs: int = 0, dim: int = 64, units: int = 64) -> Layers:
    """A bag of embeddings and one hidden layer: blind to the order of words."""
    return (bag(tokens, dim), relu, dropout, dense(units), relu, dense(classes))


# --- characters ------------------------------------------------------------------------------------------------------


def char_cnn(classes: int, tokens: int, runs: int = 0, size: str = "small") -> Layers:
    """Zhang, Zhao and LeCun 2015 (arXiv:1509.01626, tables 1 and 2): six convolutions over characters, three dense.

    256 filters and 1,024 units, or large: 1,024 and 2,048. The paper shows characters as one of 70; here each has a
    learned column of 16 numbers.
    """
    if size not in ("small", "large"):
        raise Problem(f"char-cnn: size is small or large; got {size}", USAGE)
    filters, units = (256, 1024) if size == "small" else (1024, 2048)
    pooled = (conv(filters, 7), relu, maxpool(3), conv(filters, 7), relu, maxpool(3))
    plain = (conv(filters, 3), relu) * 3
    last = (conv(filters, 3), relu, maxpool(3))
    hidden = (dense(units), relu, dropout) * 2
    return (embed(tokens, 16), *pooled, *plain, *last, flatten, *hidden, dense(classes))


def vdcnn(classes: int, tokens: int, runs: int = 0, depth: int = 9) -> Layers:
    """Conneau et al. 2017 (arXiv:1606.01781, table 2): residual blocks of two normalised convolutions of 3 characters.

    Of depth 9 or 29. The paper keeps the 8 largest answers of each map, here 8 neighbouring windows give their
    largest: the same 4,096 numbers for the dense layers.
    """
    if depth not in DEPTHS:
        raise Problem(f"vdcnn: depth is {' or '.join(map(str, DEPTHS))}; got {depth}", USAGE)
    layers: list[Layer] = [embed(tokens, 16), conv(64, 3, pad=1)]
    width = 64
    for stage, blocks in enumerate(DEPTHS[depth]):
        filters = 64 * 2**stage
        layers += [maxpool(3, stride=2, pad=1)] * (stage > 0)
        for _ in range(blocks):
            layers += [_block(filters, width), relu]
            width = filters
    return (*layers, maxpool(CHARACTERS // 64), flatten, *(dense(2048), relu) * 2, dense(classes))


DEPTHS: dict[int, tuple[int, ...]] = {9: (1, 1, 1, 1), 29: (5, 5, 2, 2)}  # blocks of a stage, two convolutions each
CHARACTERS = 1024  # of a text, which three halvings and 8 windows divide evenly


def _block(filters: int, before: int) -> Layer:
    unit = (conv(filters, 3, pad=1, bias=False), batchnorm)
    shortcut = (conv(filters, 1, bias=False), batchnorm) if filters != before else ()
    return residual(*unit, relu, *unit, shortcut=shortcut)


# --- the table ------------------------------------------------------------------------------------------------------

Numbers = dict[str, Any]

KIM: Numbers = {
    "optimiser": "adamw", "lr": 0.002, "weight_decay": 0.0, "batch": 64, "epochs": 2, "max_norm": 3.0, "warmup": 0.0,
}  # fmt: skip
SWIFT: Numbers = {
    "optimiser": "adamw", "lr": 0.004, "weight_decay": 0.01, "batch": 64, "epochs": 2, "warmup": 0.1,
}  # fmt: skip
CHARS: Numbers = {
    "optimiser": "adamw", "lr": 0.0005, "weight_decay": 0.01, "batch": 128, "epochs": 10, "schedule": "cosine",
}  # fmt: skip
DEEP: Numbers = {"optimiser": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3, "batch": 128, "epochs": 10}

SENTENCE = (1, 1, 64)  # what each is measured on
ZHANG: Mapping[str, Any] = {"tokens": "characters", "length": 1014}
CONNEAU: Mapping[str, Any] = {"tokens": "characters", "length": CHARACTERS}

RECIPES: dict[str, Recipe] = {
    "swift": Recipe(swift, "our own: a small CNN votes with a linear model over runs of words", SWIFT, input=SENTENCE),
    "kim": Recipe(kim, "Kim 2014: windows of 3, 4, 5 words; rand, or with --vectors", KIM, input=SENTENCE),
    "char-cnn": Recipe(char_cnn, "Zhang et al. 2015: six convolutions over characters", CHARS, ZHANG, (1, 1, 1014)),
    "vdcnn": Recipe(vdcnn, "Conneau et al. 2017: 9 or 29 layers over characters", DEEP, CONNEAU, (1, 1, CHARACTERS)),
    "mlp": Recipe(mlp, "a bag of embeddings, blind to the order of words", {**SWIFT, "epochs": 4}, input=SENTENCE),
}
