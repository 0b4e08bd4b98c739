"""The progress and output of commands that change a picture step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.problem import INTERRUPTED, Problem
from ..core.progress import Progress, duration, progress, say
from ..core.signals import Stop, stoppable
from . import output

if TYPE_CHECKING:
    from torch import Tensor


class PictureSteps:
    """Shows the progress of each step, writes pictures on the way and at the end."""

    def __init__(self, total: int, out: Path, interval: int | None, bar: Progress, stop: Stop) -> None:
        self.total, self.out, self.interval, self.bar, self.stop = total, out, interval, bar, stop
        self.steps, self.start = 0, time.perf_counter()

    def step(self, steps: int, picture: Tensor | Callable[[], Tensor], note: str = "") -> bool:
        """Records that `steps` are done, and writes the picture at multiples of `interval`. True if the user stops."""
        from ..vision import photo

        self.steps = steps
        self.bar(steps, self.total, note)
        if self.interval and steps % self.interval == 0 and steps < self.total:
            photo.write(picture() if callable(picture) else picture, photo.frame_path(self.out, steps))
        return self.stop.requested

    def end(self, picture: Tensor, details: dict[str, Any], json: bool, quiet: bool) -> None:
        """Writes the last picture and prints the result. Raises Problem, after writing, if the user stopped."""
        from ..vision import photo

        seconds = time.perf_counter() - self.start
        photo.write(picture, self.out)
        if self.steps < self.total:
            raise Problem(
                f"stopped after {self.steps} of {self.total} steps; {self.out} is the last picture", INTERRUPTED
            )
        size = list(picture.shape[2:])
        summary = {"out": str(self.out), "size": size, "steps": self.steps, "seconds": round(seconds, 1)}
        if json:
            output.document(summary | details)
        elif not quiet:
            say(f"wrote {self.out}, {size[1]}×{size[0]}, after {self.steps} steps in {duration(seconds)}")


@contextmanager
def picture_steps(action: str, total: int, out: Path, interval: int | None, quiet: bool) -> Iterator[PictureSteps]:
    """In this context, the first Ctrl-C stops after the current step."""
    with stoppable() as stop, progress(action, "steps", quiet) as bar:
        yield PictureSteps(total, out, interval, bar, stop)
