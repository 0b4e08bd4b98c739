"""The command convert."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core import files
from ..core.problem import USAGE, Problem
from ..core.progress import say
from . import output, parsing
from .flags import DEVICE, FORCE, JSON, MODEL, flag

if TYPE_CHECKING:
    from ..core.convolutional import Converted
    from ..core.inputs import Input
    from ..core.model import Model

TOLERANCE = 1e-4  # of the outputs of both networks, relative to the largest
LEAST = 0.5
SHOWN = 5  # labels in a line


def convert(
    model: MODEL,
    inputs: Annotated[
        list[str] | None, typer.Argument(help="Pictures to slide the classifier over.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        flag("The folder that model.safetensors and NAME.png are written to.", default="nothing is written"),
    ] = None,
    size: Annotated[
        int | None, flag("Scale the longer side of each picture to so many pixels.", default="its own size")
    ] = None,
    least: Annotated[
        float, typer.Option(help="Show a label from this probability on; else the picture is dark.", min=0, max=1)
    ] = LEAST,
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
) -> None:
    """Convert a classifier into a fully convolutional network, and slide it over larger pictures.

    Dense layers become convolutions and global pools windows: for pictures of the training size the outputs are the
    same, and for larger ones they are coarse maps, the classifier at every position.

    [bold]neocog convert runs/vision-keras-digits-… --out converted[/bold]
    [bold]neocog convert runs/vision-keras-digits-… page.png --out converted[/bold]
    """
    from .. import load
    from ..core.convolutional import difference, fully_convolutional

    if out:
        files.check_folder(out)
        if not force and files.names_in(out):
            raise Problem(f"{out} exists and is not empty; name another folder, or write into it with --force", USAGE)
    if size is not None and not 1 <= size <= 8192:
        raise Problem(f"--size is from 1 to 8192 pixels; got {size}", USAGE)
    loaded = load(model, device or "auto")
    if loaded.task.name != "classify":
        raise Problem(f"convert is for classification; the task of this model is {loaded.task.name}", USAGE)
    loaded.check_weights()
    words = loaded.network.module()
    words.load_state_dict(loaded.words.state_dict())
    form = fully_convolutional(loaded.network, words)
    largest = difference(loaded.network, words, form)
    assert largest <= TOLERANCE, f"the converted network differs by {largest}"
    result: dict[str, Any] = {"network": ", ".join(map(str, form.layers)), "difference": largest}
    if out:
        result["model"] = str(write_model(loaded, form, out / "model.safetensors"))
    values = parsing.inputs_of(loaded.domain, inputs or [], []) if inputs else []
    result["maps"] = [slide(loaded, form, value, size, least, out) for value in values]
    if json:
        output.document(result)
        return
    output.line(f"{result['network']}\nlargest difference at {sides(loaded)}: {largest:.1e} of the largest output")
    for row in result["maps"]:
        shares = "  ".join(f"{entry['label']} {entry['share']:.1%}" for entry in row["shares"][:SHOWN])
        height, width = row["positions"]
        place = f"  -> {row['overlay']}" if "overlay" in row else ""
        output.line(f"{row['input']}: {width}×{height} positions  {shares or 'no label'}{place}")
    if out:
        say(f"wrote {out}")


def sides(model: Model) -> str:
    """The size of a model's pictures, as 28×28."""
    _, height, width = model.network.input
    return f"{width}×{height}"


def write_model(model: Model, form: Converted, path: Path) -> Path:
    """Writes the model with the converted network and flatten behind it: a classifier as before."""
    from ..core import checkpoint
    from ..core.layers import flatten

    with files.disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    network = ", ".join(map(str, (*form.layers, flatten)))
    checkpoint.save(path, form.weights, replace(model.card, network=network, recipe=None))
    return path


def slide(
    model: Model, form: Converted, value: Input, size: int | None, least: float, out: Path | None
) -> dict[str, Any]:
    """The coarse map of one picture: its positions, the shares of labels, and an overlay if `out` is a folder."""
    import torch
    from PIL import Image

    from ..core.convolutional import coarse_map
    from ..core.places import Placed
    from ..core.tasks import masks

    placed = model.domain.require(Placed, "convert")
    if placed.scaled is None:
        raise Problem(f"a classifier is slid over pictures; this model is of {model.domain.name}", USAGE)
    pixels = placed.scaled(value, model.card.preprocessing, size)
    coarse = coarse_map(form, model.frontend.cpu()(pixels))
    labels = coarse.labels(pixels.shape[2:], least, masks.IGNORE)
    best = coarse.probabilities.max(0)
    sure = best.indices[best.values >= least]
    counts = torch.bincount(sure, minlength=len(model.labels)).tolist()
    order = sorted((k for k, count in enumerate(counts) if count), key=lambda k: -counts[k])
    colours = [masks.PALETTE[k % len(masks.PALETTE)] for k in range(len(model.labels))]
    row: dict[str, Any] = {
        "input": value.name,
        "size": list(pixels.shape[2:]),
        "positions": list(coarse.probabilities.shape[1:]),
        "step": list(coarse.field.step),
        "receptive_field": list(coarse.field.pixels),
        "shares": [
            {"label": model.labels[k], "share": counts[k] / best.values.numel(), "colour": colours[k]} for k in order
        ],
        "labels": [[model.labels[k] for k in line] for line in best.indices.tolist()],
        "probabilities": [[round(p, 4) for p in line] for line in best.values.tolist()],
    }
    if out:
        shown = pixels[0].expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()
        drawn = masks.overlay(Image.fromarray(shown), labels.numpy(), colours)
        path = out / f"{Path(value.name).stem or 'picture'}.png"
        files.write(path, lambda temporary: drawn.save(temporary, "PNG"))
        row["overlay"] = str(path)
    return row
