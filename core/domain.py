"""The socket that a domain plugs into: Domain, Recipe, and the Data that it loads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import inf
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from .checkpoint import Card
from .imagine.canvas import Canvas, Moves, Tokens
from .layer import Layer
from .lazy import LazyInputs, LazyNames
from .problem import Bad

Progress = Callable[[int, int | None], object]  # is told how many files of how many are read
ROUND = 8  # columns: a batch's width is a multiple of it, so that few different widths occur
SPLIT_FIELDS = ("group_by", "test_share", "valid_share", "split")  # what of a Source decides how examples are divided
Preprocessing = dict[
    str, Any
]  # what the frontend and `read` depend on and is not code; JSON, travels in the model file


@dataclass
class Examples:
    """Inputs as compact as the domain keeps them, and their targets: arrays that an index tensor picks a batch from."""

    inputs: Tensor | LazyInputs  # (N, ...) uint8, int16 or int32; resident, memory-mapped, or computed for each batch
    targets: Tensor  # (N,) int64
    names: Sequence[str] | LazyNames  # where each example came from, for people
    lengths: Tensor | None = None  # (N,) int64, on the CPU: how much of each input is there; the rest is padding
    right_context: int | None = None  # padding that stays behind the longest of a batch; None keeps every batch whole

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """The batch at `indices`, on the device where the arrays are, cut behind its longest where it may be."""
        inputs, there = self.inputs, indices.to(self.targets.device, non_blocking=True)
        if self.lengths is not None and self.right_context is not None and len(indices):
            assert isinstance(inputs, Tensor), "what is computed is of one length"
            longest = int(self.lengths[indices.cpu()].max())
            inputs = inputs[..., : -(-(longest + self.right_context) // ROUND) * ROUND]
        return inputs.index_select(0, there), self.targets.index_select(0, there)

    def keep(self, indices: Tensor) -> Examples:
        """The examples at `indices`, as a set of their own."""
        lengths = None if self.lengths is None else self.lengths[indices]
        inputs, targets = self.with_right_context(None)[indices]  # whole, however short those at `indices` are
        return Examples(inputs, targets, [self.names[i] for i in indices.tolist()], lengths, self.right_context)

    def subsample(self, most: int) -> Examples:
        """At most so many of them, from all parts of the set alike; 0 takes all."""
        if not 0 < most < len(self):
            return self
        return self.keep(torch.linspace(0, len(self) - 1, most).long())

    def to(self, device: torch.device) -> Examples:
        """The same on a device; what is computed for each batch stays where that is done."""
        if isinstance(self.inputs, LazyInputs):
            return self
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device))

    def with_right_context(self, right_context: int | None) -> Examples:
        """The same, each batch cut `margin` columns behind its longest input (Network.right_context)."""
        return self if right_context == self.right_context else replace(self, right_context=right_context)


def concatenate(parts: Sequence[Examples]) -> Examples:
    """Several sets of examples as one, in order."""
    if len(parts) == 1:
        return parts[0]
    lengths = [part.lengths for part in parts if part.lengths is not None]
    whole = [part.with_right_context(None)[torch.arange(len(part))] for part in parts]  # each of its full length
    return Examples(
        torch.cat([inputs for inputs, _ in whole]),
        torch.cat([targets for _, targets in whole]),
        [part.names[i] for part in parts for i in range(len(part))],
        torch.cat(lengths) if lengths else None,
    )


@dataclass
class Data:
    """What a domain makes of files. Any part may be empty; targets index `labels`."""

    train: Examples
    valid: Examples
    test: Examples
    labels: list[str]
    preprocessing: Preprocessing
    bad: list[Bad] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)  # what a person should know: rare classes, skipped labels
    extras: dict[str, Tensor] = field(default_factory=dict)  # what augmentation and a beginning draw from: noise
    given: frozenset[str] = frozenset()  # the parts that came as such ("test", "valid"), not split off by us

    @property
    def parts(self) -> dict[str, Examples]:
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def counts(self) -> dict[str, int]:
        return {name: len(part) for name, part in self.parts.items()}

    def fingerprint(self) -> str:
        """The same for the same examples with the same labels in the same parts: what a resumed run insists on."""
        told = blake2b(repr(self.labels).encode(), digest_size=16)
        for part in self.parts.values():
            told.update(digest(part.names))
            told.update(part.targets.numpy().tobytes())
        return told.hexdigest()


def digest(names: Sequence[str] | LazyNames) -> bytes:
    """What names say, wherever the set now lies."""
    if not isinstance(names, Sequence):
        return names.digest()
    return "\0".join(name.rsplit("/", 1)[-1] for name in names).encode(errors="surrogateescape")


@dataclass(frozen=True)
class DataSpec:
    """Where examples come from and how they are divided; the same in every domain."""

    data: str
    test: str | None = None
    valid: str | None = None
    group_by: str | None = None  # a column of a table, or a regular expression searched in each path
    unknown: Literal["stop", "skip"] = "stop"  # a label that the model does not know
    test_share: float = 0.15  # what is kept for the test where none is given: 150 of 1,000 tell 90% from 95%
    valid_share: float | None = None  # of the rest, for validation; None is a tenth, 2,500 examples at most; 0 none
    split: int = 0  # another number divides otherwise
    max_bad: float = 0.05  # share of unusable files above which nothing starts
    options: Mapping[str, Any] = field(default_factory=dict)  # what only this domain understands
    progress: Progress | None = None

    def __post_init__(self) -> None:
        for name in ("data", "test", "valid"):  # a path that is there counts from anywhere; a name stays as it is
            if (path := getattr(self, name)) and os.path.exists(path):
                object.__setattr__(self, name, os.path.abspath(path))


def unchanged(x: Tensor, targets: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    return x, targets


Change = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]


class Augment(NamedTuple):
    """Random changes while a network learns, on the device; every random number comes from the generator given."""

    inputs: Change = unchanged  # of a batch as the arrays hold it, and its targets
    maps: Change = unchanged  # of what the frontend makes of it, (B, C, H, W), and its targets


UNCHANGED = Augment()


def same(values: Tensor) -> Tensor:
    return values


class View(NamedTuple):
    """Another way to see the same inputs (mirrored, turned), and the way back from what is then answered."""

    see: Callable[[Tensor], Tensor] = same  # a batch of maps (B, C, H, W) -> a batch of the same shape
    back: Callable[[Tensor], Tensor] = same  # its scores (B, K) -> scores for the inputs as they were
    default: bool = True  # whether answers are averaged over it where nobody says over how many


class Drawing(Protocol):
    """An input with what was answered, to be looked at."""

    def text(self, colour: bool, unicode: bool) -> str: ...

    def svg(self) -> str: ...

    def png(self) -> Any: ...  # Pillow's


class PerturbationSpace(NamedTuple):
    """What of an input an adversary may move, each number by at most ε, and what ε counts."""

    name: str  # "pixels"
    on: Literal["inputs", "maps"]  # the compact arrays, or what the frontend makes of them
    unit: str  # of ε: "shares of a pixel's range"
    epsilons: Sequence[float]  # the sizes that are tried where nobody names any
    full: float = 1.0  # an ε of 1, as the arrays count
    least: float = -inf  # where their numbers end
    most: float = inf


class Corruption(NamedTuple):
    """A way that inputs go wrong without anybody's intent, in five strengths."""

    change: Callable[[Tensor, float, torch.Generator], Tensor]  # a batch of compact inputs, on its device; how much
    amounts: tuple[float, float, float, float, float]  # how much, at strengths 1 to 5
    unit: str  # of the amounts: "degrees"

    def __call__(self, inputs: Tensor, strength: int, rng: torch.Generator) -> Tensor:
        """The batch at a strength from 1 to 5; as it is at 0."""
        return self.change(inputs, self.amounts[strength - 1], rng) if strength else inputs


