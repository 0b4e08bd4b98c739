"""The device that a network runs on, the number format that is fast on it, and the processes that train together."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from .problem import USAGE, Problem, shortened


def choose(name: str) -> torch.device:
    """Returns the device that `auto`, `cpu`, `cuda`, `cuda:1` or `mps` names. Raises Problem if there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        name += f":{local_rank()}" if name == "cuda" and "LOCAL_RANK" in os.environ else ""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise Problem(f"{name} is not a device; expected auto, cpu, cuda, cuda:1 or mps", USAGE) from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise Problem(f"{name} is not supported; expected auto, cpu, cuda, cuda:1 or mps", USAGE)
    count = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[device.type]
    if (device.index or 0) >= count:
        available = f"{count} of them" if count else "none"
        raise Problem(f"{name} is not available: torch finds {available}; --device cpu always works", USAGE)
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def use_threads(count: int) -> None:
    """Sets the number of threads that torch computes with on the CPU; 0 leaves it as it is."""
    if count:
        torch.set_num_threads(count)


def describe(device: torch.device) -> str:
    """Returns the device in words, for summaries: "cuda:0: NVIDIA H200", "cpu: 2 threads"."""
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    threads = torch.get_num_threads()
    return f"cpu: {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else str(device)


def number_format(device: torch.device, precision: str, module: nn.Module | None = None) -> torch.dtype:
    """Returns the number format; for `auto`, bfloat16 if the hardware multiplies it faster, else float32.

    On a CPU a `module` with grouped convolutions is trained in float32: their backward pass is slower in bfloat16
    (EfficientNet-Lite0 on 224×224 pixels takes 79 ms of a Zen 4 core for an image instead of 61).
    """
    if precision != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    if device.type == "cpu" and module is not None and any(getattr(part, "groups", 1) > 1 for part in module.modules()):
        return torch.float32
    fast = {
        "cuda": lambda: torch.cuda.get_device_capability(device) >= (8, 0),
        "cpu": lambda: torch.cpu._is_avx512_bf16_supported(),
        "mps": lambda: False,
    }[device.type]()
    return torch.bfloat16 if fast else torch.float32


def memory_format(module: nn.Module, device: torch.device) -> torch.memory_format:
    """Returns channels last if it is faster: not on MPS, and not for a network without convolutions."""
    has_conv = any(isinstance(part, nn.Conv2d) for part in module.modules())
    return torch.channels_last if has_conv and device.type != "mps" else torch.contiguous_format


def lay_out(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    """Converts the weights of a module to a memory format, in place; returns the module."""
    return module.to(memory_format=layout)  # type: ignore[no-any-return, call-overload]


def keep_memory(device: torch.device) -> None:
    """Keeps freed memory in the process: requesting it from the kernel at each step costs a fifth of the time.

    By default glibc returns large blocks at once (mallopt: M_MMAP_MAX 0, M_TRIM_THRESHOLD 2 GB).
    """
    if device.type != "cpu" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(-4, 0)
    libc.mallopt(-1, ctypes.c_int(2**31 - 1))


def finish(device: torch.device) -> None:
    """Waits until the device has finished its queued work, so that elapsed times are right."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def fits(size: int, device: torch.device) -> bool:
    """Returns True if an array of `size` bytes may be kept on the device: in a third of its free memory at most."""
    if device.type == "cuda":
        return size < torch.cuda.mem_get_info(device)[0] / 3
    return True  # a CPU reads its memory map, MPS shares the main memory


def out_of_memory(error: BaseException) -> bool:
    """Returns True if torch ran out of memory, on any device."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("can't allocate memory" in str(error) or "out of memory" in str(error))
    )


@dataclass(frozen=True)
class World:
    """The processes that train one network together, started by torchrun; a single one by default."""

    rank: int = 0
    size: int = 1

    def share(self, indices: Tensor) -> Tensor:
        """Returns this process's share of a batch."""
        return indices[self.rank :: self.size]

    @contextmanager
    def first(self) -> Iterator[None]:
        """Runs the body of the context on the leading process before the others."""
        if self.size > 1 and self.rank > 0:
            distributed.barrier()
        yield
        if self.size > 1 and self.rank == 0:
            distributed.barrier()

    def mean(self, *values: Tensor) -> None:
        """Replaces each tensor by its mean over all processes, in place."""
        for value in values if self.size > 1 else ():
            distributed.all_reduce(value)
            value.div_(self.size)

    def gathered(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Returns the rows of all processes, each of which computed those of its share, in their order."""
        if self.size == 1:
            return rows
        parts: list[NDArray[Any]] = [rows] * self.size
        distributed.all_gather_object(parts, rows)
        whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
        for rank, part in enumerate(parts):
            whole[rank :: self.size] = part
        return whole

    def require_same(self, facts: dict[str, str]) -> None:
        """Raises Problem if a fact, such as a version, differs between the processes: their results would mix."""
        everyone: list[dict[str, str]] = [facts] * self.size
        distributed.all_gather_object(everyone, facts)
        for name, value in everyone[0].items():
            for rank, others in enumerate(everyone):
                if others[name] != value:
                    first, other = shortened(value), shortened(others[name])
                    raise Problem(
                        f"the processes differ in {name}: rank 0 has {first}, rank {rank} has {other}; start all alike",
                        USAGE,
                    )

    def agree(self, flag: bool, device: torch.device) -> bool:
        """Returns True if the flag is set in any process: all must branch alike, or they would deadlock."""
        if self.size == 1:
            return flag
        value = torch.tensor(float(flag), device=device)
        distributed.all_reduce(value, distributed.ReduceOp.MAX)
        return bool(value.item())


ALONE = World()


def local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_size() -> int:
    """Returns the number of processes on this machine that train together."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """Joins the processes that torchrun started, or yields a world of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)  # which NCCL takes
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(distributed.get_rank(), size)
        distributed.barrier()  # the leading process may still be writing
    finally:
        distributed.destroy_process_group()


def require_memory(numbers: int, name: str) -> None:
    """Raises Problem if so many float32 numbers are more than the memory of the machine, before they are allocated."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # a system without them
        return
    if 4 * numbers > memory:
        raise Problem(
            f"{shortened(name)} needs {4 * numbers / 1e9:,.1f} GB, this machine has {memory / 1e9:,.1f} GB; "
            "take a smaller network or smaller inputs",
            USAGE,
        )
