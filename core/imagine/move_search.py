"""Optimised positions of a game: greedy search over legal moves, each the best of several random ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..problem import USAGE, Problem
from .ascent import Objective
from .parameterization import Moves

CANDIDATES = 24  # random moves tried at a time
PATIENCE = 4  # times without an improvement after which the search stops


@dataclass(frozen=True)
class MoveSearch:
    """Settings of the search. Only moves that increase the objective are played, so that few stones remain to see."""

    steps: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise Problem(f"--steps is 1 or more; got {self.steps}", USAGE)

    def __str__(self) -> str:
        return f"the best of {CANDIDATES} random moves at a time, while one improves it"


def search_moves(
    to_maps: Callable[[Tensor], Tensor],
    network: nn.Module,
    objective_of: Callable[[nn.Module, Sequence[int]], Objective],
    targets: Sequence[int],
    moves: Moves,
    settings: MoveSearch,
    callback: Callable[[int], object] = lambda step: None,
) -> Tensor:
    """Returns a compact input for each of the labels or units `targets`. `to_maps` is the frontend."""
    rng = torch.Generator().manual_seed(settings.seed)
    states = []
    for index, target in enumerate(targets):

        def evaluate(candidates: Sequence[Any], target: int = target) -> Tensor:
            with torch.inference_mode():
                objective = objective_of(network, [target] * len(candidates))
                return objective(to_maps(moves.to_inputs(candidates)))

        states.append(_search(moves, evaluate, settings.steps, rng))
        callback((index + 1) * settings.steps)
    return moves.to_inputs(states)


def _search(moves: Moves, evaluate: Callable[[Sequence[Any]], Tensor], steps: int, rng: torch.Generator) -> Any:
    """The state that random moves, each an improvement, lead to."""
    state, failures = moves.start(), 0
    best = evaluate([state])[0]
    for _ in range(steps):
        candidates = [after for _ in range(CANDIDATES) if (after := moves.after(state, rng)) is not None]
        values = evaluate(candidates) if candidates else best[None]
        if values.max() > best:
            state, best, failures = candidates[int(values.argmax())], values.max(), 0
        elif (failures := failures + 1) == PATIENCE:
            break
    return state


def random_states(moves: Moves, count: int, max_moves: int, rng: torch.Generator) -> list[Any]:
    """Returns states after 1 to `max_moves` random moves."""
    states = []
    for _ in range(count):
        state = moves.start()
        for _ in range(int(torch.randint(1, max_moves + 1, (), generator=rng))):
            state = moves.after(state, rng) or state
        states.append(state)
    return states