class Windows(NamedTuple):
    """One input that is longer than an example, as overlapping windows shaped like examples."""

    inputs: Tensor | LazyInputs  # (W, ...)
    spans: Sequence[tuple[float, float]]  # where each begins and ends: seconds of a recording, tokens of a text
    lengths: Tensor | None = None  # (W,) int64: how much of each is there, where the rest is padding
    unit: str = ""  # of the spans

    def examples(self) -> Examples:
        """They as examples of which no label is known."""
        count = len(self.inputs)
        return Examples(self.inputs, torch.zeros(count, dtype=torch.int64), [""] * count, self.lengths)


class Table(NamedTuple):
    """A table of inputs for prediction: its rows go out again with the answers beside them."""

    header: list[str] | None
    rows: Iterable[tuple[list[str], bytes]]  # the cells of each, and the input that they hold
    delimiter: str = ","


@dataclass(frozen=True)
class Recipe:
    """A named network, kept beside the settings that train it."""

    layers: Callable[..., tuple[Layer, ...]]  # from the number of labels and its own parameters
    about: str  # one line: what it is, and its source
    settings: Mapping[str, Any] = field(default_factory=dict)  # of training, where they differ from the defaults
    options: Mapping[str, Any] = field(default_factory=dict)  # of the domain's own
    input: tuple[int, int, int] = (3, 32, 32)  # what it is measured on where nobody says


