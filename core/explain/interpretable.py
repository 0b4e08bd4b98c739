"""A network whose inputs have gradients: its maps or, where the network takes token ids, its embeddings."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

from .. import modules

Reduction = Literal["sum", "largest"]


def identity(values: Tensor) -> Tensor:
    return values


class InterpretableEmbedding(nn.Module):
    """Replaces a table of embeddings: returns the rows of the table for ids, or `override` where it is set."""

    def __init__(self, table: modules.Embed | modules.Bag) -> None:
        super().__init__()
        self.table, self.pooled = table, isinstance(table, modules.Bag)
        self.override: Tensor | None = None
        self.rows = torch.empty(0)  # those of the last ids, without gradients

    def forward(self, ids: Tensor) -> Tensor:
        if self.override is None:
            self.rows = self.look_up(ids).detach()
        rows = self.rows if self.override is None else self.override
        return rows.sum((1, 2)) + self.table.bias if isinstance(self.table, modules.Bag) else rows

    def look_up(self, ids: Tensor) -> Tensor:
        """(B, C, 1, L) ids -> the rows of a bag, (B, C, L, dim), or of an embedding, (B, dim, 1, L)."""
        if isinstance(self.table, modules.Bag):
            indices = ids.long().squeeze(2)
            weights = self.table.weights(ids).view_as(indices).unsqueeze(-1)
            return self.table.table(indices) * weights  # type: ignore[no-any-return]
        return self.table(ids)  # type: ignore[no-any-return]


class InterpretableNetwork(nn.Module):
    """`interpretable(*interpretable.inputs)` are the scalars to differentiate, (B, K), for `maps`.

    The inputs are the maps, (B, C, H, W), or the rows of each table if the network takes ids; `baselines` are those of
    an empty input. `network` is a copy that shares its weights, so that hooks do not reach the original. `scalars`
    turns logits into what is differentiated (Task.scalars).
    """

    def __init__(
        self,
        network: nn.Module,
        maps: Tensor,
        baseline: Tensor | None = None,
        scalars: Callable[[Tensor], Tensor] = identity,
    ) -> None:
        super().__init__()
        shared = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
        self.network = copy.deepcopy(network, shared).eval()
        self.maps, self.scalars = maps.detach(), scalars
        self.embeddings = _replace_tables(self.network)
        self.inputs: tuple[Tensor, ...] = (self.maps,)
        self.baselines: tuple[Tensor, ...] = (torch.zeros_like(maps) if baseline is None else baseline.detach(),)
        if self.embeddings:
            with torch.no_grad():
                self.network(self.maps)
            self.inputs = tuple(embedding.rows for embedding in self.embeddings)
            self.baselines = tuple(torch.zeros_like(rows) for rows in self.inputs)  # the row of padding

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.scalars(self.network(self.first_input(inputs)))

    def first_input(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """Sets the rows of the tables to `inputs`, if there are any, and returns what the first layer gets."""
        if not self.embeddings:
            return inputs[0]
        for embedding, rows in zip(self.embeddings, inputs, strict=True):
            embedding.override = rows
        return self.maps

    def inputs_with_gradients(self) -> tuple[Tensor, ...]:
        """Returns copies of the inputs that collect gradients."""
        return tuple(values.clone().requires_grad_() for values in self.inputs)

    def over_positions(self, parts: tuple[Tensor, ...], reduction: Reduction = "sum") -> Tensor:
        """Reduces relevance of the inputs to relevance of the positions of the maps, (B, H, W); padding has 0.

        Over channels it is the sum or the largest absolute value, over tables the sum. The relevance of an n-gram is
        divided evenly among its n tokens.
        """
        if not self.embeddings:
            return _reduce(parts[0], 1, reduction)
        is_token = (self.maps[:, 0] != 0).to(parts[0].dtype)  # (B, 1, L)
        relevance = torch.zeros_like(is_token)
        for embedding, part in zip(self.embeddings, parts, strict=True):
            relevance = relevance + (
                _spread(_reduce(part, 3, reduction)) if embedding.pooled else _reduce(part, 1, reduction)
            )
        return relevance * is_token


def _replace_tables(network: nn.Module) -> list[InterpretableEmbedding]:
    """Replaces every table of a copied network, and returns the replacements."""
    replacements = []
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, modules.Embed | modules.Bag):
                replacements.append(InterpretableEmbedding(child))
                setattr(parent, name, replacements[-1])
    return replacements


def _reduce(values: Tensor, axis: int, reduction: Reduction) -> Tensor:
    return values.sum(axis) if reduction == "sum" else values.abs().amax(axis)


def _spread(ngrams: Tensor) -> Tensor:
    """(B, N, L) relevance of the 1- to N-grams that begin at each token -> (B, 1, L) relevance of each token."""
    relevance = torch.zeros_like(ngrams[:, 0])
    for length in range(1, ngrams.shape[1] + 1):
        for offset in range(length):
            relevance[:, offset:] += ngrams[:, length - 1, : ngrams.shape[2] - offset] / length
    return relevance[:, None]
