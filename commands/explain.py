"""neocog explain: which parts of an input a prediction depends on, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core import files
from ..core.problem import DATA, USAGE, Problem
from ..core.progress import progress, say
from . import output, parsing
from .flags import DEVICE, FORCE, JSON, MODEL, MOVE, QUIET, TEXT, flag

if TYPE_CHECKING:
    from ..core.explain.explained import Explanation

OUT = Annotated[Path | None, flag("Write a sheet of pictures: FILE.png or FILE.svg.")]


def explain(
    model: MODEL,
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, globs, texts, or - for stdin.", show_default=False)
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="saliency, gradient-input, integrated-gradients, guided-backprop, deconvnet, gradcam, occlusion, "
            "deeplift or lrp; several with commas, or all that fit the network."
        ),
    ] = "saliency",
    label: Annotated[
        list[str] | None, flag("Explain this label; may be repeated.", default="the predicted label")
    ] = None,
    head: Annotated[str | None, flag("Explain this head of a model with several.", default="all heads")] = None,
    region: Annotated[
        str | None,
        flag(
            "Explain the box or the pixels here: LEFT,TOP,RIGHT,BOTTOM in pixels of the file.",
            default="the whole prediction",
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        flag(
            "Layer for gradcam, by its number in neocog describe; may be repeated.",
            default="the last one",
        ),
    ] = None,
    out: Annotated[Path | None, flag("Write a sheet of pictures, FILE.png or FILE.svg, or a page, FILE.html.")] = None,
    check: Annotated[
        bool, flag("Sanity check: compare with maps of networks with random weights.", None, "--check")
    ] = False,
    listen: Annotated[Path | None, flag("Write the relevant part of a recording as FILE.wav.")] = None,
    force: FORCE = False,
    text: TEXT = None,
    move: MOVE = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Show which parts of an input a prediction depends on: pixels, spectrogram, words or points of a board.

    How far a map can be trusted is measured by deletion and insertion and, with --check, by a sanity check.

    [bold]neocog explain runs/vision-… cat.jpg --out cat.png[/bold]
    [bold]neocog explain runs/vision-… cat.jpg --method all --label cat --label dog --check --out cat.png[/bold]
    [bold]neocog explain runs/vision-detector-… street.jpg --region 40,30,120,90 --out car.png[/bold]
    [bold]neocog explain runs/speech-… yes.wav --method lrp --out yes.png --listen heard.wav[/bold]
    [bold]neocog explain runs/text-… "What a waste of time" --method deeplift[/bold]
    """
    from .. import load
    from ..core.explain import explained, places, render
    from ..core.explain.capability import Explainable

    files.check_output(out, force, render.ENDINGS)
    files.check_output(listen, force, (".wav",))
    loaded = load(model, device or "auto")
    explainable = loaded.domain.require(Explainable, "explain")
    if listen and explainable.sonify is None:
        raise Problem(f"--listen is for recordings; this is a model of {loaded.domain.name}", USAGE)
    edges = region_of(region) if region else []
    options = parsing.input_options(loaded.domain, {"move": move})
    layers = [places.layer(loaded.network, name) for name in layer or []]
    sources = parsing.with_options(parsing.inputs_of(loaded.domain, inputs or [], text or []), options)
    if not sources:
        raise Problem("the arguments name no input to explain", DATA)
    with progress("explaining", "maps", quiet) as bar:
        explanations = list(explained.explain(loaded, sources, method, label or [], check, layers, bar, head, edges))
    if json:
        output.document([explanation.to_dict() for explanation in explanations])
    else:
        print_explanations(explanations)
    if out:
        render.save(explanations, out, force)
        say(f"wrote {out}")
    if listen and explainable.sonify:
        first = explanations[0]
        explainable.sonify(first.inputs, first.relevance, loaded.card.preprocessing, listen)
        say(f"wrote {listen}: the evidence for {first.label}, by {first.method.name}")
    if not quiet:
        for remark in remarks(explanations, out, json, check):
            say(remark)


def region_of(text: str) -> list[float]:
    """The four edges of --region. Raises Problem for other texts."""
    try:
        edges = [float(part) for part in text.split(",")]
    except ValueError:
        edges = []
    if len(edges) != 4 or not all(map(isfinite, edges)):
        raise Problem(f"--region is LEFT,TOP,RIGHT,BOTTOM, as in 20,10,60,80; got {text}", USAGE)
    return edges


def print_explanations(explanations: Sequence[Explanation]) -> None:
    """Prints a line for each map, under a line for its input and label; of a text also its coloured tokens."""
    from ..core.explain import render

    header, *lines = output.columns(render.rows(explanations))
    previous: Any = None
    for explanation, line in zip(explanations, lines, strict=True):
        current = (id(explanation.inputs), explanation.label)
        if previous != current:
            window = f", explained by {explanation.window}" if explanation.window else ""
            output.line(f"{explanation.name}: {explanation.label} {render.value_text(explanation)}{window}\n{header}")
            previous = current
        output.line(line)
        if output.in_colour() and (text := explanation.highlighted("terminal")) is not None:
            print("    " + text)
    output.line("\n".join(["", *render.legend(explanations)]).rstrip())


def remarks(explanations: Sequence[Explanation], out: Path | None, json: bool, check: bool) -> Iterator[str]:
    """Yields caveats and next steps."""
    if any(explanation.window for explanation in explanations):
        yield "a long input is explained in the window with the highest value for the label; positions count from it"
    if not check and explanations[0].curves is None:
        yield "--check measures how far the map can be trusted; it takes some seconds more"
    if out is None and not json:
        yield "to see it: --out FILE.png"
