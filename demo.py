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

    folder, console = out or f"runs/demo-{time.strftime('%Y%m%d-%H%M%S')}", Console(highlight=False)
    vision_act(quick, folder, console)
    speech_act(quick, f"{folder}-speech", console)


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


WORDS = ("yes", "no", "left", "right", "stop")
VOICES = [
    f"{accent}+{name}" for accent in ("en-us", "en-gb-scotland") for name in ("m1", "m3", "m5", "m7", "f1", "f3", "f5")
]
UNHEARD = ("en-us+f2", "en-gb-scotland+f4", "en-us+m2", "en-gb-scotland+m6", "en-us+Annie", "en-gb-scotland+Andy")


def speech_act(quick: bool, out: str, console: Any) -> None:
    """Five words, spoken by a synthesiser that comes with an extra; tested on voices that training has not heard."""
    try:
        import espeakng_loader  # noqa: F401
    except ImportError:
        console.print("\n[bold]Speech.[/bold] This act needs a synthesiser: pip install 'neocog\\[demo]'\n")
        return
    import tempfile
    from pathlib import Path

    from .speech.espeak import speak

    with tempfile.TemporaryDirectory() as folder:
        for part, voices in (("train", VOICES), ("test", UNHEARD)):
            speak(Path(folder) / part, WORDS, voices, (130, 180) if quick else (120, 150, 180))
        console.print(
            f"\n[bold]Speech.[/bold] {', '.join(WORDS)}: synthetic, spoken by eSpeak NG in {len(VOICES)} voices, "
            f"tested on {len(UNHEARD)} others. Real voices are harder.\n"
        )
        options = {"pattern": "{label}_{voice}_{speed}", "cache": f"{folder}/cache"}
        source = Source(f"{folder}/train", test=f"{folder}/test", options=options)
        plan = Plan.of(domain("speech"), source, "swift(width=16)", changes={"epochs": 4 if quick else 8})
        device = devices.choose("auto")
        with devices.world(device) as world:
            run = runs.begin(plan, out, False, world, device)
            shown = TrainingProgress(plan.settings.epochs, len(run.data.train))
            try:
                for epoch in run.go(shown.step):
                    shown.epoch(epoch)
            finally:
                shown.close()
            summary = run.close()
        low, high = summary["interval"]
        console.print(
            f"\n[bold]{summary['accuracy']:.1%}[/bold] of {summary['examples']} words in voices that it had not heard "
            f"(95% interval {low:.1%} to {high:.1%}), after {duration(summary['seconds'])} of training.\n"
        )
        console.print("\n".join(_heard(run, 0)), markup=False)
    console.print("\nWhat it hears: pitch upwards, time to the right. Next:\n")
    console.print("  neocog train speech YOUR-FOLDER-OF-RECORDINGS/", markup=False)


def _heard(run: runs.Run, index: int, rows: int = 10, columns: int = 60) -> list[str]:
    """A spectrogram in letters, high frequencies above."""
    from torch.nn import functional as F

    test = run.data.test
    maps = run.trainer.frontend(test.inputs[index : index + 1])
    small = F.interpolate(maps, size=(rows, columns), mode="area")[0, 0].flip(0)
    small = (small - small.min()) / (small.max() - small.min()).clamp_min(1e-6)
    drawn = ["".join(SHADES[min(9, int(value * 10))] for value in row) for row in small.tolist()]
    return [*drawn, f"({test.names[index].rsplit('/', 1)[-1]}: {run.data.labels[int(test.targets[index])]})"]


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
