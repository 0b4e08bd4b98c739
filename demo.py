"""The demo: what neocog does, on real data that comes with a dependency, in a minute or two."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from . import domain, load
from .core import device as devices
from .core import diagram
from .core import run as runs
from .core.domain import Source
from .core.plan import Plan
from .core.problem import Problem
from .core.progress import TrainingProgress, duration

SHADES = " .:-=+*#%@"  # from black to white, for a terminal


def show_demo(quick: bool, out: str | None) -> None:
    """One act a domain: the network as a table, its training, its score, and what it says of pictures it never saw."""
    from rich.console import Console

    out = out or f"runs/demo-{time.strftime('%Y%m%d-%H%M%S')}"
    console = Console(highlight=False)
    vision_act(quick, out, console)
    text_act(quick, f"{out}-text", console)


SENTENCES = (
    "Vereinigte Staaten von Amerika",
    "les îles Féroé",
    "den engelska kanalen",
    "lingua italiana",
    "Keski-Afrikka",
)


def text_act(quick: bool, out: str, console: Any) -> None:
    """Which language is it? What 24 languages call the countries and languages of the world, by their characters."""
    from .text import languages

    try:
        languages.names("en")
    except Problem as problem:  # an extra: the demo is whole without it
        console.print(f"\n[bold]Texts.[/bold] Left out: {problem}", highlight=False)
        return
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "languages.csv"
        count = languages.write(table, tuple(languages.LANGUAGES)[: 8 if quick else None], 250 if quick else 400)
        source = Source(str(table), options={"tokens": "characters", "cache": folder})
        plan = Plan.of(domain("text"), source, "swift", changes={"epochs": 3 if quick else 4})
        device = devices.choose("auto")
        with devices.world(device) as world:
            run = runs.begin(plan, out, False, world, device)
            told = f"{count:,} names of countries and languages in {len(run.data.labels)} languages (Unicode's CLDR)"
            console.print(f"\n[bold]Texts.[/bold] {told}: whose are they?\n")
            shown = TrainingProgress(plan.settings.epochs, len(run.data.train))
            try:
                for epoch in run.go(shown.step):
                    shown.epoch(epoch)
            finally:
                shown.close()
            summary = run.close()
    low, high = summary["interval"]
    console.print(
        f"\n[bold]{summary['accuracy']:.1%}[/bold] of {summary['examples']} test names are put to the right language "
        f"(95% interval {low:.1%} to {high:.1%}), after {duration(summary['seconds'])}. Others:\n"
    )
    for answer in load(out).predict(list(SENTENCES), 2):
        likely = ", ".join(f"{each['label']} {each['probability']:.0%}" for each in answer["predictions"])
        console.print(f"  {answer['input']:<32} {likely}", markup=False)
    console.print("\nNext:\n")
    for command in (f'neocog predict {out} "Ihre eigenen Worte"', "neocog train text YOUR-TABLE.csv"):
        console.print(f"  {command}", markup=False)


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
