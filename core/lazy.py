"""Inputs that are computed for each batch, because the array of all of them would be too large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor

SPARE = 3  # batches that are ready or queued, beyond one for each thread

Key = tuple[int, int, int]


class LazyInputs:
    """The inputs at `indices`, computed on demand by `make`: int64 (B,) -> (B, …). They stay on the CPU.

    `make` releases the interpreter, so that threads compute the next batches while the device trains on this one.
    """

    device = torch.device("cpu")

    def __init__(self, make: Callable[[Any], Tensor], indices: Tensor, dtype: torch.dtype = torch.uint8) -> None:
        self.make, self.indices, self.dtype = make, indices, dtype

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int | slice) -> Tensor:
        if isinstance(index, slice):
            return self.make(self.indices[index].numpy())
        return self.make(self.indices[index : index + 1].numpy())[0]

    def index_select(self, dim: int, indices: Tensor) -> Tensor:
        assert dim == 0, "examples lie along the first axis"
        return self.make(self.indices[indices.cpu()].numpy())


class LazyNames(Protocol):
    """Names of examples that are built on demand: a sequence, and a digest of all names."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> str: ...

    def digest(self) -> bytes: ...


class Prefetcher:
    """Prefetches batches in background threads; falls back to a synchronous fetch on a miss."""

    def __init__(self, fetch: Callable[[Tensor], tuple[Tensor, Tensor]], workers: int) -> None:
        self.fetch = fetch
        self.depth = workers + SPARE  # how many batches are prefetched
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="neocog-batch")
        self.waiting: dict[Key, Future[tuple[Tensor, Tensor]]] = {}

    def prefetch(self, batches: Sequence[Tensor]) -> None:
        """Starts to fetch the next batches, and cancels those that are no longer among them."""
        wanted = {key_of(indices): indices for indices in batches[: self.depth]}
        for key in self.waiting.keys() - wanted.keys():
            self.waiting.pop(key).cancel()
        for key, indices in wanted.items():
            if key not in self.waiting:
                self.waiting[key] = self.pool.submit(self.fetch, indices)

    def __call__(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        future = self.waiting.pop(key_of(indices), None)
        return self.fetch(indices) if future is None else future.result()

    def close(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)


def key_of(indices: Tensor) -> Key:
    """Returns a key of a batch; no example is in two batches of an epoch."""
    return int(indices[0]), int(indices[-1]), len(indices)
