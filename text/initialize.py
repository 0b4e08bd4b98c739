"""Initial weights of text networks from the training data: word vectors, and a linear model of n-grams."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core.data import Data, DataSpec
from ..core.modules import Bag, Embed, NGrams
from ..core.problem import DATA, USAGE, Problem
from . import ngrams, vectors
from .build import KNOWN
from .linear import LinearModel, Objective, solve
from .neighbours import neighbours
from .solved import solve_once
from .spelling import Spelling
from .vectors import Vectors
from .vocabulary import FIRST
from .word_features import WordFeatures

STD = 0.05  # standard deviation of the components of a word vector


Loss = Callable[[Tensor, Tensor], Tensor]  # (B, K) logits and targets -> their mean loss


def initialize(network: nn.Module, data: Data, source: DataSpec, loss: Loss) -> list[str]:
    """Initialises embeddings, n-grams and linear models in `network`, these for the loss; returns remarks.

    Raises Problem if --vectors does not fit the network.
    """
    modules, vocabulary = list(network.modules()), data.preprocessing["vocabulary"]
    tables = [module.table.weight for module in modules if isinstance(module, Embed)]
    layers = [(module, successor) for module, successor in pairwise(modules) if isinstance(module, NGrams)]
    is_words = data.preprocessing["tokens"] == "words"
    spelling = Spelling(vocabulary) if is_words and (tables or layers) else None
    vectors_source = source.options.get("vectors")
    loaded = None if vectors_source is None else vectors.load(str(vectors_source), vocabulary)
    filled = [] if loaded is None else fill_tables(loaded, tables)
    if spelling is not None:
        initialize_embeddings([table for table in tables if not any(table is other for other in filled)], spelling)
    for layer, successor in layers:
        bag = successor if isinstance(successor, Bag) else None
        initialize_ngrams(layer, bag, data, shared_features(spelling, loaded), loss)
    return [] if loaded is None else loaded.remarks


def fill_tables(loaded: Vectors, tables: Sequence[Tensor]) -> list[Tensor]:
    """Fills the tables whose vectors have as many numbers as the loaded ones, and returns them.

    Raises Problem if there are none.
    """
    if not tables:
        raise Problem("--vectors needs a network with embed in it, such as --recipe kim", USAGE)
    matching = [table for table in tables if table.shape[1] == loaded.dim]
    if not matching:
        sizes = " and ".join(str(table.shape[1]) for table in tables)
        raise Problem(
            f"the vectors have {loaded.dim} numbers, the network's embed has {sizes}; "
            "write --network with embed(tokens, vectors), or leave dim out of the recipe",
            DATA,
        )
    rng = torch.Generator().manual_seed(0)
    for table in matching:
        vectors.fill(table, loaded, rng)
    return matching


def shared_features(spelling: Spelling | None, loaded: Vectors | None) -> WordFeatures | None:
    """Returns what words share for the linear model: character n-grams, and neighbours among pretrained vectors."""
    if spelling is None or loaded is None:
        return None if spelling is None else spelling.features
    return spelling.features.joined(neighbours(loaded))


def initialize_embeddings(tables: list[Tensor], spelling: Spelling) -> None:
    """Gives words that are spelt alike similar vectors."""
    rng = torch.Generator().manual_seed(0)
    for table in tables:
        if len(table) == spelling.word_count + FIRST:
            with torch.no_grad():
                table[FIRST:] = spelling.vectors(table.shape[1], rng) * STD


def initialize_ngrams(layer: NGrams, bag: Bag | None, data: Data, shared: WordFeatures | None, loss: Loss) -> None:
    """Sets the known n-grams; a bag after them with a column for each output becomes a linear model."""
    assert isinstance(data.train.inputs, Tensor), "texts are arrays"
    inputs, labels = data.train.inputs[:, 0, 0], len(data.labels)
    if layer.longest == ngrams.MAX_N and KNOWN in data.extras:
        keys = data.extras[KNOWN].numpy()
    else:
        keys = ngrams.select_ngrams(inputs, labels, layer.longest)
    keys = keys[: len(layer.keys)]
    padded = torch.full_like(layer.keys, 2**62)  # larger than any hash
    padded[: len(keys)] = torch.from_numpy(keys)
    layer.keys.copy_(padded)
    if bag is not None and bag.table.weight.shape[1] == labels and len(bag.weigh) > len(keys):
        unigrams = ngrams.unigram_index(keys, data.preprocessing["tokens_known"])[FIRST:]
        targets, features = data.train.targets, (keys, layer.longest, shared, unigrams)
        if targets.is_floating_point():
            model = solve(inputs, Objective(targets, labels, loss), *features)
        else:
            model = solve_once(data.train.inputs, targets, labels, *features)
        set_linear_model(bag, model)


@torch.no_grad()
def set_linear_model(bag: Bag, model: LinearModel) -> None:
    """Sets a bag's weights so that its output is the model's; row 0 is padding."""
    for parameter, values in ((bag.weigh, model.weights), (bag.table.weight, model.coefficients)):
        parameter.zero_()
        parameter[1 : len(values) + 1] = values
    bag.bias.copy_(model.bias)
