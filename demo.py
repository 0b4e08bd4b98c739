"""The demo: what neocog does, on real data that comes with a dependency, in a minute or two."""

from __future__ import annotations

import shutil
import time
from typing import Any

from . import domain
from .core import device as devices
from .core import diagram
from .core import run as runs
from .core.domain import Source
from .core.plan import Plan
from .core.progress import TrainingProgress, duration

SHADES = " .:-=+*#%@"  # from black to white, for a terminal


def show_demo(quick: bool, out: str | None) -> None:
    """One act a domain: the network as a table, its training, its score, and what it says of pictures it never saw."""
    from rich.console import Console

    vision_act(quick, out or f"runs/demo-{time.strftime('%Y%m%d-%H%M%S')}", Console(highlight=False))


def vision_act(quick: bool, out: str, console: Any) -> None:
    """Handwritten digits: scikit-learn's 1,797 (UCI, 1998), with the lectures' network."""
    plan = Plan.of(domain("vision"), Source("digits"), "keras-digits", changes={"epochs": 3 if quick else 12})
    device = devices.choose("auto")
    with devices.world(device) as world:
        run = runs.begin(plan, out, False, world, device)
        counts = ", ".join(f"{count:,} {name}" for name, count in run.data.counts.items())
        console.print(f"[bold]Pictures.[/bold] 1,797 handwritten digits of 8×8 pixels, scaled to 28×28: {counts}\n")
        console.print(diagram.table(run.network))
        console.print(f"\nTraining it on {devices.describe(device)}")
        shown = TrainingProgress(plan.settings.epochs, len(run.data.train))
        try:
            for epoch in run.go(shown.step):
                shown.epoch(epoch)
        finally:
            shown.close()
        summary = run.close()
    low, high = summary["interval"]
    console.print(
        f"\n[bold]{summary['accuracy']:.1%}[/bold] of {summary['examples']} test digits are read rightly "
        f"(95% interval {low:.1%} to {high:.1%}), after {duration(summary['seconds'])} of training.\n"
    )
    console.print("Three that it never saw, and what it says of them:\n")
    _gallery(run, console)
    console.print(f"\nEverything is in {run.folder}/ – open report.html. Next:\n")
    for command in (*run.next_commands(), "neocog train vision YOUR-FOLDER-OF-PHOTOS/"):
        console.print(f"  {command}", markup=False)


def _gallery(run: runs.Run, console: Any, count: int = 3) -> None:
    from .core import feed
    from .core import model as models

    model = models.load(run.folder / "model.safetensors", run.plan.domain, "cpu")
    test = run.data.test
    answers = feed.answers(model, test)
    sure = answers.max(1)
    shown = [int(sure.argmax()), int(abs(sure - 0.9).argmin()), int(sure.argmin())]
    drawings = [_drawn(test.inputs[i]) for i in shown[:count]]
    told = [f"{model.labels[int(answers[i].argmax())]} ({answers[i].max():.0%} sure)" for i in shown]
    truths = [f"it is a {model.labels[int(test.targets[i])]}" for i in shown]
    width = min(26, (shutil.get_terminal_size().columns - 2) // count)
    for rows in zip(*drawings, strict=True):
        console.print("".join(f"{row:<{width}}" for row in rows), markup=False)
    for texts in (told, truths):
        console.print("".join(f"{text:<{width}}" for text in texts), markup=False)


def _drawn(picture: Any, side: int = 10) -> list[str]:
    """A picture in letters: half as many rows as columns, since letters are twice as high as wide."""
    from torch.nn import functional as F

    small = F.interpolate(picture[None].float(), size=(side, 2 * side), mode="area")[0].mean(0)
    return ["".join(SHADES[min(9, int(v) * 10 // 256)] for v in row) for row in small.tolist()]
