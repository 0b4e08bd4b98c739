"""A new network that begins with what a trained one has learnt: for more data, other labels or inputs, or deeper."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from pathlib import Path

import torch
from torch import Tensor, nn

from . import checkpoint
from .checkpoint import Card
from .domain import Data, Domain
from .model import put
from .modules import Residual
from .network import Network, parse
from .problem import USAGE, Problem
from .words import Words

Signs = list[tuple[object, ...]]  # of each word, what makes its weights fit another: its text, and their shapes


def begin(network: Network, module: Words, domain: Domain, data: Data, file: Path) -> list[str]:
    """Put the weights in `file`, a model of neocog's or what else the domain takes, into a new network's module.

    Gives remarks on what was not taken over. Raises Problem where the file cannot be read or nothing in it fits.
    """
    if checkpoint.is_model(file):
        return take_over(network, module, checkpoint.card(file), checkpoint.read_tensors(file), data)
    if domain.weights is None:
        checkpoint.card(file)  # says what is wrong with it
    assert domain.weights is not None
    return domain.weights(module, file)


def same_network(file: Path, domain: Domain) -> tuple[str | None, str | None]:
    """A model's recipe, or its network's text for other labels where the domain has none; nothing of other files."""
    if not checkpoint.is_model(file):
        return None, None
    card = checkpoint.card(file)
    if card.recipe and card.domain == domain.name:
        return card.recipe, None
    return None, re.sub(rf"(.*\bdense\(){len(card.labels)}\b", r"\1classes", card.network)  # the last, as .* is greedy


@torch.no_grad()
def take_over(network: Network, module: Words, card: Card, weights: dict[str, Tensor], data: Data) -> list[str]:
    """Copy into `module` the words that its network shares with a trained one, in their order, and say which are new.

    The last word with weights is shared where the labels are the same, word vectors where the vocabulary is. A new
    residual(…) among them that ends with a norm begins as the identity, so that a network made deeper answers at first
    what the shallow one did (Chen et al. 2016, arXiv:1511.05641, section 2.4). Raises Problem where nothing is shared.
    """
    old = Network(card.input, parse(card.network))
    donor = old.module()
    put(donor, weights)
    theirs, ours = _signs(old, donor), _signs(network, module)
    if card.labels != data.labels:
        theirs[_last(donor)] += ("other labels",)
    for at in (at for at, word in enumerate(donor) if _has_vectors(word) and card.facts != data.facts):
        theirs[at] += ("another vocabulary",)
    shared = _shared(ours, theirs)
    taken = [mine for mine in shared if _weighs(module[mine])]
    if not taken:
        raise Problem("the model after --weights shares no layer that has weights with this network", USAGE)
    for mine in taken:
        module[mine].load_state_dict(donor[shared[mine]].state_dict())
    new = [at for at in range(len(module)) if at not in shared and _weighs(module[at])]
    for at in new:
        _begin_as_identity(module[at])
    return [_remark(network, card, len(taken), new)] if new else []


def _signs(network: Network, module: Words) -> Signs:
    shapes = [tuple((name, value.shape) for name, value in word.state_dict().items()) for word in module]
    return [(str(layer), *each) for layer, each in zip(network.layers, shapes, strict=True)]


def _shared(ours: Signs, theirs: Signs) -> dict[int, int]:
    """The places of our words whose like is among theirs, in the same order, and the place of each there."""
    blocks = SequenceMatcher(None, theirs, ours, autojunk=False).get_matching_blocks()
    return {block.b + step: block.a + step for block in blocks for step in range(block.size)}


def _last(words: Words) -> int:
    return max((at for at, word in enumerate(words) if _weighs(word)), default=0)


def _weighs(word: nn.Module) -> bool:
    return bool(word.state_dict())


def _has_vectors(word: nn.Module) -> bool:
    return any(isinstance(each, nn.Embedding) for each in word.modules())


def _begin_as_identity(word: nn.Module) -> None:
    if not isinstance(word, Residual) or list(word.shortcut.children()):
        return
    if isinstance(last := list(word.body.children())[-1], nn.BatchNorm2d):
        nn.init.zeros_(last.weight)


def _remark(network: Network, card: Card, taken: int, new: Sequence[int]) -> str:
    counts = Counter(network.layers[at].word for at in new)
    named = ", ".join(f"{count} {word}" for word, count in counts.items())
    return f"--weights: {taken} layers go on from a model of {card.domain}, {sum(counts.values())} begin anew ({named})"
