"""Inputs that are computed when a batch asks for them: as many as an array has rows, where the array is too large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor

SPARE = 3  # batches that lie ready or wait, beside one for each thread

Key = tuple[int, int, int]


class Made:
    """The inputs at `picks` of all that `make` can compute: int64 (B,) numbers -> (B, …). They stay on the CPU.

    `make` lets go of the interpreter, so that threads compute the next batches while the device learns from this one.
    """

    device = torch.device("cpu")

    def __init__(self, make: Callable[[Any], Tensor], picks: Tensor, dtype: torch.dtype = torch.uint8) -> None:
        self.make, self.picks, self.dtype = make, picks, dtype

    def __len__(self) -> int:
        return len(self.picks)

    def __getitem__(self, at: int | slice) -> Tensor:
        if isinstance(at, slice):
            return self.make(self.picks[at].numpy())
        return self.make(self.picks[at : at + 1].numpy())[0]

    def index_select(self, dim: int, picks: Tensor) -> Tensor:
        assert dim == 0, "examples lie along the first axis"
        return self.make(self.picks[picks.cpu()].numpy())


class Named(Protocol):
    """Names of examples that are spelt when somebody asks: a sequence, and a digest of them all."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: int) -> str: ...

    def digest(self) -> bytes: ...


class Ahead:
    """Batches fetched in threads before their step comes; one that nobody foresaw is fetched at once."""

    def __init__(self, fetch: Callable[[Tensor], tuple[Tensor, Tensor]], workers: int) -> None:
        self.fetch = fetch
        self.depth = workers + SPARE  # how many are foreseen
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="neocog-batch")
        self.waiting: dict[Key, Future[tuple[Tensor, Tensor]]] = {}

    def soon(self, batches: Sequence[Tensor]) -> None:
        """These are the next; what else was foreseen is not wanted any more."""
        wanted = {key_of(picks): picks for picks in batches[: self.depth]}
        for key in self.waiting.keys() - wanted.keys():
            self.waiting.pop(key).cancel()
        for key, picks in wanted.items():
            if key not in self.waiting:
                self.waiting[key] = self.pool.submit(self.fetch, picks)

    def __call__(self, picks: Tensor) -> tuple[Tensor, Tensor]:
        found = self.waiting.pop(key_of(picks), None)
        return self.fetch(picks) if found is None else found.result()

    def close(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)


def key_of(picks: Tensor) -> Key:
    """What tells two batches of one order apart: no example is in two of them."""
    return int(picks[0]), int(picks[-1]), len(picks)
