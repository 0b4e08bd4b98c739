"""A new network that begins with what a trained one has learnt: for more data, other labels or inputs, or deeper."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from . import checkpoint, modules
from .capability import Capability
from .checkpoint import Card
from .combinators import Combinator
from .constants import network_constants
from .data import Data, Preprocessing
from .domain import Domain
from .layer import Layer
from .model import put
from .modules import Bag, Embed, NGrams, Residual
from .network import Network, parse
from .problem import USAGE, Problem

OF_TOKENS = Embed | Bag | NGrams  # what of a network depends on a vocabulary


@dataclass(frozen=True)
class Transferable(Capability):
    """What a new network takes from a trained one beyond its layers."""

    options: Callable[[Preprocessing], Mapping[str, Any]]  # DataSpec.options that give inputs the model's form
    load_weights: Callable[[nn.Module, Path], list[str]] | None = None  # weights files of other libraries; remarks
    # Models by name whose weights others have trained: their card and weights.
    pretrained: Mapping[str, Callable[[], tuple[Card, dict[str, Tensor]]]] = field(default_factory=dict)
    tokens: Callable[[Preprocessing], Sequence[str]] = lambda preprocessing: ()  # a token per row of an embed, or ""


class Origin(NamedTuple):
    """What a new network is where nobody says: as the one that it begins from."""

    recipe: str | None = None
    network: str | None = None  # its text, where it has no recipe of the domain's
    options: Mapping[str, Any] = {}  # of the domain, which bring inputs to the form that it has learnt


class Piece(NamedTuple):
    """A word whose weights are taken over together: one of the network's, or of a branch of a parallel or a vote."""

    layer: Layer
    module: nn.Module
    scores: bool  # whether it gives the scores of labels: nothing with weights follows it

    @property
    def weighs(self) -> bool:
        return bool(self.module.state_dict())

    @property
    def sign(self) -> tuple[object, ...]:
        """What makes its weights fit another: its text, and their shapes."""
        return (str(self.layer), *((name, value.shape) for name, value in self.module.state_dict().items()))


def begin(network: Network, module: nn.Module, domain: Domain, data: Data, file: Path) -> list[str]:
    """Put the weights in `file`, a model of neocog's or what else the domain takes, into a new network's module.

    Gives remarks on what was not taken over. Raises Problem where the file cannot be read or nothing in it fits.
    """
    if checkpoint.is_model(file):
        return load_pretrained(network, module, checkpoint.card(file), checkpoint.read_tensors(file), domain, data)
    capability = domain.require(Transferable, "--weights")
    if capability.load_weights is None:
        checkpoint.card(file)  # raises the Problem that says what is wrong with the file
    assert capability.load_weights is not None
    return capability.load_weights(module, file)


def origin(file: Path, domain: Domain) -> Origin:
    """What a model's network is, ready for other labels; nothing of others' files."""
    if not checkpoint.is_model(file):
        return Origin()
    card = checkpoint.card(file)
    network = re.sub(rf"(.*\bdense\(){len(card.labels)}\b", r"\1classes", card.network)  # the last, as .* is greedy
    if card.domain != domain.name:
        return Origin(network=network)
    capability = domain.capability(Transferable)
    form = capability.options(card.preprocessing) if capability else {}
    if card.recipe:
        return Origin(recipe=card.recipe, options=form)
    return Origin(network=with_names(network, network_constants(domain, card.preprocessing)), options=form)


def with_names(network: str, numbers: Mapping[str, int]) -> str:
    """A network's text with the names of the domain's numbers for them, where words take a number of tokens."""
    names = {str(number): name for name, number in numbers.items()}
    return re.sub(
        r"\b(embed\(|bag\(|ngrams\(\d+, )(\d+)", lambda found: found[1] + names.get(found[2], found[2]), network
    )


