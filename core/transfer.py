"""Transfer: a new network that starts from the weights of a trained one."""

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

from . import checkpoint, files
from .capability import Capability
from .checkpoint import Card
from .combinators import Combinator
from .constants import network_constants
from .data import Data, Preprocessing
from .domain import Domain
from .layer import Layer
from .model import card_network, check_weights, put, require_numbers
from .model_source import ModelSource
from .modules import Bag, Embed, NGrams, Residual
from .modules import Combinator as CombinatorModule
from .network import Network
from .problem import USAGE, Problem

# Of the layers of a pretrained model in front of a new head: LP-FT, and a head on frozen layers (docs/tried.md).
FINE_TUNING: dict[str, Any] = {
    "optimiser": "adamw", "lr": 3e-4, "weight_decay": 0.05, "schedule": "cosine", "warmup": 0.1, "smoothing": 0.1,
    "batch": 16, "epochs": 10, "head_first": True, "lr_first": 0.1, "fixed_norms": True,
}  # fmt: skip
FROZEN: dict[str, Any] = {
    "optimiser": "adamw", "lr": 1e-4, "schedule": "cosine", "warmup": 0.0, "batch": 64, "epochs": 10, "augment": "none",
    "head_first": True,
}  # fmt: skip
VOCABULARY_MODULES = Embed | Bag | NGrams  # their weights belong to a vocabulary


class Far(NamedTuple):
    """How a pretrained model is trained for data that are far from those it has seen: see core/closeness.py."""

    early: int  # first layers, whose features are compared with those of all layers
    settings: Mapping[str, Any]  # of training, beside those of Transferable.tuning


@dataclass(frozen=True)
class Transferable(Capability):
    """What a new network takes from a trained one beyond its layers."""

    options: Callable[[Preprocessing], Mapping[str, Any]]  # DataSpec.options that give inputs the model's form
    load_weights: Callable[[nn.Module, Path], list[str]] | None = None  # weights files of other libraries; remarks
    # Models by name whose weights others have trained: their card and weights.
    pretrained: Mapping[str, Callable[[], tuple[Card, dict[str, Tensor]]]] = field(default_factory=dict)
    tuning: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # settings of training, by name of the model
    far: Mapping[str, Far] = field(default_factory=dict)  # by name of the model, for data unlike those it has seen
    tokens: Callable[[Preprocessing], Sequence[str]] = lambda preprocessing: ()  # a token per row of an embed, or ""


class Loaded(NamedTuple):
    """What a new network was given of a trained one."""

    remarks: Sequence[str] = ()  # on what was reinitialised
    modules: Sequence[nn.Module] = ()  # whose weights were copied
    rows: Sequence[str] = ()  # labels that both know, whose rows of the head were copied


class Pretrained(NamedTuple):
    """What a new network copies from a pretrained model if the user does not say otherwise."""

    recipe: str | None = None
    network: str | None = None  # its text, if it has no recipe of the domain
    options: Mapping[str, Any] = {}  # of the domain, which give inputs the form that the model was trained on


class Part(NamedTuple):
    """A layer with its weights: of the network itself, or of a branch of a combinator."""

    layer: Layer
    module: nn.Module
    is_head: bool  # whether its outputs are the network's: no layer with weights follows

    @property
    def has_weights(self) -> bool:
        return bool(self.module.state_dict())

    @property
    def signature(self) -> tuple[object, ...]:
        """Its text and the shapes of its weights: equal signatures can exchange weights."""
        return (str(self.layer), *((name, value.shape) for name, value in self.module.state_dict().items()))


def begin(network: Network, module: nn.Module, domain: Domain, data: Data, source: ModelSource) -> Loaded:
    """Copies the weights of a model, or of a file that the domain reads, into a new network's module.

    Raises Problem if the file cannot be read or no layer matches.
    """
    if source.is_model:
        loaded = load_pretrained(network, module, source.card, source.weights(), domain, data)
    else:
        capability = domain.require(Transferable, "--weights")
        if capability.load_weights is None:
            checkpoint.card(source.path)  # raises the Problem that says what is wrong with the file
        assert capability.load_weights is not None
        remarks = capability.load_weights(module, source.path)
        weighted = [part.module for part in parts(network.layers, module) if part.has_weights]
        loaded = Loaded(remarks, weighted[:-1] if remarks else weighted)
    check_weights(module, f"they come from {source.path}; name another file after --weights")
    return loaded


def pretrained(source: ModelSource, domain: Domain) -> Pretrained:
    """The network of a model, with its labels left open; nothing for a file of other libraries."""
    capability = domain.capability(Transferable)
    if not source.is_model:
        files.require_file(source.path, "a model file, a run's folder, or weights of torchvision")
        if capability is None or capability.load_weights is None:
            checkpoint.card(source.path)  # raises the Problem that says what is wrong with the file
        return Pretrained()
    card = source.card
    network = re.sub(rf"(.*\bdense\(){len(card.labels)}\b", r"\1classes", card.network)  # the last, as .* is greedy
    if card.domain != domain.name:
        return Pretrained(network=network)
    options = capability.options(card.preprocessing) if capability else {}
    if card.recipe and card.recipe.partition("(")[0].strip() in domain.recipes:  # unless an older version had it
        return Pretrained(recipe=card.recipe, options=options)
    constants = network_constants(domain, card.preprocessing)
    return Pretrained(network=with_constants(network, constants), options=options)


