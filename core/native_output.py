"""Output of compiled libraries on standard error, which names no file: collected, so that the file can be named."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 1 << 16  # bytes of output that are read at a time
LOCK = threading.Lock()


class NativeOutput:
    """What compiled libraries wrote to standard error; nothing without a file that collects it."""

    def __init__(self, descriptor: int | None = None) -> None:
        self.descriptor, self.position = descriptor, 0

    @property
    def size(self) -> int:
        """The number of bytes written so far."""
        return 0 if self.descriptor is None else os.fstat(self.descriptor).st_size

    def new_lines(self) -> list[str]:
        """The lines written since the last call."""
        if self.descriptor is None:
            return []
        content = os.pread(self.descriptor, MOST, self.position)
        self.position = self.size
        lines = content.decode("utf-8", "replace").splitlines()
        return [line.strip() for line in lines if line.strip()]


@contextmanager
def native_stderr() -> Iterator[NativeOutput]:
    """Collects what compiled libraries write to file descriptor 2, while Python's own output goes on to the terminal.

    Within another such context, or without a standard error, nothing is collected.
    """
    if not LOCK.acquire(blocking=False):
        yield NativeOutput()
        return
    try:
        with redirected() as output:
            yield output
    finally:
        LOCK.release()


@contextmanager
def uncollected() -> Iterator[None]:
    """Within this context nothing is collected: threads that decode at the same time share file descriptor 2."""
    with LOCK:
        yield


@contextmanager
def redirected() -> Iterator[NativeOutput]:
    try:
        terminal = os.dup(2)
    except OSError:  # it is closed
        yield NativeOutput()
        return
    stream = sys.stderr
    with tempfile.TemporaryFile() as file:
        if uses_descriptor(stream, 2):
            stream.flush()
            sys.stderr = open(terminal, "w", 1, stream.encoding, stream.errors, closefd=False)  # noqa: SIM115
        replacement = sys.stderr
        os.dup2(file.fileno(), 2)
        try:
            yield NativeOutput(file.fileno())
        finally:
            os.dup2(terminal, 2)
            if replacement is not stream:
                replacement.flush()
                sys.stderr = stream
            os.close(terminal)


def uses_descriptor(stream: object, descriptor: int) -> bool:
    """Returns True if a stream writes to a file descriptor."""
    try:
        return bool(stream.fileno() == descriptor)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):  # None, a stream in memory, a closed one
        return False


def in_one_line(lines: list[str]) -> str:
    """The first line of an output, and how many follow it."""
    return lines[0] + (f" (and {len(lines) - 1:,} more)" if len(lines) > 1 else "")
