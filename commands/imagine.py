"""Feature visualisation: imagine, dream, style."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core import files
from ..core.problem import USAGE, Problem
from ..core.progress import progress, say
from . import output
from .flags import DEVICE, FORCE, JSON, MODEL, QUIET, flag
from .iterative import picture_steps

if TYPE_CHECKING:
    from torch import Tensor

    from ..core.imagine.imagined import Imagined
    from ..core.imagine.series import Series
    from ..core.model import Model


REGULARISATION = "Regularisation"
SEED = Annotated[int, typer.Option(help="Seed of all random numbers.")]


def imagine(
    model: MODEL,
    label: Annotated[list[str] | None, flag("A label; may be repeated.", default="the first ten")] = None,
    layer: Annotated[
        str | None, flag("Imagine the units of this layer, by its number in neocog describe.", default="the labels")
    ] = None,
    unit: Annotated[list[int] | None, flag("A unit of the layer; may be repeated.", default="the first 64")] = None,
    steps: Annotated[
        int | None,
        flag("Steps of the optimiser; of texts, sweeps over the tokens.", default="200; 4 for texts; 60 for boards"),
    ] = None,
    penalty: Annotated[
        float | None, flag("Weight of Σ|x|, as in the lectures.", REGULARISATION, default="as described above")
    ] = None,
    variation: Annotated[
        float | None, flag("Weight of the total variation.", REGULARISATION, default="as described above")
    ] = None,
    jitter: Annotated[
        int | None,
        flag("Random shift in pixels before each step, at most.", REGULARISATION, default="as described above"),
    ] = None,
    blur: Annotated[
        float | None, flag("Standard deviation in pixels of a blur after each step.", REGULARISATION, default="0")
    ] = None,
    fourier: Annotated[
        bool | None,
        flag(
            "Optimise Fourier coefficients or pixels.",
            REGULARISATION,
            "--fourier/--pixels",
            default="as described above",
        ),
    ] = None,
    seed: SEED = 0,
    out: Annotated[
        Path | None, flag("Write a sheet of pictures, .png or .svg.", default="imagined.png; none with --json")
    ] = None,
    listen: Annotated[Path | None, flag("Write imagined recordings, one after the other, as FILE.wav.")] = None,
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Feature visualisation: optimise inputs for a label, or for a unit of a layer.

    Without options for regularisation, labels are imagined three times: without any, with the lectures' penalty, and
    with a penalty, total variation, jitter and Fourier coefficients.

    [bold]neocog imagine runs/vision-…[/bold]
    [bold]neocog imagine runs/vision-… --layer 3 --out filters.png[/bold]
    [bold]neocog imagine runs/vision-… --label 7 --penalty 2 --jitter 1[/bold]
    [bold]neocog imagine runs/speech-… --label seven --listen seven.wav[/bold]
    """
    from .. import load
    from ..core.explain import sheet
    from ..core.imagine import series
    from ..core.imagine.capability import Imaginable
    from ..core.imagine.show import sheet_of
    from ..core.presentation import Readable

    if layer and label:
        raise Problem("give --label or --layer, not both", USAGE)
    if unit and not layer:
        raise Problem("--unit is a unit of a layer; name the layer with --layer", USAGE)
    path = out or (None if json else Path("imagined.png"))
    files.check_output(path, force, sheet.ENDINGS)
    files.check_output(listen, force, (".wav",))
    loaded = load(model, device or "auto")
    imaginable = loaded.domain.require(Imaginable, "imagine")
    if listen and imaginable.sonify is None:
        raise Problem(f"--listen is for recordings; this is a model of {loaded.domain.name}", USAGE)
    values = {
        "steps": steps,
        "seed": seed,
        "penalty": penalty,
        "variation": variation,
        "jitter": jitter,
        "blur": blur,
        "fourier": fourier,
    }
    options = {name: value for name, value in values.items() if value is not None}
    with progress("imagining", "steps", quiet) as bar:
        if layer:
            result = series.of_units(loaded, layer, unit or [], options, bar)
        else:
            result = series.of_labels(loaded, label or [], options, bar)
    if path is not None:
        sheet.write(sheet_of(loaded, result), path, force)
    if listen and imaginable.sonify:
        imaginable.sonify([entry.input for entry in result.rows[-1].inputs], loaded.card.preprocessing, listen)
    if json:
        output.document({"model": model} | result.to_dict())
    else:
        readable = loaded.domain.capability(Readable)
        to_text = (lambda ids: readable.to_text(ids, loaded.card.preprocessing)) if readable else None
        print_series(result, to_text)
    if path is not None and not quiet:
        say(f"wrote {path}" + (f" and {listen}" if listen else ""))


