"""The commands for what a network looks for: imagine, dream, style."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import tell
from .core.problem import USAGE, Problem
from .core.progress import progress, say
from .flags import DEVICE, JSON, MODEL, QUIET, flag

app = typer.Typer()

FORCE = Annotated[bool, flag("Replace what is there.", None, "--force")]
LOOK = "What keeps it like an input that people know"


@app.command()
def imagine(
    model: MODEL,
    label: Annotated[list[str] | None, flag("A label, or several. Default: the first ten.")] = None,
    layer: Annotated[str | None, flag("A layer, for its units: its number in neocog describe.")] = None,
    unit: Annotated[list[int] | None, flag("A unit of the layer, or several. Default: the first 64.")] = None,
    steps: Annotated[int, typer.Option(help="Steps uphill.", min=1)] = 200,
    penalty: Annotated[float | None, flag("Of all that is there: Σ|x|, as in the lectures.", LOOK)] = None,
    variation: Annotated[float | None, flag("Of differences between neighbours.", LOOK)] = None,
    jitter: Annotated[int | None, flag("Shift by up to so many pixels before each step.", LOOK)] = None,
    blur: Annotated[float | None, flag("Blur after each step: a deviation in pixels.", LOOK)] = None,
    fourier: Annotated[bool | None, flag("Change waves rather than pixels.", LOOK, "--fourier/--pixels")] = None,
    seed: Annotated[int, typer.Option(help="The number that all randomness comes from.")] = 0,
    out: Annotated[Path | None, flag("The sheet of pictures, .png or .svg; default imagined.png.")] = None,
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """What a network looks for: inputs made by going uphill on a label's score, or on a unit's activation.

    Without options that say how, labels are imagined three times: with nothing to hold the input back, with the
    lectures' penalty, and with all that makes it clearer.

    [bold]neocog imagine runs/vision-…[/bold]
    [bold]neocog imagine runs/vision-… --layer 3 --out filters.png[/bold]
    [bold]neocog imagine runs/vision-… --label 7 --penalty 2 --jitter 1[/bold]
    """
    from . import load
    from .core.explain import sheet
    from .core.imagine import series
    from .core.imagine.show import sheet_of

    if layer and label:
        raise Problem("give --label or --layer, not both", USAGE)
    if unit and not layer:
        raise Problem("--unit is a unit of a layer; name the layer with --layer", USAGE)
    path = out or (None if json else Path("imagined.png"))
    sheet.free(path, force)
    found = load(model, device or "auto")
    typed = {"penalty": penalty, "variation": variation, "jitter": jitter, "blur": blur, "fourier": fourier}
    chosen = {name: value for name, value in typed.items() if value is not None}
    with progress("imagining", "steps", quiet) as shown:
        if layer:
            told = series.of_units(found, layer, unit or [], chosen, steps, seed, shown)
        else:
            told = series.of_labels(found, label or [], chosen, steps, seed, shown)
    if path is not None:
        sheet.write(sheet_of(found, told), path, force)
    tell.document({"model": model} | told.facts()) if json else tell.imagined(told)
    if path is not None and not quiet:
        say(f"wrote {path}")
