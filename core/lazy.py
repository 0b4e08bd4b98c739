"""Inputs that are computed when a batch asks for them: as many as an array has rows, where the array is too large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor

SPARE = 3  # batches that lie ready or wait, beside one for each thread

Key = tuple[int, int, int]


class LazyInputs:
    """The inputs at `indices` of all that `make` can compute: int64 (B,) numbers -> (B, …). They stay on the CPU.

    `make` lets go of the interpreter, so that threads compute the next batches while the device learns from this one.
    """

    device = torch.device("cpu")

    def __init__(self, make: Callable[[Any], Tensor], indices: Tensor, dtype: torch.dtype = torch.uint8) -> None:
        self.make, self.indices, self.dtype = make, indices, dtype

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, at: int | slice) -> Tensor:
        if isinstance(at, slice):
            return self.make(self.indices[at].numpy())
        return self.make(self.indices[at : at + 1].numpy())[0]

    def index_select(self, dim: int, indices: Tensor) -> Tensor:
        assert dim == 0, "examples lie along the first axis"
        return self.make(self.indices[indices.cpu()].numpy())


class LazyNames(Protocol):
    """Names of examples that are spelt when somebody asks: a sequence, and a digest of them all."""

    def __len__(self) -> int: ...

    def __getitem__(self, at: int) -> str: ...

    def digest(self) -> bytes: ...


class Prefetcher:
    """Batches fetched in threads before their step comes; one that nobody foresaw is fetched at once."""

    def __init__(self, fetch: Callable[[Tensor], tuple[Tensor, Tensor]], workers: int) -> None:
        self.fetch = fetch
        self.depth = workers + SPARE  # how many are foreseen
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="neocog-batch")
        self.waiting: dict[Key, Future[tuple[Tensor, Tensor]]] = {}

    def prefetch(self, batches: Sequence[Tensor]) -> None:
        """These are the next; what else was foreseen is not wanted any more."""
        wanted = {key_of(indices): indices for indices in batches[: self.depth]}
        for key in self.waiting.keys() - wanted.keys():
            self.waiting.pop(key).cancel()
        for key, indices in wanted.items():
            if key not in self.waiting:
                self.waiting[key] = self.pool.submit(self.fetch, indices)

    def __call__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        found = self.waiting.pop(key_of(indices), None)
        return self.fetch(indices) if found is None else found.result()

    def close(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)


def key_of(indices: Tensor) -> Key:
    """What tells two batches of one order apart: no example is in two of them."""
    return int(indices[0]), int(indices[-1]), len(indices)