def tuning(domain: Domain, source: ModelSource, keep: str | None, freeze: bool) -> dict[str, Any]:
    """Settings of training for a new head on a pretrained model: of frozen layers, or of all, with the model's own."""
    if freeze:
        return FROZEN
    capability = domain.capability(Transferable)
    if capability is None or not trains_whole(domain, source, keep):
        return FINE_TUNING
    return FINE_TUNING | dict(capability.tuning.get(source.name, {}))


def trains_whole(domain: Domain, source: ModelSource, keep: str | None) -> bool:
    """Whether all layers of a model of the domain are kept."""
    return keep in (None, "all") and source.is_model and source.card.domain == domain.name


def far(domain: Domain, source: ModelSource, keep: str | None, freeze: bool, changes: Mapping[str, Any]) -> Far | None:
    """How the whole model is trained for data far from its own, where that is known, beside `changes` of the user."""
    capability = domain.capability(Transferable)
    if capability is None or freeze or not trains_whole(domain, source, keep) or source.name not in capability.far:
        return None
    early, settings = capability.far[source.name]
    return Far(early, {name: value for name, value in settings.items() if name not in changes})


def with_constants(network: str, constants: Mapping[str, int]) -> str:
    """A network's text with the names of the domain's constants in the layers that take a vocabulary's size."""
    names = {str(number): name for name, number in constants.items()}
    return re.sub(
        r"\b(embed\(|bag\(|ngrams\(\d+, )(\d+)", lambda match: match[1] + names.get(match[2], match[2]), network
    )


@torch.no_grad()
def load_pretrained(
    network: Network, module: nn.Module, card: Card, weights: dict[str, Tensor], domain: Domain, data: Data
) -> Loaded:
    """Copies into `module` the weights of the layers that both networks have, in their order; reports the others.

    The head is copied if the labels are the same, or else its rows of labels that both know; layers of a vocabulary are
    copied if that is the same, the vectors of tokens in both vocabularies in any case. A new residual(…) that ends with
    a norm starts as the identity, so that a deeper network first computes what the shallow one did (Chen et al. 2016,
    arXiv:1511.05641, section 2.4). Raises Problem if nothing matches.
    """
    source = card_network(card)
    require_numbers(source, weights)
    source_module = source.module()
    put(source_module, weights)
    targets, sources = parts(network.layers, module), parts(source.layers, source_module)
    matches = _matches([part.signature for part in targets], _signatures(sources, card, data))
    copied = [index for index in matches if targets[index].has_weights]
    if not copied:
        raise Problem("the model after --weights shares no layer that has weights with this network", USAGE)
    for index in copied:
        targets[index].module.load_state_dict(sources[matches[index]].module.state_dict())
    if adapted := _adapt_channels(targets, sources, matches):
        copied = [adapted[0], *copied]
        matches |= {adapted[0]: adapted[0]}
    new = [part for index, part in enumerate(targets) if index not in matches and part.has_weights]
    for part in new:
        _start_as_identity(part.module)
    unused = [part for index, part in enumerate(sources) if index not in matches.values()]
    tokens = domain.require(Transferable, "--weights").tokens
    vectors = _copy_vectors(new, unused, tokens(data.preprocessing), tokens(card.preprocessing))
    rows = _copy_rows(new, unused, data.labels, card.labels)
    remarks = [_remark(card, len(copied), new, vectors, rows)] if new else []
    if adapted:
        remarks.append(_channels_remark(source.input[0], network.input[0]))
    return Loaded(remarks, [targets[index].module for index in copied], rows)


def _adapt_channels(targets: Sequence[Part], sources: Sequence[Part], matches: Mapping[int, int]) -> tuple[int, ...]:
    """Copies the first convolution to inputs with another number of channels; returns its index, or nothing.

    A single channel gets the sum of the weights over the channels, which gives what the model gives for channels that
    are equal; of more, the channels share that sum.
    """
    first = next((index for index, part in enumerate(targets) if part.has_weights), None)
    if first is None or first in matches or first >= len(sources):
        return ()
    part, source = targets[first], sources[first]
    if not isinstance(part.module, nn.Conv2d) or not isinstance(source.module, nn.Conv2d):
        return ()
    if str(part.layer) != str(source.layer) or part.module.groups != 1:
        return ()
    weight, summed = part.module.weight, source.module.weight.sum(1, keepdim=True)
    if weight.shape[2:] != summed.shape[2:]:
        return ()
    weight.copy_(summed.expand_as(weight) / weight.shape[1])
    if part.module.bias is not None and source.module.bias is not None:
        part.module.bias.copy_(source.module.bias)
    return (first,)


