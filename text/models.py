"""Recipes for text: published networks with the settings that train them. A text is an image of height 1."""

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


def kim(
    classes: int,
    tokens: int,
    runs: int = 0,
    vectors: int = 0,
    variant: str = "rand",
    dim: int | None = None,
    filters: int = 100,
) -> Layers:
    """Kim 2014 (arXiv:1408.5882, section 2): 100 filters each over 3, 4 and 5 words, max over time, dropout.

    `rand` trains its word vectors of `dim` numbers (300, with --vectors as many as those have); with --vectors,
    `static` freezes them, `rand` and `nonstatic` train them further, and `multichannel` has both: here filters see both
    tables as separate channels, in the paper the same filter is applied to each and the results are added.
    """
    if variant not in VARIANTS:
        hint = did_you_mean(str(variant), VARIANTS)
        raise Problem(f"kim: variant is one of {', '.join(VARIANTS)}{hint}; got {variant}", USAGE)
    dim = dim or vectors or 300
    table: Layer = embed(tokens, dim, static=variant == "static")
    if variant == "multichannel":
        table = parallel((embed(tokens, dim, static=True),), (embed(tokens, dim),))
    return (table, _windows((3, 4, 5), filters), dropout, dense(classes))


def _windows(widths: tuple[int, ...], filters: int) -> Layer:
    return parallel(*((conv(filters, width), relu, globalmax) for width in widths))


def swift(classes: int, tokens: int, runs: int, vectors: int = 0, dim: int = 128, filters: int = 64) -> Layers:
    """Our own network: the mean of a small convolutional network and a linear model over 1- to 3-grams of words.

    The linear model over `runs` n-grams is solved before training (text/linear.py) and frozen. With --vectors, the
    convolutions see the `vectors` numbers of a word, frozen, beside the `dim` that are trained, with dropout; and the
    linear model shares what it learns between words of similar vectors (text/neighbours.py).
    """
    table: Layers = (embed(tokens, dim),)
    if vectors:
        table = (parallel((embed(tokens, vectors, static=True),), table), dropout(0.25))
    network = (*table, _windows((2, 3, 4), filters), dropout, dense(classes))
    return (vote(network, (ngrams(3, runs), bag(runs, classes, static=True, unit=True))),)


def mlp(classes: int, tokens: int, runs: int = 0, vectors: int = 0, dim: int = 64, units: int = 64) -> Layers:
    """The mean of word embeddings and one hidden layer; the order of words has no influence."""
    return (bag(tokens, dim), relu, dropout, dense(units), relu, dense(classes))


# --- characters ------------------------------------------------------------------------------------------------------


def char_cnn(classes: int, tokens: int, runs: int = 0, vectors: int = 0, size: str = "small") -> Layers:
    """Zhang, Zhao and LeCun 2015 (arXiv:1509.01626, tables 1 and 2): six convolutions over characters, three dense.

    It has 256 filters and 1,024 units, or for `size="large"` 1,024 and 2,048. The paper encodes characters as one-hot
    vectors of 70, this network as trained embeddings of 16 numbers.
    """
    if size not in ("small", "large"):
        raise Problem(f"char-cnn: size is small or large; got {size}", USAGE)
    filters, units = (256, 1024) if size == "small" else (1024, 2048)
    pooled = (conv(filters, 7), relu, maxpool(3), conv(filters, 7), relu, maxpool(3))
    plain = (conv(filters, 3), relu) * 3
    last = (conv(filters, 3), relu, maxpool(3))
    hidden = (dense(units), relu, dropout) * 2
    return (embed(tokens, 16), *pooled, *plain, *last, flatten, *hidden, dense(classes))


def vdcnn(classes: int, tokens: int, runs: int = 0, vectors: int = 0, depth: int = 9) -> Layers:
    """Conneau et al. 2017 (arXiv:1606.01781, table 2): residual blocks of two normalised convolutions of 3 characters.

    The depth is 9 or 29. The paper keeps the 8 largest values of each map, this network the maximum of 8 consecutive
    windows; both give 4,096 numbers to the dense layers.
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


DEPTHS: dict[int, tuple[int, ...]] = {9: (1, 1, 1, 1), 29: (5, 5, 2, 2)}  # blocks of each stage, of two convolutions
CHARACTERS = 1024  # of a text: divisible by three halvings and 8 windows


def _block(filters: int, channels: int) -> Layer:
    unit = (conv(filters, 3, pad=1, bias=False), batchnorm)
    shortcut = (conv(filters, 1, bias=False), batchnorm) if filters != channels else ()
    return residual(*unit, relu, *unit, shortcut=shortcut)


# --- recipes --------------------------------------------------------------------------------------------------------

Values = dict[str, Any]

KIM: Values = {
    "optimiser": "adamw", "lr": 0.002, "weight_decay": 0.0, "batch": 64, "epochs": 2, "max_norm": 3.0, "warmup": 0.0,
}  # fmt: skip
SWIFT: Values = {
    "optimiser": "adamw", "lr": 0.004, "weight_decay": 0.01, "batch": 64, "epochs": 2, "warmup": 0.1,
}  # fmt: skip
CHARS: Values = {
    "optimiser": "adamw", "lr": 0.0005, "weight_decay": 0.01, "batch": 128, "epochs": 10, "schedule": "cosine",
}  # fmt: skip
DEEP: Values = {"optimiser": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3, "batch": 128, "epochs": 10}

SENTENCE = (1, 1, 64)  # input shape that `describe` uses by default
ZHANG: Mapping[str, Any] = {"tokens": "characters", "length": 1014}
CONNEAU: Mapping[str, Any] = {"tokens": "characters", "length": CHARACTERS}

RECIPES: dict[str, Recipe] = {
    "swift": Recipe(swift, "our own: a small CNN and a linear model over word n-grams", SWIFT, input=SENTENCE),
    "kim": Recipe(kim, "Kim 2014: windows of 3, 4, 5 words; variants with --vectors", KIM, input=SENTENCE),
    "char-cnn": Recipe(char_cnn, "Zhang et al. 2015: six convolutions over characters", CHARS, ZHANG, (1, 1, 1014)),
    "vdcnn": Recipe(vdcnn, "Conneau et al. 2017: 9 or 29 layers over characters", DEEP, CONNEAU, (1, 1, CHARACTERS)),
    "mlp": Recipe(
        mlp, "the mean of word embeddings, ignoring the order of words", {**SWIFT, "epochs": 4}, input=SENTENCE
    ),
}
