"""What a network for texts begins with beside random weights: word vectors, and what runs of words say of labels."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core.data import Data, DataSpec
from ..core.modules import Bag, Embed, NGrams
from ..core.problem import USAGE, Problem
from . import runs, vectors
from .build import KNOWN
from .linear import Said, solved
from .spelling import Spelling
from .vocabulary import FIRST

SPREAD = 0.05  # the deviation of a word vector's numbers


def begin(network: nn.Module, data: Data, source: DataSpec) -> list[str]:
    """Fills the network's tables with what is known; gives remarks. Raises Problem where vectors do not fit."""
    remarks = []
    modules = list(network.modules())
    wanted = data.preprocessing["tokens"] == "words" and any(isinstance(module, Embed | NGrams) for module in modules)
    spelt = Spelling(data.preprocessing["vocabulary"]) if wanted else None
    if path := source.options.get("vectors"):
        tables = [module.table.weight for module in modules if isinstance(module, Embed)]
        if not tables:
            raise Problem("--vectors needs a network with embed in it, such as --recipe kim", USAGE)
        found = vectors.load(str(path), data.preprocessing["vocabulary"])
        rng = torch.Generator().manual_seed(0)
        for table in tables:
            vectors.fill(table, found, rng)
        remarks += found.remarks
    elif spelt is not None:
        begin_by_spelling([module.table.weight for module in modules if isinstance(module, Embed)], spelt)
    for before, after in pairwise(modules):
        if isinstance(before, NGrams):
            tell_runs(before, after if isinstance(after, Bag) else None, data, spelt)
    return remarks


def begin_by_spelling(tables: list[Tensor], spelt: Spelling) -> None:
    """Lets the vectors of words that are spelt alike begin alike."""
    rng = torch.Generator().manual_seed(0)
    for table in tables:
        if len(table) == spelt.words + FIRST:
            with torch.no_grad():
                table[FIRST:] = spelt.vectors(table.shape[1], rng) * SPREAD


def tell_runs(ngrams: NGrams, bag: Bag | None, data: Data, spelt: Spelling | None) -> None:
    """Lets `ngrams` know the runs of the training texts; a bag of as many numbers as labels becomes a linear model."""
    assert isinstance(data.train.inputs, Tensor), "texts are arrays"
    inputs, labels = data.train.inputs[:, 0, 0], len(data.labels)
    if ngrams.longest == runs.LONGEST and KNOWN in data.extras:
        keys = data.extras[KNOWN].numpy()
    else:
        keys = runs.known(inputs, labels, ngrams.longest)
    keys = keys[: len(ngrams.keys)]
    told = torch.full_like(ngrams.keys, 2**62)
    told[: len(keys)] = torch.from_numpy(keys)
    ngrams.keys.copy_(told)
    if bag is not None and bag.table.weight.shape[1] == labels and len(bag.weigh) > len(keys):
        places = runs.places(keys, data.preprocessing["tokens_known"])[FIRST:]
        put(bag, solved(inputs, data.train.targets, labels, keys, ngrams.longest, spelt, places))


@torch.no_grad()
def put(bag: Bag, said: Said) -> None:
    """Lets the bag say what a linear model does."""
    for whole, known in ((bag.weigh, said.weigh), (bag.table.weight, said.rows)):
        whole.zero_()
        whole[1 : len(known) + 1] = known
    bag.bias.copy_(said.bias)
