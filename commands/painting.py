"""A picture that grows step by step: its progress, the pictures kept on the way, and the last one, also if stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.problem import INTERRUPTED, Problem
from ..core.progress import Progress, duration, progress, say
from ..core.signals import Stop, stoppable
from . import tell

if TYPE_CHECKING:
    from torch import Tensor


class Painting:
    """What a command tells of each step, and how it ends."""

    def __init__(self, total: int, out: Path, every: int | None, shown: Progress, stop: Stop) -> None:
        self.total, self.out, self.every, self.shown, self.stop = total, out, every, shown, stop
        self.done, self.began = 0, time.perf_counter()

    def step(self, done: int, picture: Tensor | Callable[[], Tensor], note: str = "") -> bool:
        """So many steps are done; the picture is written where it is to be kept. True where somebody asks to stop."""
        from ..vision import photo

        self.done = done
        self.shown(done, self.total, note)
        if self.every and done % self.every == 0 and done < self.total:
            photo.write(picture() if callable(picture) else picture, photo.frame_path(self.out, done))
        return self.stop.requested

    def end(self, picture: Tensor, told: dict[str, Any], json: bool, quiet: bool) -> None:
        """Write the last picture and tell of it. Raises Problem, with the picture kept, where it was stopped."""
        from ..vision import photo

        seconds = time.perf_counter() - self.began
        photo.write(picture, self.out)
        if self.done < self.total:
            raise Problem(
                f"stopped after {self.done} of {self.total} steps; {self.out} is the last picture", INTERRUPTED
            )
        size = list(picture.shape[2:])
        summary = {"out": str(self.out), "size": size, "steps": self.done, "seconds": round(seconds, 1)}
        if json:
            tell.document(summary | told)
        elif not quiet:
            say(f"wrote {self.out}, {size[1]}×{size[0]}, after {self.done} steps in {duration(seconds)}")


@contextmanager
def painting(what: str, total: int, out: Path, every: int | None, quiet: bool) -> Iterator[Painting]:
    """While inside, the first Ctrl-C only asks to stop after the step."""
    with stoppable() as stop, progress(what, "steps", quiet) as shown:
        yield Painting(total, out, every, shown, stop)