@dataclass(frozen=True)
class Domain:
    """One kind of input, as a value: how files become arrays, arrays a network's input, and inputs pictures."""

    name: str
    load: Callable[
        [DataSpec, list[str] | None, Preprocessing | None], Data
    ]  # labels and facts of a model, when there is one
    read: Callable[
        [str | bytes, Preprocessing], Tensor
    ]  # a path or a file's bytes -> one input, shaped like an example
    gather: Callable[[Sequence[str]], list[str]]  # files, folders and globs -> the files in them that `read` takes
    frontend: Callable[[Preprocessing], nn.Module]  # arrays on the device -> (B, C, H, W)
    augment: Callable[[str, Mapping[str, Tensor]], Augment]  # "flip, crop(4)", the data's extras -> changes
    check: Callable[[DataSpec], dict[str, Any]]  # what training would meet
    show: Callable[..., Any]  # an input, relevance over it or None, and the facts, as a picture (Pillow's)
    recipes: Mapping[str, Recipe]
    default: str  # the recipe to use where none is named
    weights: Callable[[nn.Module, Path], list[str]] | None = None  # others' weights into a network; remarks
    suited: Callable[[str, list[str]], str] = lambda augment, labels: augment  # augmentation that fits the labels
    views: Callable[[str], Sequence[View]] = lambda augment: (View(),)  # an answer may be the mean over these
    windows: Callable[[str | bytes, Preprocessing], Windows] | None = (
        None  # an input that may be longer than an example
    )
    options: Sequence[str] = ()  # the names that Source.options may have
    reading: Sequence[str] = ()  # further names that `read` looks up in the facts, as somebody asks for them: move
    # Labels -> compact inputs (B, …) -> bool (B, K): which of the labels can be right, whatever a network says.
    possible: Callable[[Sequence[str]], Callable[[Tensor], Tensor]] | None = None
    # Probabilities (N, K), targets (N,) and names of examples -> scores that only this domain knows.
    measures: Callable[[Any, Any, Any], dict[str, Any]] = lambda probabilities, targets, names: {}
    timeline: Callable[[Mapping[str, Any], Path], str] | None = None  # an answer in windows -> text for such a file
    # What a new network begins with beside its random weights (word vectors, say); gives remarks.
    begin: Callable[[nn.Module, Data, DataSpec], list[str]] = lambda network, data, source: []
    by_line: bool = False  # whether "-" holds an input a line, to be answered as they arrive, or one input
    # A file that is a table of inputs, with options of the domain's own; None for any other file.
    table: Callable[[str, Preprocessing, Mapping[str, Any]], Table | None] = lambda file, preprocessing, options: None
    # A path or a file's bytes, what was answered, and the facts, as something to look at where words are not enough.
    drawing: Callable[[str | bytes, dict[str, Any], Preprocessing], Drawing] | None = None
    spell: Callable[[Tensor, Preprocessing], str] | None = None  # an input in words, where people read rather than look
    # Facts and a frontend -> inputs as something that can be changed step by step; None where nobody has said how.
    imagine: Callable[[Preprocessing, nn.Module], Canvas | Tokens | Moves] | None = None
    # Models by name whose weights others have trained: their card and weights.
    pretrained: Mapping[str, Callable[[], tuple[Card, dict[str, Tensor]]]] = field(default_factory=dict)
    numbers: Callable[[Preprocessing], Mapping[str, int]] = (
        lambda preprocessing: {}
    )  # what words of a network text stand for: tokens
    tokens: Callable[[Preprocessing], Sequence[str]] = (
        lambda preprocessing: ()
    )  # what the rows of an embed stand for; "": for none
    form: Callable[[Preprocessing], Mapping[str, Any]] = (
        lambda preprocessing: {}
    )  # the options that give inputs the form of a model's
    # An input, and a row and a column of its maps -> what lies there, in the domain's words: "0.42 s, 1,200 Hz".
    place: Callable[[Tensor, int, int, Preprocessing], str] = lambda inputs, row, column, preprocessing: (
        f"row {row}, column {column}"
    )
    # A source in words with relevance over them, for "terminal" or "html"; None where people look rather than read.
    written: Callable[[str | bytes, Sequence[float], Preprocessing, str], str] | None = None
    # Maps (B, C, H, W) -> those of an input with nothing in it, which explanations compare with.
    empty: Callable[[Tensor], Tensor] = torch.zeros_like
    # The weights of a first layer's filter (C, h, w) -> what people see of it, (h, w) or (3, h, w).
    filter: Callable[[Tensor, Preprocessing], Tensor] = lambda weight, preprocessing: (
        weight if len(weight) in (1, 3) else weight.sum(0)
    )
    from_below: bool = False  # whether people look at the rows of its maps from below: frequencies
    # An input, its maps (C, H, W), rows and columns of them -> that part as a picture (Pillow's), or in words.
    patch: Callable[[Tensor, Tensor, slice, slice, Preprocessing], Any] | None = None
    # Draws an input, or its maps (C, H, W), on matplotlib's axes with their units; None where a picture needs none.
    graph: Callable[[Any, Tensor, Preprocessing], None] | None = None
    # An input, and relevance (H, W) -> what of it mattered, as a file that people hear.
    listen: Callable[[Tensor, Tensor, Preprocessing, Path], None] | None = None
    perturbation_spaces: Sequence[
        PerturbationSpace
    ] = ()  # what an adversary may move, the first where nobody names one
    # From facts and the data's extras: the ways in which such inputs go wrong, by name.
    corruptions: Callable[[Preprocessing, Mapping[str, Tensor]], Mapping[str, Corruption]] = (
        lambda preprocessing, extras: {}
    )
