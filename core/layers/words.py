"""Layers of token ids and words."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch import nn

from .. import modules
from ..decoder import WINDOW as WORDS_SEEN
from ..decoder import Decoder as DecoderModule
from ..layer import Layer, Padding, Shape, require_maps
from ..problem import Problem
from ..receptive_field import ReceptiveField, Window


@dataclass(frozen=True)
class Embed(Layer):
    """Embeds each of 1×1×length token ids as a column of `dim` numbers; id 0 is padding, and its column stays zero.

    With `static`, the columns are not trained.
    """

    tokens: int
    dim: int
    static: bool = False

    def out(self, shape: Shape) -> Shape:
        require_ids(shape)
        return (self.dim, 1, shape[2])

    def module(self, shape: Shape) -> nn.Module:
        return modules.Embed(self.tokens, self.dim, bool(self.static))

    def padding_effect(self, padding: Padding) -> Padding | None:
        return "zero"


@dataclass(frozen=True)
class NGrams(Layer):
    """Rows of ids, one for each length from 1 to `longest`: the known run of so many ids that begins at each position.

    Of `tokens` ids, 0 stands for an unknown run, or one that reaches into padding. The known runs are set from the
    training data before training (DataInitialization); a new network knows none.
    """

    longest: int
    tokens: int

    def out(self, shape: Shape) -> Shape:
        require_ids(shape)
        return (self.longest, 1, shape[2])

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.through(Window((1, self.longest), (1, 1), (1, 1), ((0, 0), (0, self.longest - 1)), ceil=False))

    def module(self, shape: Shape) -> nn.Module:
        return modules.NGrams(self.longest, self.tokens)


@dataclass(frozen=True)
class Bag(Layer):
    """The sum of the embeddings of all ids, each times a fixed weight of its id, and a bias.

    Id 0 is padding. The weights are 1 unless they are set from the training data (DataInitialization). With `static`,
    the embeddings are not trained; with `unit`, the weights of an input are scaled so that their squares sum to 1.
    """

    tokens: int
    dim: int
    static: bool = False
    unit: bool = False

    def out(self, shape: Shape) -> Shape:
        require_maps(shape)
        return (self.dim,)

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over((shape[1], shape[2]))

    def module(self, shape: Shape) -> nn.Module:
        return modules.Bag(self.tokens, self.dim, bool(self.static), bool(self.unit))

    def macs(self, shape: Shape) -> int:
        return prod(shape) * self.dim

    def padding_effect(self, padding: Padding) -> Padding | None:
        return "removed" if padding == "zero" else None


@dataclass(frozen=True)
class Decoder(Layer):
    """The logits of `longest` words of a sentence about a row of numbers, written one after the other.

    A causal convolutional network of `blocks` (core/decoder.py). With `beam`, predictions are by beam search.
    """

    tokens: int
    longest: int
    dim: int = 128
    blocks: int = 3
    beam: int = 1

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise Problem(f"takes a row of numbers, got {shape}; put flatten before it")
        return (self.tokens, 1, self.longest)

    def receptive_field(self, shape: Shape, field: ReceptiveField) -> ReceptiveField:
        return field.over(field.positions)

    def module(self, shape: Shape) -> nn.Module:
        return DecoderModule(shape[0], self.tokens, self.longest, self.dim, self.blocks, self.beam)

    def macs(self, shape: Shape) -> int:
        of_word = 2 * WORDS_SEEN * self.dim**2 * self.blocks + self.dim * self.tokens
        return shape[0] * self.dim + self.longest * of_word


def require_ids(shape: Shape) -> None:
    if len(shape) != 3 or shape[:2] != (1, 1):
        raise Problem(f"takes a row of token ids, (1, 1, length), got {shape}")
