"""What a network for texts begins with beside random weights: word vectors, and what runs of words say of labels."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ..core.domain import Data, Source
from ..core.modules import Bag, Embed, NGrams
from ..core.problem import USAGE, Problem
from . import runs, vectors

SURE = 0.3  # what a log-count ratio counts for in the scores, before training knows better


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
    for before, after in pairwise(modules):
        if isinstance(before, NGrams):
            tell_runs(before, after if isinstance(after, Bag) else None, data)
    return remarks


def tell_runs(ngrams: NGrams, bag: Bag | None, data: Data) -> None:
    """Lets `ngrams` know the runs of the training texts; a bag of as many numbers as labels begins as naive Bayes.

    Each run counts by how much it tells, max |r_k|, so that one that tells nothing is also never learnt by heart; the
    learned rows begin as r / max |r_k|: their product is NBSVM's feature (Wang and Manning 2012, section 2.3).
    """
    inputs = data.train.inputs[:, 0, 0]
    labels = len(data.labels)
    keys = runs.known(inputs, labels, ngrams.longest)[: len(ngrams.keys)]
    told = torch.full_like(ngrams.keys, 2**62)
    told[: len(keys)] = torch.from_numpy(keys)
    ngrams.keys.copy_(told)
    if bag is not None and bag.table.weight.shape[1] == labels and len(bag.weigh) > len(keys):
        counts = runs.present(inputs, data.train.targets.tolist(), keys, labels, ngrams.longest)
        weigh, rows = weighed(runs.log_ratios(counts))
        with torch.no_grad():
            bag.weigh.zero_()
            bag.table.weight.zero_()
            bag.weigh[1 : len(keys) + 1] = weigh
            bag.table.weight[1 : len(keys) + 1] = rows


def weighed(ratios: Tensor) -> tuple[Tensor, Tensor]:
    """(runs, labels) ratios as how much each run tells, (runs,), and rows that give the ratios times SURE with it."""
    weigh = ratios.abs().amax(1)
    return weigh, ratios / weigh.clamp_min(1e-6)[:, None] * (SURE / 2 if ratios.shape[1] == 2 else SURE)
