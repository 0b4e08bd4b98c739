"""Progress of long work on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from .format import visible

if TYPE_CHECKING:
    from .fit import Event
    from .tasks import Task
    from .train import Epoch

LINE_EVERY = 30  # seconds, where there is no terminal
ESTIMATED_STEPS, ESTIMATED_SECONDS = 3, 2.0  # after which the time of a training is estimated


def say(text: str = "") -> None:
    """Prints a line on stderr. One that cannot be written is dropped: the work goes on when its terminal is closed."""
    with suppress(OSError):
        print(visible(text), file=sys.stderr, flush=True)


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
    """A rate per second as 850/s, 2.4/min or 3.0/h."""
    if rate >= 1 or rate == 0:
        return f"{rate:,.0f}/s"
    return f"{rate * 60:.1f}/min" if rate * 60 >= 1 else f"{rate * 3600:.1f}/h"


class Progress:
    """A count that grows to a total, with its rate and the time left."""

    def __init__(self, title: str, unit: str, quiet: bool = False) -> None:
        self.title, self.unit, self.quiet = title, unit, quiet
        self.started_at = self.shown_at = time.monotonic()
        self.first = 0  # where a resumed count started
        self.live: Any = None  # rich's bar, from when it is first drawn

    def __call__(self, count: int, total: int | None, note: str = "") -> None:
        """Shows the count; `note` is appended to its line."""
        now = time.monotonic()
        if self.quiet or now - self.shown_at < (0.1 if on_terminal() else LINE_EVERY):
            return
        self.shown_at = now
        rate = (count - self.first) / max(now - self.started_at, 1e-9)
        left = f", {duration((total - count) / rate)} left" if total and rate > 0 else ""
        share = f"{count:,} of {total:,} {self.unit}" if total else f"{count:,} {self.unit}"
        text = ", ".join(filter(None, (share, f"{pace(rate)}{left}", note)))
        if on_terminal():
            self._draw(count, total, text)
        else:
            say(f"{self.title}: {text}")

    def _draw(self, count: int, total: int | None, text: str) -> None:
        if self.live is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.fields[title]}"), BarColumn(16), TextColumn("{task.fields[text]}"))
            self.live = Bar(*columns, console=Console(stderr=True), transient=True)
            self.live.start()
            self.row = self.live.add_task("", total=total, title=self.title, text=text)
        self.live.update(self.row, completed=count, total=total, text=text, title=self.title)

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()
            self.live = None


@contextmanager
def progress(title: str, unit: str, quiet: bool = False) -> Iterator[Progress]:
    """A Progress that restores the terminal at the end, also after an error."""
    bar = Progress(title, unit, quiet)
    try:
        yield bar
    finally:
        bar.close()


class TrainingProgress:
    """A listener that shows a training: a line an epoch, and a bar with rate and time left in between."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.bar = Progress("training", "examples", quiet)
        self.examples = 0  # of an epoch
        self.task: Task | None = None
        self.epochs = 0
        self.started = False
        self.first_step: tuple[int, float] | None = None  # its number and time; None once the time left was estimated

    def __call__(self, event: Event) -> None:
        from . import fit

        match event:
            case fit.Begun(training):
                settings = training.plan.settings
                self.task, self.epochs = training.task, settings.epochs
                self.examples = settings.epoch_of(len(training.data.train))
            case fit.Step(number, epoch_steps):
                self._step(number, epoch_steps)
            case fit.EpochEnded(epoch):
                self._epoch(epoch)
            case fit.Remark(text):
                self._line(text)
            case fit.Finished():
                self.close()

    def _step(self, number: int, epoch_steps: int) -> None:
        if not self.started:
            self.started, self.bar.first = True, (number - 1) * self.examples // epoch_steps
            self.first_step = number, time.monotonic()
        self._estimate(number, epoch_steps)
        epoch = min((number - 1) // epoch_steps + 1, self.epochs)
        self.bar.title = f"epoch {epoch}/{self.epochs}"
        self.bar(number * self.examples // epoch_steps, self.epochs * self.examples)

    def _estimate(self, number: int, epoch_steps: int) -> None:
        """Says once how long a training of more than half a minute will take; a terminal's bar says so all the time."""
        if self.first_step is None or on_terminal():
            return
        first, start = self.first_step
        elapsed = time.monotonic() - start
        if number - first >= ESTIMATED_STEPS and elapsed > ESTIMATED_SECONDS:
            self.first_step = None
            if elapsed >= LINE_EVERY:  # a line with the time left has been printed
                return
            left = elapsed / (number - first) * (self.epochs * epoch_steps - number)
            if left > LINE_EVERY:
                self._line(f"about {duration(left)} for {self.epochs} epochs")

    def _epoch(self, epoch: Epoch) -> None:
        assert self.task is not None, "a training begins before its epochs"
        metrics = self.task.epoch_text(epoch.train, epoch.valid)
        number = f"{epoch.epoch:>{len(str(self.epochs))}}/{self.epochs}"
        self._line(f"epoch {number}  {metrics}  {duration(epoch.seconds)}")

    def close(self) -> None:
        self.bar.close()

    def _line(self, text: str) -> None:
        if self.quiet:
            return
        if self.bar.live is not None:
            self.bar.live.console.print(visible(text), highlight=False, markup=False)
        else:
            say(text)
            self.bar.shown_at = time.monotonic()