def print_series(series: Series, to_text: Callable[[Any], str] | None = None) -> None:
    """Prints a line for each setting: how many inputs are predicted as their label; and the predictions for noise.

    If inputs have a text, also a line for each of them.
    """
    for settings, inputs in series.rows:
        for entry in inputs if to_text else ():
            value = f"{entry.activation:,.4g}" if series.of != "labels" else _value(series, entry)
            output.line(f"{entry.target}: {to_text(entry.input) if to_text else ''}  ({value})")
        if series.of != "labels":
            low, high = (pick(entry.activation for entry in inputs) for pick in (min, max))
            activations = f"the {series.reduction} of their maps from {low:,.4g} to {high:,.4g}"
            output.line(f"{settings}: {len(inputs)} units of {series.of}, {activations}")
        elif series.has_probabilities:
            certain = sum(entry.value > 0.99 for entry in inputs)
            correct = sum(entry.label == entry.target for entry in inputs)
            least = min(inputs, key=lambda entry: entry.value)
            output.line(
                f"{settings}: {correct} of {len(inputs)} are predicted as their label, {certain} with more than 99% "
                f"(least: {least.target} with {least.value:.2%})"
            )
        else:
            output.line(f"{settings}: " + ", ".join(f"{entry.target} {entry.value:.4g}" for entry in inputs))
    if noise := series.noise:
        output.line(
            f"noise: of {noise['inputs']:,} inputs {noise['certain']:.1%} are predicted with more than 99%, "
            f"most often as {noise['label']}"
        )
    if series.omitted:
        say(f"{series.omitted:,} more are not shown; name them with --label or --unit")


def _value(series: Series, entry: Imagined) -> str:
    return f"{entry.value:.2%}" if series.has_probabilities else f"{entry.value:.4g}"


WEIGHTS = Annotated[Path | None, flag("Weights of the model as a torchvision state_dict: vgg16-397923af.pth.")]
EVERY = Annotated[
    int | None, flag("Also write the picture after every N steps, as NAME-0050.png.", None, "--every", default="never")
]
PICTURE = "A picture file."
PHOTO_MODEL = "efficientnet-lite0"


def _model(name: str, weights: Path | None, device: str | None) -> Model:
    """Loads a model of pictures, or builds a recipe for photos with weights from torchvision."""
    from .. import domain, load

    if weights:
        from ..core.model import Model
        from ..vision.pretrained import from_weights

        return Model(domain("vision"), *from_weights(name, weights), device or "auto")
    model = load(name, device or "auto")
    if model.domain.name != "vision":
        raise Problem(f"{name} is a model of {model.domain.name}; pictures need one of vision", USAGE)
    return model


def _photo(path: str, size: int, model: Model, quiet: bool) -> Tensor:
    """Reads a picture as values from 0 to 1 on the model's device; prints a remark if it was scaled."""
    from ..vision import photo

    picture = photo.read(path, size, model.card.preprocessing["colour"])
    if picture.remark and not quiet:
        say(f"{path}: {picture.remark}")
    return picture.values.to(model.device)


