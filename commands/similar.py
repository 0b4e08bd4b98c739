"""neocog similar: the nearest neighbours of inputs in a collection, by the features of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import check_output, require_file
from ..core.problem import DATA, USAGE, Problem
from ..core.progress import progress, say
from . import output, parsing
from .features import LAYER, POOL, VIEWS, collection_of, report_bad
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
    MOVE,
    PATTERN,
    QUIET,
    SPLIT_COLUMN,
    TEXT,
    TEXT_COLUMN,
    flag,
)

if TYPE_CHECKING:
    from ..core.model import Model
    from ..core.retrieval.index import Index, Result

TOP = 10
ENDINGS = (".png", ".svg", ".html", ".csv")


def similar(
    model: MODEL,
    queries: Annotated[
        list[str] | None, typer.Argument(help="Files, folders, globs, texts, or - for stdin.", show_default=False)
    ] = None,
    in_: Annotated[
        str | None, flag("The data to search: as for train, or files without labels.", None, "--in", default="none")
    ] = None,
    index: Annotated[
        Path | None, flag("An index file: written with --in, else read.", default="the features of --in are not kept")
    ] = None,
    top: Annotated[int, typer.Option(help="The number of neighbours of an input.", min=1)] = TOP,
    out: Annotated[
        Path | None, flag("Write a sheet, FILE.png or FILE.svg, a page, FILE.html, or a table, FILE.csv.")
    ] = None,
    across: Annotated[
        str | None,
        flag("The model that reads the collection, if it is of another kind: by neocog align.", default="MODEL"),
    ] = None,
    text: TEXT = None,
    layer: LAYER = None,
    pool: POOL = "mean",
    symmetries: VIEWS = 1,
    force: FORCE = False,
    move: MOVE = None,
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
    """Find the inputs of a collection that are most similar to some inputs, by the features of a model.

    The search is exact; similarity is the cosine of feature vectors.

    [bold]neocog similar efficientnet-lite0 cat.jpg --in photos/ --out sheet.png[/bold]
    [bold]neocog similar runs/vision-… --in photos/ --index photos.index[/bold]
    [bold]neocog similar runs/vision-… cat.jpg --index photos.index --json[/bold]
    [bold]neocog similar runs/text-… "What a waste of time" --in reviews.csv[/bold]
    [bold]neocog similar aligned/b.safetensors "a green apple" --across aligned/a.safetensors --in photos/[/bold]
    """
    from .. import load
    from ..core.retrieval import index as indices
    from ..core.retrieval import sheet
    from ..core.retrieval.collection import Files, require_rows
    from ..core.retrieval.features import FeatureExtractor

    check_output(out, force, ENDINGS)
    if in_ is None and index is None:
        raise Problem("similar searches in data: --in DATA, or an index that was built of it: --index FILE", USAGE)
    if index is not None:
        check_output(index, force) if in_ is not None else require_file(index, "an index of neocog similar")
    querying = load(model, device or "auto")
    loaded = querying if across is None else load(across, device or "auto")
    if across is not None:
        require_aligned(querying, loaded, model, across, layer)
    input_options = parsing.input_options(querying.domain, {"move": move})
    sources = parsing.with_options(parsing.inputs_of(querying.domain, queries or [], text or []), input_options)
    if not sources and (in_ is None or index is None):
        raise Problem("similar takes inputs to search for, as in: neocog similar MODEL cat.jpg --in photos/", USAGE)
    extractor = FeatureExtractor(loaded, layer, symmetries, pool)
    asker = extractor if across is None else FeatureExtractor(querying, None, symmetries, pool)
    options = {"cache": cache, "pattern": pattern, "text_column": text_column, "label_level": label_level}
    targets = parsing.targets(None, label_column, split_column, file_path)
    presenter = sheet.Presenter(querying.domain, querying.card.preprocessing)
    bad: list[Any] = []
    if in_ is not None:
        rows = collection_of(loaded, in_, options, quiet, max_bad=max_bad, targets=targets)
        require_rows(rows, "all")
        source = parsing.source(in_, options, max_bad=max_bad, targets=targets, **loaded.split_options)
        with progress("computing features", "inputs", quiet) as bar:
            built = indices.build(extractor, rows, source, "all", bar)
        bad = rows.bad if isinstance(rows, Files) else []
        gallery = sheet.Gallery(loaded.domain, loaded.card.preprocessing, lambda: rows, presenter)
        if index is not None:
            indices.save(index, built)
            say(f"wrote {index}: {len(built):,} vectors of {extractor.size:,} numbers")
    else:
        assert index is not None
        built = indices.read(index)
        indices.require_same_features(built, extractor, index)
        gallery = sheet.Gallery(
            loaded.domain, loaded.card.preprocessing, lambda: collection_of_source(loaded, built), presenter
        )
    problems: list[Problem] = []
    results = search(built, asker, sources, top, problems) if sources else []
    if out and results:
        write_csv(out, results) if out.suffix.lower() == ".csv" else sheet.write(out, results, gallery, force)
        say(f"wrote {out}")
    if json:
        output.document([result.to_dict() for result in results])
    else:
        print_results(results, gallery)
        if results and not out and not quiet:
            say("to see them: --out FILE.png or FILE.html")
    for problem in problems:
        say(str(problem))
    report_bad(bad)
    if problems:
        raise typer.Exit(DATA)


def require_aligned(querying: Model, reading: Model, query_path: str, path: str, layer: str | None) -> None:
    """Raises Problem unless two models have features in one space."""
    alignments = [model.card.training.get("alignment") for model in (querying, reading)]
    if alignments[0] is None or alignments[0] != alignments[1]:
        raise Problem(
            f"{query_path} and {path} have no space in common; neocog align A B TABLE makes two models that have one",
            USAGE,
        )
    if layer is not None:
        raise Problem("the space in common is that of the last dense layer's input; leave --layer out", USAGE)


def collection_of_source(model: Any, built: Index) -> Any:
    """The collection that an index was built of."""
    from ..core.retrieval.collection import load

    return load(model, built.source)


def search(built: Index, extractor: Any, sources: Sequence[Any], top: int, problems: list[Problem]) -> list[Result]:
    """The neighbours of the inputs that can be read; the others are added to `problems`."""
    from ..core.inputs import FileInput
    from ..core.retrieval.index import absolute
    from ..core.retrieval.index import search as search_index

    readable = []
    for value, features in extractor.of_inputs(sources):
        if isinstance(features, Problem):
            problems.append(features)
        else:
            readable.append((value, features))
    if not readable:
        return []
    paths = [absolute(value.path) if isinstance(value, FileInput) else "" for value, _ in readable]
    return search_index(built, readable, top, paths)


def print_results(results: Sequence[Result], gallery: Any) -> None:
    """Prints each query with a line for each neighbour."""
    from ..core.retrieval import sheet

    for result in results:
        output.line(result.query.name)
        for line in output.columns([["similarity", "label", "input"], *sheet.rows(result, gallery)]):
            output.line(line)


def write_csv(path: Path, results: Sequence[Result]) -> None:
    """Writes a row for each neighbour of each query."""
    import csv
    from io import StringIO

    from ..core.files import write_text
    from ..core.sources.formula import escape

    file = StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["query", "rank", "input", "label", "split", "similarity"])
    for result in results:
        for rank, match in enumerate(result.matches, 1):
            cells = [result.query.name, str(rank), match["input"], match["label"], match["split"]]
            table.writerow([*map(escape, cells), f"{match['similarity']:.6f}"])
    write_text(path, file.getvalue())