@torch.no_grad()
def load_pretrained(
    network: Network, module: nn.Module, card: Card, weights: dict[str, Tensor], domain: Domain, data: Data
) -> list[str]:
    """Copy into `module` the words that its network shares with a trained one, in their order, and say which are new.

    What gives the scores of labels is shared where the labels are the same, what depends on a vocabulary where that is;
    the vectors of tokens that two vocabularies have go on. A new residual(…) that ends with a norm begins as the
    identity, so that a network made deeper answers at first what the shallow one did (Chen et al. 2016,
    arXiv:1511.05641, section 2.4). Raises Problem where nothing is shared.
    """
    old = Network(card.input, parse(card.network))
    donor = old.module()
    put(donor, weights)
    ours, theirs = pieces(network.layers, module), pieces(old.layers, donor)
    shared = _shared([piece.sign for piece in ours], _signs(theirs, card, data))
    taken = [mine for mine in shared if ours[mine].weighs]
    if not taken:
        raise Problem("the model after --weights shares no layer that has weights with this network", USAGE)
    for mine in taken:
        ours[mine].module.load_state_dict(theirs[shared[mine]].module.state_dict())
    new = [piece for at, piece in enumerate(ours) if at not in shared and piece.weighs]
    for piece in new:
        _begin_as_identity(piece.module)
    rest = [piece for at, piece in enumerate(theirs) if at not in shared.values()]
    tokens = domain.require(Transferable, "--weights").tokens
    known = _vectors(new, rest, tokens(data.preprocessing), tokens(card.preprocessing))
    return [_remark(card, len(taken), new, known)] if new else []


def pieces(layers: Sequence[Layer], module: nn.Module, end: bool = True) -> list[Piece]:
    """The words of a network, or of a part that ends it or not; those of branches in the place of what holds them."""
    words = list(module.children())
    last = max((at for at, word in enumerate(words) if word.state_dict()), default=0)
    found = []
    for at, (layer, word) in enumerate(zip(layers, words, strict=True)):
        scores = end and at == last
        if isinstance(layer, Combinator) and not layer.transferred_whole:
            assert isinstance(word, modules.Combinator)
            for branch, module_of_branch in zip(layer.branches, word.branches, strict=True):
                found += pieces(branch, module_of_branch, scores)
        else:
            found.append(Piece(layer, word, scores))
    return found


def _signs(theirs: Sequence[Piece], card: Card, data: Data) -> list[tuple[object, ...]]:
    """The signs of a trained network's words, which fit none of ours where they mean other labels or tokens."""
    labels, tokens = card.labels != data.labels, card.preprocessing != data.preprocessing
    signs = []
    for piece in theirs:
        differs = (labels and piece.scores) or (tokens and isinstance(piece.module, OF_TOKENS))
        signs.append((*piece.sign, "differs") if differs else piece.sign)
    return signs


def _shared(ours: Sequence[object], theirs: Sequence[object]) -> dict[int, int]:
    """The places of our words whose like is among theirs, in the same order, and the place of each there."""
    blocks = SequenceMatcher(None, theirs, ours, autojunk=False).get_matching_blocks()
    return {block.b + step: block.a + step for block in blocks for step in range(block.size)}


def _begin_as_identity(word: nn.Module) -> None:
    if not isinstance(word, Residual) or list(word.shortcut.children()):
        return
    if isinstance(last := list(word.body.children())[-1], nn.BatchNorm2d):
        nn.init.zeros_(last.weight)


def _vectors(new: Sequence[Piece], rest: Sequence[Piece], ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Take over the vectors of tokens that two vocabularies share, table by table; gives how many tokens those are."""
    place = {token: at for at, token in enumerate(theirs) if token}
    both = [(at, place[token]) for at, token in enumerate(ours) if token in place]
    tables, known = (
        [each.module.table.weight for each in few if isinstance(each.module, Embed)] for few in (new, rest)
    )
    pairs = [(mine, own) for mine, own in zip(tables, known, strict=False) if mine.shape[1] == own.shape[1]]
    for mine, own in pairs if both else ():
        here, there = torch.tensor(both).T
        mine[here] = own[there]
    return len(both) if pairs else 0


def _remark(card: Card, taken: int, new: Sequence[Piece], known: int) -> str:
    counts = Counter(piece.layer.name for piece in new)
    named = ", ".join(f"{count} {word}" for word, count in counts.items())
    told = f"--weights: {taken} layers go on from a model of {card.domain}, {len(new)} begin anew ({named})"
    return told + (f", in them the vectors of {known:,} tokens go on" if known else "")