def parts(layers: Sequence[Layer], module: nn.Module, is_end: bool = True) -> list[Part]:
    """The layers of a network, or of a sequence that may be its end; branches in the place of their combinator."""
    modules = list(module.children())
    last = max((index for index, child in enumerate(modules) if child.state_dict()), default=0)
    collected = []
    for index, (layer, child) in enumerate(zip(layers, modules, strict=True)):
        is_head = is_end and index == last
        if isinstance(layer, Combinator) and not layer.transferred_whole:
            assert isinstance(child, CombinatorModule)
            for branch, branch_module in zip(layer.branches, child.branches, strict=True):
                collected += parts(branch, branch_module, is_head)
        else:
            collected.append(Part(layer, child, is_head))
    return collected


def _signatures(sources: Sequence[Part], card: Card, data: Data) -> list[tuple[object, ...]]:
    """The signatures of a trained network; one that matches nothing where labels or the vocabulary differ."""
    new_labels, new_vocabulary = card.labels != data.labels, card.preprocessing != data.preprocessing
    signatures = []
    for part in sources:
        differs = (new_labels and part.is_head) or (new_vocabulary and isinstance(part.module, VOCABULARY_MODULES))
        signatures.append((*part.signature, "differs") if differs else part.signature)
    return signatures


def _matches(targets: Sequence[object], sources: Sequence[object]) -> dict[int, int]:
    """The index of each target whose signature occurs among the sources in the same order -> the source's index."""
    blocks = SequenceMatcher(None, sources, targets, autojunk=False).get_matching_blocks()
    return {block.b + step: block.a + step for block in blocks for step in range(block.size)}


def _start_as_identity(module: nn.Module) -> None:
    if not isinstance(module, Residual) or list(module.shortcut.children()):
        return
    if isinstance(last := list(module.body.children())[-1], nn.BatchNorm2d):
        nn.init.zeros_(last.weight)


def _copy_vectors(
    new: Sequence[Part], unused: Sequence[Part], tokens: Sequence[str], source_tokens: Sequence[str]
) -> int:
    """Copies the vectors of tokens in both vocabularies, table by table; returns the number of tokens."""
    index_of = {token: index for index, token in enumerate(source_tokens) if token}
    common = [(index, index_of[token]) for index, token in enumerate(tokens) if token in index_of]
    tables, sources = (
        [part.module.table.weight for part in group if isinstance(part.module, Embed)] for group in (new, unused)
    )
    zipped = zip(tables, sources, strict=False)
    pairs = [(table, source) for table, source in zipped if table.shape[1] == source.shape[1]]
    for table, source in pairs if common else ():
        rows, source_rows = torch.tensor(common).T
        table[rows] = source[source_rows]
    return len(common) if pairs else 0


def _channels_remark(channels: int, new_channels: int) -> str:
    return (
        f"the model after --weights takes {channels} channel{'s' * (channels > 1)}, these inputs have {new_channels}: "
        "the weights of its first convolution were summed over the channels"
    )


def _copy_rows(
    new: Sequence[Part], unused: Sequence[Part], labels: Sequence[str], source_labels: Sequence[str]
) -> list[str]:
    """Copies the rows of labels that both networks know, from head to head of equal width; returns the labels."""
    index_of = {label: index for index, label in enumerate(source_labels)}
    common = [(index, index_of[label]) for index, label in enumerate(labels) if label in index_of]
    heads, sources = (_dense_heads(group) for group in (new, unused))
    sizes = (len(labels), len(source_labels))  # labels of which not each has an output, such as numbers, match nothing
    pairs = [
        (head, source)
        for head, source in zip(heads, sources, strict=False)
        if head.in_features == source.in_features and (head.out_features, source.out_features) == sizes
    ]
    for head, source in pairs if common else ():
        rows, source_rows = torch.tensor(common).T
        head.weight[rows] = source.weight[source_rows]
        if head.bias is not None and source.bias is not None:
            head.bias[rows] = source.bias[source_rows]
    return [labels[index] for index, _ in common] if pairs else []


def _dense_heads(group: Sequence[Part]) -> list[nn.Linear]:
    return [part.module for part in group if part.is_head and isinstance(part.module, nn.Linear)]


def _remark(card: Card, copied: int, new: Sequence[Part], vectors: int, rows: Sequence[str]) -> str:
    counts = Counter(part.layer.name for part in new)
    names = ", ".join(f"{count} {word}" for word, count in counts.items())
    text = f"--weights: {copied} layers copied from a model of {card.domain}, {len(new)} initialised anew ({names})"
    text += f", with the vectors of {vectors:,} tokens copied" if vectors else ""
    return text + (f", with the rows of {len(rows):,} labels copied" if rows else "")
