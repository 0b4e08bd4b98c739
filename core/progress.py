"""What a person sees while something long goes on: a bar on a terminal, plain lines elsewhere. All of it on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .train import Epoch, Trainer

LINE_EVERY = 30  # seconds, where there is no terminal


def say(text: str = "") -> None:
    print(text, file=sys.stderr, flush=True)


def on_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 2 h 5 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def pace(rate: float) -> str:
    """850/s, or what is slower by the minute or the hour: 2.4/min."""
    if rate >= 1 or rate == 0:
        return f"{rate:,.0f}/s"
    return f"{rate * 60:.1f}/min" if rate * 60 >= 1 else f"{rate * 3600:.1f}/h"


class Progress:
    """A count that grows to a total, with its rate and the time left."""

    def __init__(self, what: str, unit: str, quiet: bool = False) -> None:
        self.what, self.unit, self.quiet = what, unit, quiet
        self.began = self.told = time.monotonic()
        self.first = 0  # where a resumed count began
        self.bar: Any = None

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        """So many are done; `note` is what else there is to say of them."""
        now = time.monotonic()
        if self.quiet or now - self.told < (0.1 if on_terminal() else LINE_EVERY):
            return
        self.told = now
        rate = (done - self.first) / max(now - self.began, 1e-9)
        left = f", {duration((total - done) / rate)} left" if total and rate > 0 else ""
        share = f"{done:,} of {total:,} {self.unit}" if total else f"{done:,} {self.unit}"
        text = ", ".join(filter(None, (share, f"{pace(rate)}{left}", note)))
        if on_terminal():
            self._draw(done, total, text)
        else:
            say(f"{self.what}: {text}")

    def _draw(self, done: int, total: int | None, text: str) -> None:
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.fields[what]}"), BarColumn(16), TextColumn("{task.fields[text]}"))
            self.bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self.bar.start()
            self.task = self.bar.add_task("", total=total, what=self.what, text=text)
        self.bar.update(self.task, completed=done, total=total, text=text, what=self.what)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


@contextmanager
def progress(what: str, unit: str, quiet: bool = False) -> Iterator[Progress]:
    """A Progress that leaves the terminal as it found it, whatever happens."""
    shown = Progress(what, unit, quiet)
    try:
        yield shown
    finally:
        shown.close()


class TrainingProgress:
    """The bar and the lines of a training: a line an epoch, and the step's loss and rate in between."""

    def __init__(self, epochs: int, examples: int, quiet: bool = False) -> None:
        self.epochs, self.examples, self.quiet = epochs, examples, quiet
        self.shown = Progress("training", "examples", quiet)
        self.remarks = 0
        self.begun = False

    def step(self, trainer: Trainer, steps: int) -> bool:
        """What training calls after each step; never asks it to stop."""
        if not self.begun:
            self.begun, self.shown.first = True, (trainer.number - 1) * self.examples // steps
        for remark in trainer.remarks[self.remarks :]:
            self._line(remark)
        self.remarks = len(trainer.remarks)
        epoch = min((trainer.number - 1) // steps + 1, self.epochs)
        done, total = trainer.number * self.examples // steps, self.epochs * self.examples
        self.shown.what = f"epoch {epoch}/{self.epochs}"
        self.shown(done, total)
        return False

    def epoch(self, epoch: Epoch) -> None:
        valid = "" if epoch.valid_accuracy is None else f"  validation {epoch.valid_accuracy:7.2%}"
        self._line(
            f"epoch {epoch.epoch:>{len(str(self.epochs))}}/{self.epochs}  loss {epoch.loss:.4f}  "
            f"accuracy {epoch.accuracy:7.2%}{valid}  {duration(epoch.seconds):>6}"
        )

    def close(self) -> None:
        self.shown.close()

    def _line(self, text: str) -> None:
        if self.quiet:
            return
        if self.shown.bar is not None:
            self.shown.bar.console.print(text, highlight=False, markup=False)
        else:
            say(text)
        self.shown.told = time.monotonic() if not on_terminal() else self.shown.told
