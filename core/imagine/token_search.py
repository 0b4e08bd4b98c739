"""Optimised texts: tokens are exchanged one at a time for those that the gradient suggests.

Token ids have no gradient. At each position, the change of the objective is estimated to first order for every token,
e'_new · ∂a/∂e (HotFlip: Ebrahimi et al. 2018, arXiv:1712.06751, section 3); the tokens with the largest estimates are
evaluated, and the best is kept if it improves the objective.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .. import modules
from ..explain.interpretable import InterpretableNetwork
from ..problem import USAGE, Problem
from .ascent import Objective
from .parameterization import Tokens

BY_GRADIENT, RANDOM = 24, 8  # tokens tried at a position


@dataclass(frozen=True)
class TokenSearch:
    """Settings of the search."""

    sweeps: int = 4  # over all positions of a text, in random order
    length: int = 8  # tokens
    seed: int = 0

    def __post_init__(self) -> None:
        for name, flag in (("sweeps", "steps"), ("length", "length")):
            if getattr(self, name) < 1:
                raise Problem(f"--{flag} is 1 or more; got {getattr(self, name)}", USAGE)

    def __str__(self) -> str:
        return f"the best of {BY_GRADIENT + RANDOM} tokens at each position, {self.sweeps} sweeps"


def search_tokens(
    network: nn.Module,
    objective_of: Callable[[nn.Module, Sequence[int]], Objective],
    targets: Sequence[int],
    tokens: Tokens,
    width: int,
    settings: TokenSearch,
    callback: Callable[[int], object] = lambda step: None,
) -> Tensor:
    """Returns a text for each of the labels or units `targets`: (B, 1, 1, width) ids, `settings.length` and padding."""
    rng = torch.Generator().manual_seed(settings.seed)
    length = settings.length
    ids = torch.zeros((len(targets), 1, 1, width), dtype=torch.int32)
    ids[..., :length] = torch.randint(tokens.first, tokens.count, (len(targets), 1, 1, length), generator=rng)
    ids = ids.to(next(network.parameters()).device)
    interpretable, step = InterpretableNetwork(network, ids), 0
    for _ in range(settings.sweeps):
        for position in torch.randperm(length, generator=rng).tolist():
            objective = objective_of(interpretable.network, targets)
            candidates = _candidates(interpretable, objective, ids, position, tokens, rng)
            ids = _best(network, objective_of, targets, ids, position, candidates)
            callback(step := step + 1)
    return ids


def _candidates(
    interpretable: InterpretableNetwork,
    objective: Objective,
    ids: Tensor,
    position: int,
    tokens: Tokens,
    rng: torch.Generator,
) -> Tensor:
    """(B, K) ids to try at a position: the current one, the ones by gradient, random ones."""
    interpretable.maps = ids
    for embedding in interpretable.embeddings:
        embedding.override = None
    with torch.no_grad():
        interpretable.network(ids)
    leaves = [embedding.rows.clone().requires_grad_() for embedding in interpretable.embeddings]
    for embedding, leaf in zip(interpretable.embeddings, leaves, strict=True):
        embedding.override = leaf
    gradients = torch.autograd.grad(objective(ids).sum(), leaves, allow_unused=True)
    gains = torch.zeros((len(ids), tokens.count), device=ids.device)
    for embedding, gradient in zip(interpretable.embeddings, gradients, strict=True):
        if gradient is not None and isinstance(embedding.table, modules.Embed):
            gains = gains + gradient[:, :, 0, position] @ embedding.table.table.weight[: tokens.count].T
    gains[:, : tokens.first] = -torch.inf
    best = gains.topk(min(BY_GRADIENT, tokens.count - tokens.first)).indices
    random = torch.randint(tokens.first, tokens.count, (len(ids), RANDOM), generator=rng).to(ids.device)
    return torch.cat((ids[:, 0, 0, position, None].long(), best, random), 1)


@torch.no_grad()
def _best(
    network: nn.Module,
    objective_of: Callable[[nn.Module, Sequence[int]], Objective],
    targets: Sequence[int],
    ids: Tensor,
    position: int,
    candidates: Tensor,
) -> Tensor:
    """The texts with the best candidate at the position; the first candidate is the current token."""
    texts, count = candidates.shape
    variants = ids.repeat_interleave(count, 0)
    variants[:, 0, 0, position] = candidates.flatten().int()
    objective = objective_of(network, [target for target in targets for _ in range(count)])
    values = objective(variants).view(texts, count)
    return variants.view(texts, count, *ids.shape[1:])[torch.arange(texts), values.argmax(1)]
