"""Texts that a network imagines: tokens exchanged, one at a time, for those that the gradient at their place points to.

Between two tokens there is nothing to climb on. So the way up leads from token to token: at a place the change of the
answer is foretold to first order for every token, e'_new · ∂a/∂e (HotFlip: Ebrahimi et al. 2018, arXiv:1712.06751,
section 3), the likeliest few are tried, and the best is kept where it is better than what stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import modules
from ..explain.opened import Opened
from ..problem import USAGE, Problem
from .ascent import Goal
from .canvas import Tokens

TRIED, CHANCE = 24, 8  # tokens tried at a place: those that the gradient names, and some by chance


@dataclass(frozen=True)
class Phrases:
    """How texts are climbed for."""

    sweeps: int = 4  # over all places of a text, in an order by chance
    length: int = 8  # tokens
    seed: int = 0

    def __post_init__(self) -> None:
        for name, flag in (("sweeps", "steps"), ("length", "length")):
            if getattr(self, name) < 1:
                raise Problem(f"--{flag} is 1 or more; got {getattr(self, name)}", USAGE)

    def __str__(self) -> str:
        return f"the best of {TRIED + CHANCE} tokens at each place, {self.sweeps} times over"


def phrases(
    words: nn.Module,
    goal_of: Callable[[nn.Module, Sequence[int]], Goal],
    asked: Sequence[int],
    tokens: Tokens,
    width: int,
    how: Phrases,
    watch: Callable[[int], object] = lambda step: None,
) -> Tensor:
    """A text for each of the labels or units asked for: (B, 1, 1, width) ids, `how.length` tokens and then padding."""
    rng = torch.Generator().manual_seed(how.seed)
    ids = torch.zeros((len(asked), 1, 1, width), dtype=torch.int32)
    ids[..., : how.length] = torch.randint(tokens.first, tokens.count, (len(asked), 1, 1, how.length), generator=rng)
    ids = ids.to(next(words.parameters()).device)
    opened, done = Opened(words, ids), 0
    for _ in range(how.sweeps):
        for place in torch.randperm(how.length, generator=rng).tolist():
            found = _candidates(opened, goal_of(opened.words, asked), ids, place, tokens, rng)
            ids = _exchanged(words, goal_of, asked, ids, place, found)
            watch(done := done + 1)
    return ids


def _candidates(opened: Opened, goal: Goal, ids: Tensor, place: int, tokens: Tokens, rng: torch.Generator) -> Tensor:
    """(B, K) ids to try at the place: what the gradients name, some by chance, and what stands there."""
    opened.maps = ids
    for table in opened.tables:
        table.given = None
    with torch.no_grad():
        opened.words(ids)
    leaves = [table.looked_up.clone().requires_grad_() for table in opened.tables]
    for table, leaf in zip(opened.tables, leaves, strict=True):
        table.given = leaf
    slopes = torch.autograd.grad(goal(ids).sum(), leaves, allow_unused=True)
    gains = torch.zeros((len(ids), tokens.count), device=ids.device)
    for table, slope in zip(opened.tables, slopes, strict=True):
        if slope is not None and isinstance(table.table, modules.Embed):
            gains = gains + slope[:, :, 0, place] @ table.table.table.weight[: tokens.count].T
    gains[:, : tokens.first] = -torch.inf
    best = gains.topk(min(TRIED, tokens.count - tokens.first)).indices
    chance = torch.randint(tokens.first, tokens.count, (len(ids), CHANCE), generator=rng).to(ids.device)
    return torch.cat((ids[:, 0, 0, place, None].long(), best, chance), 1)


@torch.no_grad()
def _exchanged(
    words: nn.Module,
    goal_of: Callable[[nn.Module, Sequence[int]], Goal],
    asked: Sequence[int],
    ids: Tensor,
    place: int,
    found: Tensor,
) -> Tensor:
    """The texts with the best of the tokens found at the place; the first of them stands there already."""
    count, many = found.shape
    every = ids.repeat_interleave(many, 0)
    every[:, 0, 0, place] = found.flatten().int()
    reached = goal_of(words, [each for each in asked for _ in range(many)])(every).view(count, many)
    return every.view(count, many, *ids.shape[1:])[torch.arange(count), reached.argmax(1)]
