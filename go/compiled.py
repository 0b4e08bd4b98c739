"""Functions compiled by numba: one decorator, so that all share options, cache and the message about compiling."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import event
from numba.extending import intrinsic

from ..core.progress import say

Function = TypeVar("Function", bound=Callable[..., Any])

_dispatchers: set[Any] = set()


def source_digest() -> str:
    """A digest of the compiled sources in this folder.

    numba checks only the file of the function itself: a caller in another file would keep outdated inlined code.
    """
    digest = blake2b(digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_bytes()
        if b"@compiled" in text:
            digest.update(path.name.encode() + b"\0" + text)
    return digest.hexdigest()


STAMP = source_digest()


def compiled(function: Function) -> Function:
    """Compiles a function of arrays at its first call; machine code is cached beside it or in the user's cache."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        dispatcher: Any = njit(cache=True, **options)(function)
        dispatcher._cache._cache_file._source_stamp = STAMP
    except RuntimeError:  # no folder is writable: compile in every process
        dispatcher = njit(**options)(function)
    _dispatchers.add(dispatcher)
    result: Function = dispatcher
    return result


class _CompilingMessage(event.Listener):
    """Explains once why the first start is slow."""

    announced = False

    def on_start(self, event: Any) -> None:
        if not self.announced and event.data.get("dispatcher") in _dispatchers:
            self.announced = True
            say("compiling the Go board for this processor (some seconds, only once)")

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _CompilingMessage())


def _popcount(context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _lowest_bit(context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


popcount: Any = intrinsic(_popcount)  # number of set bits of a uint64, as int64: one instruction
lowest_bit: Any = intrinsic(_lowest_bit)  # position of the lowest set bit of a nonzero uint64

U64_ONE, U64_ZERO = np.uint64(1), np.uint64(0)
