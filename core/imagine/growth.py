"""Positions that a network imagines: grown move by move, each the best of several that the rules allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..problem import USAGE, Problem
from .ascent import Goal
from .canvas import Moves

TRIED = 24  # moves tried at a time
PATIENCE = 4  # times that no move may help before it is enough


@dataclass(frozen=True)
class Growth:
    """How positions are grown: nothing is put down that does not help, so that few moves are left to look at."""

    steps: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise Problem(f"--steps is 1 or more; got {self.steps}", USAGE)

    def __str__(self) -> str:
        return f"the best of {TRIED} moves at a time, as long as one helps"


def grown(
    see: Callable[[Tensor], Tensor],
    words: nn.Module,
    goal_of: Callable[[nn.Module, Sequence[int]], Goal],
    asked: Sequence[int],
    moves: Moves,
    how: Growth,
    watch: Callable[[int], object] = lambda step: None,
) -> Tensor:
    """A compact input for each of the labels or units asked for. `see` makes maps of compact inputs."""
    rng = torch.Generator().manual_seed(how.seed)
    found = []
    for at, each in enumerate(asked):

        def reach(states: Sequence[Any], each: int = each) -> Tensor:
            with torch.inference_mode():
                return goal_of(words, [each] * len(states))(see(moves.inputs(states)))

        found.append(_grown(moves, reach, how.steps, rng))
        watch((at + 1) * how.steps)
    return moves.inputs(found)


def _grown(moves: Moves, reach: Callable[[Sequence[Any]], Tensor], steps: int, rng: torch.Generator) -> Any:
    """One state, as high as moves by chance lead it."""
    state, idle = moves.start(), 0
    high = reach([state])[0]
    for _ in range(steps):
        every = [after for _ in range(TRIED) if (after := moves.after(state, rng)) is not None]
        reached = reach(every) if every else high[None]
        if reached.max() > high:
            state, high, idle = every[int(reached.argmax())], reached.max(), 0
        elif (idle := idle + 1) == PATIENCE:
            break
    return state


def by_chance(moves: Moves, count: int, long: int, rng: torch.Generator) -> list[Any]:
    """States after up to `long` moves that nobody has chosen."""
    found = []
    for _ in range(count):
        state = moves.start()
        for _ in range(int(torch.randint(1, long + 1, (), generator=rng))):
            state = moves.after(state, rng) or state
        found.append(state)
    return found
