"""neocog features: a vector for each input."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import check_output
from ..core.problem import DATA, USAGE, Problem
from ..core.progress import progress, say
from . import output, parsing
from .flags import (
    CACHE,
    DEVICE,
    FILE_PATH,
    FORCE,
    JSON,
    LABEL_COLUMN,
    LABEL_LEVEL,
    MAX_BAD,
    MODEL,
    PATTERN,
    QUIET,
    SPLIT_COLUMN,
    TEST,
    TEXT_COLUMN,
    flag,
)

if TYPE_CHECKING:
    from ..core.model import Model
    from ..core.retrieval.collection import Collection

LAYER = Annotated[
    str | None,
    flag("The layer, by its number in neocog describe.", "Features", default="the input of the last dense layer"),
]
POOL = Annotated[
    str,
    typer.Option(help="What becomes of maps: their mean, max, or flatten.", rich_help_panel="Features"),
]
VIEWS = Annotated[
    int,
    typer.Option(
        "--symmetries",
        help="Average over this many symmetries or shifts of the input; 1 takes the input as it is.",
        rich_help_panel="Features",
        min=1,
    ),
]
PARTS = ("train", "valid", "test", "all")


def features(
    model: MODEL,
    data: Annotated[str, typer.Argument(help="Data as for train, or files without labels.")],
    out: Annotated[Path | None, flag("Where the vectors are written: FILE.npz or FILE.parquet.")] = None,
    layer: LAYER = None,
    pool: POOL = "mean",
    symmetries: VIEWS = 1,
    part: Annotated[str, typer.Option(help="The split: train, valid, test or all.")] = "all",
    force: FORCE = False,
    test: TEST = None,
    max_bad: MAX_BAD = None,
    pattern: PATTERN = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    split_column: SPLIT_COLUMN = None,
    file_path: FILE_PATH = None,
    cache: CACHE = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Write a vector of features for each input: what a layer of a model gives, in float32.

    For search, clustering, and other models.

    [bold]neocog features runs/vision-… photos/ --out photos.npz[/bold]
    [bold]neocog features efficientnet-lite0 photos/ --out photos.parquet[/bold]
    """
    from .. import load
    from ..core.retrieval import collection, files
    from ..core.retrieval.features import FeatureExtractor

    if out is None:
        raise Problem("features writes a file: --out FILE.npz or --out FILE.parquet", USAGE)
    check_output(out, force, files.ENDINGS)
    files.require_writer(out)
    if part not in PARTS:
        raise Problem(f"--part is one of {', '.join(PARTS)}; got {part}", USAGE)
    loaded = load(model, device or "auto")
    extractor = FeatureExtractor(loaded, layer, symmetries, pool)
    options = {"cache": cache, "pattern": pattern, "text_column": text_column, "label_level": label_level}
    targets = parsing.targets(None, label_column, split_column, file_path)
    rows = collection_of(loaded, data, options, quiet, test=test, max_bad=max_bad, targets=targets)
    collection.require_rows(rows, part)
    with progress("computing features", "inputs", quiet) as bar:
        count = files.write(out, collection.blocks(extractor, rows, part, bar), extractor.size, extractor.settings)
    bad = rows.bad if isinstance(rows, collection.Files) else []
    if json:
        summary = {"out": str(out), "examples": count, "size": extractor.size, **extractor.settings}
        output.document(summary | {"bad": [entry._asdict() for entry in bad]})
    else:
        output.line(f"wrote {out}: {count:,} vectors of {extractor.size:,} numbers, {extractor.layer.name}")
    report_bad(bad)


def collection_of(model: Model, data: str, options: dict[str, Any], quiet: bool, **fields: Any) -> Collection:
    """The inputs in DATA, with its remarks on stderr."""
    from dataclasses import replace

    from ..core.retrieval.collection import load

    source = parsing.source(data, options, **fields, **model.split_options)
    with progress("reading", "files", quiet) as bar:
        rows = load(model, replace(source, progress=bar))
    for remark in [] if quiet else rows.remarks:
        say(remark)
    return rows


def report_bad(bad: Any) -> None:
    """Names the inputs that could not be read, and ends with the exit code of unusable files if there are any."""
    for entry in bad:
        say(f"{entry.file}: {entry.reason}")
    if bad:
        raise typer.Exit(DATA)
