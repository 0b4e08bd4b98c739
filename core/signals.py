"""Ctrl-C and SIGTERM, as a training takes them: the first finishes the step and saves, the second stops now."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Whether somebody has asked to stop."""

    asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        os.write(2, b"\nstopping: finishing this step and saving; once more to stop now\n")  # print is not reentrant


@contextmanager
def stoppable() -> Iterator[Stop]:
    """While inside, the first signal only sets `asked`."""
    stop = Stop()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
