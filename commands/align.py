"""neocog align: two models' features in one space, from pairs of inputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import check_folder, write_text
from ..core.problem import DATA, USAGE, Problem
from ..core.progress import progress, say
from . import output
from .flags import DEVICE, FORCE, JSON, MAX_BAD, QUIET, SEED, SPLIT_COLUMN, TEST_SHARE, flag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.model import Model

FILES = ("a.safetensors", "b.safetensors")
MODEL = typer.Argument(help="A model that ends with a dense layer: a file, a run folder or a name.", show_default=False)


def align(
    a: Annotated[str, MODEL],
    b: Annotated[str, MODEL],
    data: Annotated[
        str, typer.Argument(help="A table with an input of A and one of B in each row.", show_default=False)
    ],
    out: Annotated[Path | None, flag("The folder for both models.", default="aligned")] = None,
    columns: Annotated[
        str | None, flag("The columns with the inputs of A and of B: image,description.", default="by their cells")
    ] = None,
    label_column: Annotated[
        str | None, flag("The column that says which inputs are alike.", default="equal inputs of B are alike")
    ] = None,
    loss: Annotated[str, typer.Option(help="infonce, or DeViSE's ranking.")] = "infonce",
    size: Annotated[int, typer.Option(help="Numbers of a vector in the common space.", min=2, max=4096)] = 128,
    epochs: Annotated[int, typer.Option(help="Passes over the pairs.", min=1)] = 60,
    hold_out: Annotated[
        int,
        typer.Option(help="Learn without so many random labels, to measure what their inputs of B alone give.", min=0),
    ] = 0,
    split_column: SPLIT_COLUMN = None,
    test_share: TEST_SHARE = None,
    max_bad: MAX_BAD = None,
    seed: SEED = None,
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Align two models: map their features into one space, so that an input of one finds those of the other.

    The models' layers stay as they are. Both new models have the labels of the table, which each knows by the other
    side: a model of pictures by descriptions, also of labels without a picture (zero-shot).

    [bold]neocog align efficientnet-lite0 runs/text-… products.csv --label-column product[/bold]
    [bold]neocog predict aligned/a.safetensors photo.jpg[/bold]
    [bold]neocog similar aligned/b.safetensors "a green apple" --across aligned/a.safetensors --in photos/[/bold]
    """
    from .. import load
    from ..core import checkpoint
    from ..core.ranges import check_range
    from ..core.retrieval.alignment import LOSSES, AlignmentSettings, align_models, aligned_models
    from ..core.retrieval.pairs import ColumnNames, read_pairs

    folder = out or Path("aligned")
    if loss not in LOSSES:
        raise Problem(f"--loss is one of {', '.join(LOSSES)}; got {loss}", USAGE)
    check_new(folder, force)
    share, most = 0.15 if test_share is None else test_share, 0.05 if max_bad is None else max_bad
    check_range("test_share", share, "--test-share")
    check_range("max_bad", most, "--max-bad")
    settings = AlignmentSettings(size=size, loss=loss, epochs=epochs, seed=seed or 0)  # type: ignore[arg-type]
    models = (load(a, device or "auto"), load(b, device or "auto"))
    pairs = read_pairs(data, models, ColumnNames(columns, label_column, split_column), (0.0, share))
    with progress("computing features", "inputs", quiet) as bar:
        aligned = align_models(models, pairs, settings, hold_out, most, bar)
    metrics = aligned.metrics()
    folder.mkdir(parents=True, exist_ok=True)
    for name, (card, weights) in zip(
        FILES, aligned_models(models, aligned, settings, metrics, Path(data).name), strict=True
    ):
        checkpoint.save(folder / name, weights, card)
    from json import dumps

    write_text(folder / "summary.json", dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    for remark in [] if quiet else aligned.pairs.remarks:
        say(remark)
    if json:
        output.document(metrics | {"out": str(folder), "bad": [bad._asdict() for bad in aligned.pairs.bad]})
    else:
        print_metrics(metrics, models)
        for name, model in zip(FILES, models, strict=True):
            output.line(f"wrote {folder / name}, a model of {model.domain.name}")
    for bad in aligned.pairs.bad:
        say(f"{bad.file}: {bad.reason}")
    if aligned.pairs.bad:
        raise typer.Exit(DATA)


def check_new(folder: Path, force: bool) -> None:
    """Raises Problem if the folder cannot be written, or holds models and is not to be replaced."""
    check_folder(folder)
    if not force and any((folder / name).exists() for name in FILES):
        raise Problem(
            f"{folder} holds aligned models; name another folder with --out, or replace them with --force", USAGE
        )


def print_metrics(metrics: Mapping[str, Any], models: tuple[Model, Model]) -> None:
    """Prints how often the right label is among the nearest, and the mean average precision."""
    names = [model.domain.name for model in models]
    names = names if names[0] != names[1] else [f"{names[0]} A", f"{names[1]} B"]
    rows = [["", "inputs", "labels", "hit@1", "by chance", "hit@5", "by chance", "mAP"]]
    for key, (first, second) in (("a_to_b", names), ("b_to_a", reversed(names))):
        rows.append([f"{first} → {second}", *cells(metrics[key])])
    if held := metrics.get("held_out"):
        for key, among in (("among_all", "among all labels"), ("among_held_out", "among themselves")):
            rows.append([f"{len(held['labels'])} labels held out, {among}", *cells(held[key])])
    output.line(f"measured on {metrics['scored_on']}: {metrics['pairs']:,} pairs, {metrics['labels']:,} labels")
    for line in output.columns(rows):
        output.line(line)


def cells(result: Mapping[str, Any]) -> list[str]:
    if "inputs" not in result:  # all of these inputs were learned from
        return [""] * 6 + [f"{result['map']:.3f}"]
    hits = [
        text
        for count in (1, 5)
        for text in (
            f"{result[f'hit@{count}']:.1%} {interval(result[f'hit@{count}_interval'])}",
            f"{result[f'hit@{count}_chance']:.1%}",
        )
    ]
    return [
        f"{result['inputs']:,}",
        f"{result['candidates']:,}",
        *hits,
        f"{result['map']:.3f}" if "map" in result else "",
    ]


def interval(bounds: tuple[float, float]) -> str:
    return f"({100 * bounds[0]:.0f} to {100 * bounds[1]:.0f})"
