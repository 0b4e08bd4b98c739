"""A network opened at the first numbers that have a gradient: its maps, or the rows that its tables give for ids."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import Tensor, nn

from .. import modules

How = Literal["sum", "largest"]


class Rows(nn.Module):
    """In the place of a table: the rows that it gives for ids, or those that somebody has put in their place."""

    def __init__(self, table: modules.Embed | modules.Bag) -> None:
        super().__init__()
        self.table, self.pooled = table, isinstance(table, modules.Bag)
        self.given: Tensor | None = None
        self.looked_up = torch.empty(0)

    def forward(self, ids: Tensor) -> Tensor:
        if self.given is None:
            self.looked_up = self.look_up(ids).detach()
        rows = self.looked_up if self.given is None else self.given
        return rows.sum((1, 2)) + self.table.bias if isinstance(self.table, modules.Bag) else rows

    def look_up(self, ids: Tensor) -> Tensor:
        """(B, C, 1, L) ids -> the rows of a bag, (B, C, L, dim), or those of an embedding, (B, dim, 1, L)."""
        if isinstance(self.table, modules.Bag):
            at = ids.long().squeeze(2)
            return self.table.table(at) * self.table.weights(ids).view_as(at).unsqueeze(-1)  # type: ignore[no-any-return]
        return self.table(ids)  # type: ignore[no-any-return]


class Opened(nn.Module):
    """`opened(*opened.leaves)` are the network's scores for `maps`, and the leaves have gradients.

    The leaves are the maps, (B, C, H, W), or the rows of each table where the network takes ids; `empty` are those of
    an input with nothing in it. The network is a copy
    that shares its weights: whatever hooks into it leaves the original alone.
    """

    def __init__(self, words: nn.Module, maps: Tensor, empty: Tensor | None = None) -> None:
        super().__init__()
        shared = {id(each): each for each in (*words.parameters(), *words.buffers())}
        self.words = copy.deepcopy(words, shared).eval()
        self.maps = maps.detach()
        self.tables = _opened(self.words)
        self.leaves: tuple[Tensor, ...] = (self.maps,)
        self.empty: tuple[Tensor, ...] = (torch.zeros_like(maps) if empty is None else empty.detach(),)
        if self.tables:
            with torch.no_grad():
                self.words(self.maps)
            self.leaves = tuple(each.looked_up for each in self.tables)
            self.empty = tuple(torch.zeros_like(each) for each in self.leaves)  # the row of padding

    def forward(self, *leaves: Tensor) -> Tensor:
        if not self.tables:
            return self.words(leaves[0])  # type: ignore[no-any-return]
        for table, rows in zip(self.tables, leaves, strict=True):
            table.given = rows
        return self.words(self.maps)  # type: ignore[no-any-return]

    def with_gradients(self) -> tuple[Tensor, ...]:
        return tuple(leaf.clone().requires_grad_() for leaf in self.leaves)

    def folded(self, parts: tuple[Tensor, ...], how: How = "sum") -> Tensor:
        """Relevance of the leaves as relevance of the places of the maps, (B, H, W); that of padding is 0.

        Over channels it is the sum, or the largest absolute value; over tables the sum. What a run of n tokens is worth
        is shared by the n.
        """
        if not self.tables:
            return _over(parts[0], 1, how)
        there = (self.maps[:, 0] != 0).to(parts[0].dtype)  # (B, 1, L)
        told = torch.zeros_like(there)
        for table, part in zip(self.tables, parts, strict=True):
            told = told + (_spread(_over(part, 3, how)) if table.pooled else _over(part, 1, how))
        return told * there


def _opened(words: nn.Module) -> list[Rows]:
    """Puts Rows in the place of every table of a copy."""
    found = []
    for parent in list(words.modules()):
        for name, child in parent.named_children():
            if isinstance(child, modules.Embed | modules.Bag):
                found.append(Rows(child))
                setattr(parent, name, found[-1])
    return found


def _over(values: Tensor, axis: int, how: How) -> Tensor:
    return values.sum(axis) if how == "sum" else values.abs().amax(axis)


def _spread(runs: Tensor) -> Tensor:
    """(B, N, L) of runs of 1 … N tokens that begin at each place -> (B, 1, L): each token's share of all its runs."""
    told = torch.zeros_like(runs[:, 0])
    for length in range(1, runs.shape[1] + 1):
        for step in range(length):
            told[:, step:] += runs[:, length - 1, : runs.shape[2] - step] / length
    return told[:, None]
