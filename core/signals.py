"""Ctrl-C and SIGTERM in a training: the first finishes the step and saves, the second stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Records that a signal requested a stop; the second signal raises KeyboardInterrupt."""

    requested = False

    def request(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        os.write(
            2, b"\nstopping after this step and saving; press Ctrl-C again to stop at once\n"
        )  # print can deadlock here


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Inside the context, the first signal only sets `requested`."""
    stop = Stop()
    before = {number: signal.signal(number, stop.request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
