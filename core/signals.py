"""Ctrl-C, SIGTERM and SIGHUP in a training: the first finishes the step and saves, the second stops at once."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Stop:
    """Records that a signal requested a stop; the second signal raises KeyboardInterrupt."""

    requested = False

    def request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        try:  # print can deadlock here
            os.write(2, b"\nstopping after this step and saving; press Ctrl-C again to stop at once\n")
        except OSError:  # the terminal is closed: what is printed until the state is saved must not fail
            for descriptor in (1, 2):
                _discard(descriptor)


def _discard(descriptor: int) -> None:
    """Points a descriptor to nowhere, unless it is a file or a pipe."""
    with suppress(OSError):
        if stat.S_ISCHR(os.fstat(descriptor).st_mode):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Inside the context, the first signal only sets `requested`."""
    stop = Stop()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup ignores it
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop.request) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
