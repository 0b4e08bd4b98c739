"""neocog explain: what of its input a network answers to, and how far that can be trusted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.problem import DATA, USAGE, Problem
from ..core.progress import progress, say
from . import tell, typed
from .flags import DEVICE, FORCE, JSON, MODEL, MOVE, QUIET, flag

if TYPE_CHECKING:
    from ..core.explain.explained import Explanation
    from ..core.inputs import Input
    from ..core.model import Model

OUT = Annotated[Path | None, flag("Write a sheet: FILE.png or FILE.svg.")]


def explain(
    model: MODEL,
    inputs: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, texts, or - for stdin.", show_default=False)
    ],
    method: Annotated[
        str,
        typer.Option(
            help="saliency, gradient-input, integrated-gradients, guided-backprop, deconvnet, gradcam, occlusion, "
            "deeplift, lrp; several with commas, or all that fit."
        ),
    ] = "saliency",
    label: Annotated[
        list[str] | None, flag("For this label; several times for several; default the likeliest.")
    ] = None,
    layer: Annotated[
        list[str] | None, flag("Where gradcam looks: a number of neocog describe; default the last.")
    ] = None,
    out: Annotated[Path | None, flag("Write a sheet: FILE.png, FILE.svg, or a page: FILE.html.")] = None,
    check: Annotated[
        bool, flag("Ask whether a network with random weights gives the same map.", None, "--check")
    ] = False,
    listen: Annotated[Path | None, flag("Write what mattered of a recording as FILE.wav.")] = None,
    force: FORCE = False,
    move: MOVE = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """What of its input the network answers to, over pixels, spectrograms, words or points; and how far to trust it.

    [bold]neocog explain runs/vision-… cat.jpg --out cat.png[/bold]
    [bold]neocog explain runs/vision-… cat.jpg --method all --label cat --label dog --check --out cat.png[/bold]
    [bold]neocog explain runs/speech-… yes.wav --method lrp --out yes.png --listen heard.wav[/bold]
    [bold]neocog explain runs/text-… "What a waste of time" --method deeplift[/bold]
    """
    from .. import load
    from ..core.explain import explained, sheet, shown
    from ..core.explain.capability import Explainable
    from ..core.explain.places import layer as layer_of

    sheet.free(out, force, shown.ENDINGS)
    sheet.free(listen, force, (".wav",))
    found = load(model, device or "auto")
    explainable = found.domain.require(Explainable, "explain")
    if listen and explainable.sonify is None:
        raise Problem(f"--listen is for recordings; this is a model of {found.domain.name}", USAGE)
    reading = typed.input_options(found.domain, {"move": move})
    layers = [layer_of(found.network, each) for each in layer or []]
    sources = typed.with_options(gathered(found, inputs), reading)
    with progress("explaining", "maps", quiet) as working:
        maps = count(1)
        told = list(
            explained.explain(found, sources, method, label or [], check, layers, lambda: working(next(maps), None))
        )
    if json:
        place, tokens = explainable.describe_position, explainable.highlight is not None
        tell.document([each.to_dict(place, found.card.preprocessing, tokens) for each in told])
    else:
        tell_explanations(found, told)
    if out:
        shown.save(found, told, out, force)
        say(f"wrote {out}")
    if listen and explainable.sonify:
        explainable.sonify(told[0].inputs, told[0].relevance, found.card.preprocessing, listen)
        say(f"wrote {listen}: what speaks for {told[0].label}, by {told[0].method.name}")
    if not quiet:
        for remark in remarks(told, out, json, check):
            say(remark)


def gathered(model: Model, inputs: list[str]) -> list[Input]:
    """What is to be explained: files that are there, texts, or the bytes of stdin."""
    from ..core.inputs import BytesInput

    paths = [each for each in inputs if each != "-"]
    found = model.domain.expand_paths(paths) if paths else []
    if "-" in inputs:
        found.append(BytesInput(sys.stdin.buffer.read()))
    if not found:
        raise Problem("there is nothing to explain in what was given", DATA)
    return found


def tell_explanations(model: Model, explanations: list[Explanation]) -> None:
    """A line for each map under the line of its input and label; of a text, also its words, coloured."""
    from ..core.explain import shown
    from ..core.explain.capability import Explainable
    from ..core.format import probability as sure

    lines = tell.columns(shown.rows(model, explanations))
    before: Any = None
    highlight = model.domain.require(Explainable, "explain").highlight
    for each, line in zip(explanations, lines[1:], strict=True):
        if before != (id(each.inputs), each.label):
            window = f", explained by {each.part}" if each.part else ""
            print(f"{each.name}: {each.label} {sure(each.probability)}{window}\n{lines[0]}")
            before = (id(each.inputs), each.label)
        print(line)
        if highlight and tell.in_colour():
            print("    " + highlight(each.source, each.of_tokens, model.card.preprocessing, "terminal"))
    print("\n".join(["", *shown.legend(explanations)]).rstrip())


def remarks(explanations: list[Explanation], out: Path | None, json: bool, check: bool) -> Iterator[str]:
    """What to know, and what to do next."""
    if any(each.part for each in explanations):
        yield "a long input is explained by its window that is surest of the label; places count from its beginning"
    if not check and explanations[0].curves is None:
        yield "how far to trust it takes some seconds more: --check"
    if out is None and not json:
        yield "see it: --out FILE.png"
