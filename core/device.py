"""Where a network runs: the device, the number format that is fast on it, the processes that share the work."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from .problem import USAGE, Problem


def choose(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:1` or `mps` as a device that is there; raises Problem where it is not."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        name += f":{local_rank()}" if name == "cuda" and "LOCAL_RANK" in os.environ else ""
    try:
        device = torch.device(name)
    except RuntimeError:
        raise Problem(f"{name} is not a device; expected auto, cpu, cuda, cuda:1 or mps", USAGE) from None
    if device.type not in ("cpu", "cuda", "mps"):
        raise Problem(f"{name} is not supported; expected auto, cpu, cuda, cuda:1 or mps", USAGE)
    there = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}[device.type]
    if (device.index or 0) >= there:
        found = f"{there} of them" if there else "none"
        raise Problem(f"{name} is not here: torch finds {found}; --device cpu always works", USAGE)
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def describe(device: torch.device) -> str:
    """The device in words, for summaries: "cuda:0: NVIDIA H200", "cpu: 2 threads"."""
    if device.type == "cuda":
        return f"{device}: {torch.cuda.get_device_name(device)}"
    threads = torch.get_num_threads()
    return f"cpu: {threads} thread{'s' * (threads > 1)}" if device.type == "cpu" else str(device)


def number_format(device: torch.device, wish: str) -> torch.dtype:
    """float32, or bfloat16 where the device multiplies it faster: `auto` asks the hardware."""
    if wish != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[wish]
    fast = {
        "cuda": lambda: torch.cuda.get_device_capability(device) >= (8, 0),
        "cpu": lambda: torch.cpu._is_avx512_bf16_supported(),
        "mps": lambda: False,
    }[device.type]()
    return torch.bfloat16 if fast else torch.float32


def memory_format(module: nn.Module, device: torch.device) -> torch.memory_format:
    """Channels last where it is faster: not on MPS, and not for a network without convolutions."""
    has_conv = any(isinstance(part, nn.Conv2d) for part in module.modules())
    return torch.channels_last if has_conv and device.type != "mps" else torch.contiguous_format


def lay_out(module: nn.Module, layout: torch.memory_format) -> nn.Module:
    """The module with its weights in a memory format."""
    return module.to(memory_format=layout)  # type: ignore[no-any-return, call-overload]


def keep_memory(device: torch.device) -> None:
    """Let freed memory stay with the process: asking the kernel for it again at each step costs a fifth of the time.

    glibc hands large blocks back at once unless told otherwise (mallopt: M_MMAP_MAX 0, M_TRIM_THRESHOLD 2 GB).
    """
    if device.type != "cpu" or platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(-4, 0)
    libc.mallopt(-1, ctypes.c_int(2**31 - 1))


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was asked for, so that a clock tells the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def fits(size: int, device: torch.device) -> bool:
    """Whether an array of `size` bytes may live on the device: it takes at most a third of what is free there."""
    if device.type == "cuda":
        return size < torch.cuda.mem_get_info(device)[0] / 3
    return True  # a CPU reads its memory map, MPS shares the main memory


def out_of_memory(error: BaseException) -> bool:
    """Whether torch failed for want of memory, on any device."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and ("can't allocate memory" in str(error) or "out of memory" in str(error))
    )


@dataclass(frozen=True)
class World:
    """The processes that train one network together, started by torchrun; alone by default."""

    rank: int = 0
    size: int = 1

    def share(self, indices: Tensor) -> Tensor:
        """This process's part of a batch."""
        return indices[self.rank :: self.size]

    @contextmanager
    def first(self) -> Iterator[None]:
        """The leading process does what is inside before the others do."""
        if self.size > 1 and self.rank > 0:
            distributed.barrier()
        yield
        if self.size > 1 and self.rank == 0:
            distributed.barrier()

    def mean(self, *values: Tensor) -> None:
        """Each tensor becomes its mean over all processes, in place."""
        for value in values if self.size > 1 else ():
            distributed.all_reduce(value)
            value.div_(self.size)

    def agree(self, flag: bool, device: torch.device) -> bool:
        """True where any process says so: all must take the same turn, or they wait for each other for ever."""
        if self.size == 1:
            return flag
        told = torch.tensor(float(flag), device=device)
        distributed.all_reduce(told, distributed.ReduceOp.MAX)
        return bool(told.item())


def local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def local_size() -> int:
    """How many processes of this machine train together."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


@contextmanager
def world(device: torch.device) -> Iterator[World]:
    """The world that torchrun set up, or a world of one."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield World()
        return
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield World(distributed.get_rank(), size)
        distributed.barrier()  # whoever leads is still writing: nobody leaves before all are done
    finally:
        distributed.destroy_process_group()
