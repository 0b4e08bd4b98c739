"""What a network for texts begins with beside random weights: word vectors, and what runs of words say of labels."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core.domain import Data, Source
from ..core.modules import Bag, Embed, NGrams
from ..core.problem import USAGE, Problem
from . import runs, vectors
from .spelling import Spelling
from .vocabulary import FIRST

ALIKE = 0.2  # what the spelling of a word counts for, beside its own ratio
SPREAD = 0.1  # the deviation of a word vector's numbers
PACE = 3.0  # how fast the bag learns, beside what has no weights


def begin(network: nn.Module, data: Data, source: Source) -> list[str]:
    """Fills the network's tables with what is known; gives remarks. Raises Problem where vectors do not fit."""
    remarks = []
    modules = list(network.modules())
    if path := source.options.get("vectors"):
        tables = [module.table.weight for module in modules if isinstance(module, Embed)]
        if not tables:
            raise Problem("--vectors needs a network with embed in it, such as --recipe kim", USAGE)
        found = vectors.load(str(path), data.facts["vocabulary"])
        rng = torch.Generator().manual_seed(0)
        for table in tables:
            vectors.fill(table, found, rng)
        remarks += found.remarks
    elif data.facts["tokens"] == "words":
        begin_by_spelling([module.table.weight for module in modules if isinstance(module, Embed)], data)
    for before, after in pairwise(modules):
        if isinstance(before, NGrams):
            tell_runs(before, after if isinstance(after, Bag) else None, data)
    return remarks


def begin_by_spelling(tables: list[Tensor], data: Data) -> None:
    """Lets the vectors of words that are spelt alike begin alike."""
    spelt = Spelling(data.facts["vocabulary"]) if tables else None
    rng = torch.Generator().manual_seed(0)
    for table in tables:
        if spelt is not None and len(table) == spelt.words + FIRST:
            with torch.no_grad():
                table[FIRST:] = spelt.vectors(table.shape[1], rng) * SPREAD


def tell_runs(ngrams: NGrams, bag: Bag | None, data: Data) -> None:
    """Lets `ngrams` know the runs of the training texts; a bag of as many numbers as labels begins as naive Bayes.

    Each run counts by how much it tells, max |r_k|, so that one that tells nothing is also never learnt by heart; the
    learned rows begin as r / max |r_k|: their product is NBSVM's feature (Wang and Manning 2012, section 2.3).
    """
    assert isinstance(data.train.inputs, Tensor), "texts are arrays"
    inputs = data.train.inputs[:, 0, 0]
    labels = len(data.labels)
    keys = runs.known(inputs, labels, ngrams.longest)[: len(ngrams.keys)]
    told = torch.full_like(ngrams.keys, 2**62)
    told[: len(keys)] = torch.from_numpy(keys)
    ngrams.keys.copy_(told)
    if bag is not None and bag.table.weight.shape[1] == labels and len(bag.weigh) > len(keys):
        counts = runs.present(inputs, data.train.targets.tolist(), keys, labels, ngrams.longest)
        ratios = runs.log_ratios(counts)
        lone, where = runs.single(keys, data.facts["tokens_known"])
        if data.facts["tokens"] == "words":
            spelt = Spelling(data.facts["vocabulary"])
            ratios[where] += ALIKE * spelt.smoothed(counts[where], lone)
        sure = runs.sureness(inputs, data.train.targets, keys, counts, ngrams.longest)
        weigh, rows = weighed(ratios, sure)
        with torch.no_grad():
            bag.weigh.zero_()
            bag.table.weight.zero_()
            bag.weigh[1 : len(keys) + 1] = weigh
            bag.table.weight[1 : len(keys) + 1] = rows


def weighed(ratios: Tensor, sure: float) -> tuple[Tensor, Tensor]:
    """(runs, labels) ratios as how much each run tells, (runs,), and rows that give `sure` times the ratios with it."""
    weigh = PACE * ratios.abs().amax(1)
    return weigh, sure * ratios / weigh.clamp_min(1e-6)[:, None]
