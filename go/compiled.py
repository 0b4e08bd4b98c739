"""What is compiled by numba: one decorator, so that all of it is kept, renewed and announced in the same way."""

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

_ours: set[Any] = set()


def sources() -> str:
    """A digest of this folder's sources.

    numba looks only at the file of the function itself: a caller in another file would go on with what it inlined.
    """
    told = blake2b(digest_size=16)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        text = path.read_bytes()
        if b"@compiled" in text:
            told.update(path.name.encode() + b"\0" + text)
    return told.hexdigest()


STAMP = sources()


def compiled(function: Function) -> Function:
    """Compiles a function of arrays at its first call; the machine code is kept beside it or in the user's cache."""
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        made: Any = njit(cache=True, **options)(function)
        made._cache._cache_file._source_stamp = STAMP
    except RuntimeError:  # no folder can be written to: compile each time
        made = njit(**options)(function)
    _ours.add(made)
    found: Function = made
    return found


class _Announcing(event.Listener):
    """Says once why the first start takes its time."""

    told = False

    def on_start(self, event: Any) -> None:
        if not self.told and event.data.get("dispatcher") in _ours:
            self.told = True
            say("compiling the Go board for this processor, which takes some seconds and is done once")

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Announcing())


def _popcount(context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def _lowest(context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


popcount: Any = intrinsic(_popcount)  # the number of bits set in a uint64, as int64: one instruction
lowest: Any = intrinsic(_lowest)  # the position of the lowest bit set in a uint64 that is not zero

ONE, NONE = np.uint64(1), np.uint64(0)
