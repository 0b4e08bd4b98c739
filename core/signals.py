"""Ctrl-C and SIGTERM, as a training takes them: the first finishes the step and saves, the second stops now."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .progress import say


class Stop:
    """Whether somebody has asked to stop."""

    asked = False

    def ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        say("\nstopping: finishing this step and saving; once more to stop now")


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
