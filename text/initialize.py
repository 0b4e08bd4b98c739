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
from .linear import LinearModel, Objective, Softmax, solve
from .spelling import Spelling
from .vectors import Vectors
from .vocabulary import FIRST

STD = 0.05  # standard deviation of the components of a word vector


Loss = Callable[[Tensor, Tensor], Tensor]  # (B, K) logits and targets -> their mean loss


def initialize(network: nn.Module, data: Data, source: DataSpec, loss: Loss) -> list[str]:
    """Initialises embeddings, n-grams and linear models in `network`, these for the loss; returns remarks.

    Raises Problem if --vectors does not fit the network.
    """
    remarks = []
    modules = list(network.modules())
    needs_spelling = any(isinstance(module, Embed | NGrams) for module in modules)
    is_words = data.preprocessing["tokens"] == "words"
    spelling = Spelling(data.preprocessing["vocabulary"]) if is_words and needs_spelling else None
    tables = [module.table.weight for module in modules if isinstance(module, Embed)]
    if vectors_source := source.options.get("vectors"):
        loaded = vectors.load(str(vectors_source), data.preprocessing["vocabulary"])
        matching = tables_for(loaded, tables)
        rng = torch.Generator().manual_seed(0)
        for table in matching:
            vectors.fill(table, loaded, rng)
        remarks += loaded.remarks
        tables = [table for table in tables if not any(table is other for other in matching)]
    if spelling is not None:
        initialize_embeddings(tables, spelling)
    for module, successor in pairwise(modules):
        if isinstance(module, NGrams):
            initialize_ngrams(module, successor if isinstance(successor, Bag) else None, data, spelling, loss)
    return remarks


def tables_for(loaded: Vectors, tables: Sequence[Tensor]) -> list[Tensor]:
    """Returns the tables whose vectors have as many numbers as the loaded ones. Raises Problem if there are none."""
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
    return matching


def initialize_embeddings(tables: list[Tensor], spelling: Spelling) -> None:
    """Gives words that are spelt alike similar vectors."""
    rng = torch.Generator().manual_seed(0)
    for table in tables:
        if len(table) == spelling.word_count + FIRST:
            with torch.no_grad():
                table[FIRST:] = spelling.vectors(table.shape[1], rng) * STD


def initialize_ngrams(layer: NGrams, bag: Bag | None, data: Data, spelling: Spelling | None, loss: Loss) -> None:
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
        targets = data.train.targets
        objective = Objective(targets, labels, loss) if targets.is_floating_point() else Softmax(targets, labels)
        set_linear_model(bag, solve(inputs, objective, keys, layer.longest, spelling, unigrams))


@torch.no_grad()
def set_linear_model(bag: Bag, model: LinearModel) -> None:
    """Sets a bag's weights so that its output is the model's; row 0 is padding."""
    for parameter, values in ((bag.weigh, model.weights), (bag.table.weight, model.coefficients)):
        parameter.zero_()
        parameter[1 : len(values) + 1] = values
    bag.bias.copy_(model.bias)