def dream(
    model: MODEL,
    picture: Annotated[str, typer.Argument(help=PICTURE, show_default=False)],
    guide: Annotated[str | None, flag("A picture whose features are increased instead.", default="none")] = None,
    layer: Annotated[
        list[str] | None,
        flag(
            "A layer, by its number in neocog describe; may be repeated.",
            default="the last with 16 pixels or fewer between neighbours",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps at each size.", min=1)] = 10,
    octaves: Annotated[int, typer.Option(help="Number of sizes, each 1.4 times the one before.")] = 4,
    rate: Annotated[float, typer.Option(help="Mean change of a pixel in a step, as a share of its range.")] = 0.01,
    jitter: Annotated[int, typer.Option(help="Random shift in pixels before each step, at most.")] = 32,
    size: Annotated[int, typer.Option(help="Longer side in pixels; larger pictures are scaled down.")] = 512,
    weights: WEIGHTS = None,
    seed: SEED = 0,
    interval: EVERY = None,
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("dream.png"),
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Deep dream: change a photo so that the activations of a layer increase. Ctrl-C keeps the last picture.

    [bold]neocog dream efficientnet-lite0 clouds.jpg[/bold]
    [bold]neocog dream efficientnet-lite0 clouds.jpg --layer 30 --octaves 5 --out towers.png[/bold]
    [bold]neocog dream vgg16 clouds.jpg --weights vgg16-397923af.pth --guide flowers.jpg[/bold]
    """
    from ..core.imagine import layers
    from ..core.imagine.dream import Dream
    from ..core.imagine.dream import dream as run
    from ..core.imagine.imagined import continuous_parameterization, frozen_network
    from ..vision import photo

    files.check_output(out, force, photo.ENDINGS)
    settings = Dream(steps, octaves, rate=rate, jitter=jitter, seed=seed)
    loaded = _model(model, weights, device)
    places = layers.map_layers(loaded.network, layer or []) or layers.dream_layers(loaded.network)
    values = _photo(picture, size, loaded, quiet)
    guide_values = _photo(guide, size, loaded, quiet) if guide else None
    sizes = settings.sizes(*values.shape[2:])
    layers.check_size(loaded.network, places[-1], *sizes[0])
    features = layers.features(frozen_network(loaded), places, continuous_parameterization(loaded).to_maps)
    with picture_steps("dreaming", len(sizes) * steps, out, interval, quiet) as steps_shown:
        result = run(features, values, settings, steps_shown.step, guide_values)
    details = {"layers": [place.name for place in places], "octaves": [list(shape) for shape in sizes]}
    steps_shown.end(result, details, json, quiet)


def style(
    content: Annotated[str, typer.Argument(help="The picture whose content is kept.", show_default=False)],
    style: Annotated[str, typer.Argument(help="The picture whose style is used.", show_default=False)],
    model: Annotated[
        str, typer.Option(help="A model of pictures or, with --weights, a recipe for photos.")
    ] = PHOTO_MODEL,
    weights: WEIGHTS = None,
    content_layer: Annotated[
        list[str] | None,
        flag("Layer of the content, by its number; may be repeated.", default="as in the paper"),
    ] = None,
    style_layer: Annotated[
        list[str] | None, flag("Layer of the style, by its number; may be repeated.", default="as in the paper")
    ] = None,
    steps: Annotated[int, typer.Option(help="Steps of the optimiser.", min=1)] = 200,
    strength: Annotated[float, typer.Option(help="Weight of the style; the content has 1.")] = 300.0,
    variation: Annotated[float, typer.Option(help="Weight of the total variation.")] = 0.5,
    optimiser: Annotated[str, typer.Option(help="lbfgs, as in the paper, or adam.")] = "lbfgs",
    fourier: Annotated[
        bool, typer.Option("--fourier/--pixels", help="Optimise Fourier coefficients or pixels.")
    ] = True,
    colour: Annotated[str, typer.Option(help="Colours of the style, or keep: those of the content.")] = "style",
    size: Annotated[int, typer.Option(help="Longer side in pixels; larger pictures are scaled down.")] = 256,
    interval: EVERY = None,
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("style.png"),
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Neural style transfer: one picture in the style of another. Ctrl-C keeps the last picture.

    [bold]neocog style cat.jpg painting.jpg[/bold]
    [bold]neocog style cat.jpg painting.jpg --size 512 --colour keep --out cat-painted.png[/bold]
    [bold]neocog style cat.jpg painting.jpg --model vgg16 --weights vgg16-397923af.pth[/bold]
    """
    from ..core.imagine import layers
    from ..core.imagine.imagined import continuous_parameterization, frozen_network
    from ..core.imagine.style import Style, StyleTransfer, with_colours_of
    from ..vision import photo

    if colour not in ("style", "keep"):
        raise Problem(f"--colour is style or keep here; got {colour}", USAGE)
    files.check_output(out, force, photo.ENDINGS)
    settings = Style(steps, strength, variation, optimiser, fourier)
    loaded = _model(model, weights, device)
    content_places = layers.map_layers(loaded.network, content_layer or []) or layers.content_layers(loaded.network)
    style_places = layers.map_layers(loaded.network, style_layer or []) or layers.style_layers(loaded.network)
    content_values, style_values = (_photo(path, size, loaded, quiet) for path in (content, style))
    for place in (*content_places, *style_places):
        for values in (content_values, style_values):
            layers.check_size(loaded.network, place, *values.shape[2:])
    network, parameterization = frozen_network(loaded), continuous_parameterization(loaded)
    content_features, style_features = (
        layers.features(network, places, parameterization.to_maps) for places in (content_places, style_places)
    )
    transfer = StyleTransfer(
        content_features, style_features, content_values, style_values, settings, parameterization.colour_mix
    )

    def current() -> Tensor:
        return with_colours_of(content_values, transfer.picture) if colour == "keep" else transfer.picture

    with picture_steps("transferring the style", steps, out, interval, quiet) as steps_shown:
        for step, losses in enumerate(transfer):
            if steps_shown.step(step + 1, current, f"content {losses.content:.3f}, style {losses.style:.3f}"):
                break
    details = {"content": [place.name for place in content_places], "style": [place.name for place in style_places]}
    steps_shown.end(current(), details | {"losses": losses._asdict()}, json, quiet)
