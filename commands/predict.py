"""The commands evaluate and predict."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..core.files import check_output
from ..core.problem import DATA, USAGE, Problem
from ..core.progress import progress, say
from . import output, parsing
from .flags import (
    ABSTAIN,
    CACHE,
    DEVICE,
    EXCLUDE,
    FILE_PATH,
    JSON,
    LABEL_COLUMN,
    LABEL_LEVEL,
    LABEL_NAMES,
    LABEL_SEPARATOR,
    LABEL_SETS,
    LABELS,
    LIKE,
    MAX_BAD,
    MODEL,
    MOVE,
    PATTERN,
    QUIET,
    SET_OPTION,
    SPLIT_COLUMN,
    SYMMETRIES,
    TEST,
    TEST_WHERE,
    TEXT,
    TEXT_COLUMN,
    UNKNOWN,
    flag,
)

TOP = 3  # labels that are listed for an input
PICTURE_ENDINGS = (".png", ".svg")


def evaluate(
    model: MODEL,
    data: Annotated[str, typer.Argument(help="Data as for train; the test split is used if there is one.")],
    part: Annotated[str | None, flag("The split to evaluate on: test, valid, train or all.")] = None,
    test: TEST = None,
    unknown: UNKNOWN = None,
    max_bad: MAX_BAD = None,
    exclude: EXCLUDE = None,
    pattern: PATTERN = None,
    test_where: TEST_WHERE = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_separator: LABEL_SEPARATOR = None,
    label_names: LABEL_NAMES = None,
    split_column: SPLIT_COLUMN = None,
    file_path: FILE_PATH = None,
    label_level: LABEL_LEVEL = None,
    set_: SET_OPTION = None,
    cache: CACHE = None,
    confusion: Annotated[Path | None, flag("Write the confusion matrix to this file, .png or .svg.")] = None,
    curves: Annotated[
        Path | None, flag("Draw ROC and precision-recall curves of the labels to this file, .png or .svg.")
    ] = None,
    predictions: Annotated[
        Path | None,
        flag("Write a row for each example, with its true label and prediction: FILE.csv, .jsonl or .json."),
    ] = None,
    force: Annotated[bool, flag("Replace the files of these options.", None, "--force")] = False,
    abstain: ABSTAIN = None,
    label_sets: LABEL_SETS = None,
    like: LIKE = None,
    symmetries: SYMMETRIES = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Measure a model on labelled data: accuracy, metrics per label, calibration.

    [bold]neocog evaluate runs/vision-swift-… photos/[/bold]
    [bold]neocog evaluate go games.zip --symmetries 8[/bold]
    [bold]torchrun --nproc-per-node 2 -m neocog evaluate go games.zip[/bold]
    """
    from .. import load
    from ..core import device as devices
    from ..core import feed
    from ..core.versions import versions
    from . import row_files

    check_output(predictions, force, row_files.ENDINGS)
    if part not in (None, "train", "valid", "test", "all"):
        raise Problem(f"--part is test, valid, train or all; got {part}", USAGE)
    for picture in (confusion, curves):
        check_output(picture, force, PICTURE_ENDINGS)
    loaded_model = load(model, device or "auto", symmetries)
    parsing.conditioned(loaded_model, model, like)
    loaded_model.task = loaded_model.task.deciding(abstain, label_sets)
    options = {"cache": cache, "pattern": pattern, "test_where": test_where}
    options |= {"text_column": text_column, "label_level": label_level}
    options |= parsing.domain_options(set_, loaded_model.domain)
    columns = parsing.targets(None, label_column, split_column, file_path, label_separator, label_names)
    split = {"test": test, "unknown": unknown, "max_bad": max_bad, "exclude": str(exclude) if exclude else None}
    split |= loaded_model.split_options
    source = parsing.source(data, options, targets=columns, **split)
    with devices.world(loaded_model.device) as world:
        quiet = quiet or world.rank > 0
        with world.first(), progress("reading", "files", quiet) as bar:
            loaded = loaded_model.load(replace(source, progress=bar))
        if world.size > 1:
            facts = {"data": loaded.fingerprint(), "model": loaded_model.fingerprint}
            world.require_same(versions() | facts)
        start = time.perf_counter()
        loaded_model.check_weights()
        examples, scored_on = loaded_model.examples(loaded, part)
        probabilities = feed.measure(loaded_model, examples, world=world)
        if world.rank > 0:
            return
    metrics = loaded_model.metrics(probabilities, examples) | {"scored_on": scored_on}
    metrics |= {"seconds": round(time.perf_counter() - start, 2), "model": model}
    for remark in [] if quiet else loaded.remarks:
        say(remark)
    if confusion:
        save = loaded_model.task.files(metrics).get("confusion.png")
        if save is None:
            raise Problem(f"--confusion is for classification; this model's task is {loaded_model.task.name}", USAGE)
        save(confusion)
    if curves:
        from ..core import charts, score_curves

        drawn = loaded_model.task.score_curves(probabilities, examples.targets.numpy())
        charts.save_score_curves(drawn, curves)
        metrics["curves"] = score_curves.summary(drawn)
    if predictions:
        rows = row_files.labelled_rows(loaded_model.task, probabilities, examples, TOP)
        row_files.write_rows(predictions, rows, loaded_model.task, loaded_model.task.measured_columns)
        say(f"wrote {predictions}")
    output.document(metrics) if json else output.metrics(metrics, loaded_model.task)


def predict(
    model: MODEL,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, globs, texts, or - for stdin: the content of a file, or a text per line.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="The number of labels to list.", min=1)] = TOP,
    abstain: ABSTAIN = None,
    label_sets: LABEL_SETS = None,
    text: TEXT = None,
    out: Annotated[
        Path | None,
        flag(
            "Write a row for each input: FILE.csv, .jsonl or .json; of a board, FILE.svg or FILE.png draws the most "
            "probable moves; of masks, FOLDER holds index PNGs and overlays."
        ),
    ] = None,
    shard: Annotated[
        str | None,
        flag(
            "Predict one part of several, 3/16, into --out FILE.jsonl; the parts of all shards, joined, equal the "
            "prediction of all. /16 takes the index of a Slurm array or a Kubernetes Indexed Job.",
            default="all inputs",
        ),
    ] = None,
    labels: LABELS = None,
    draw: Annotated[
        Path | None, flag("Write each picture with its boxes as a PNG to this folder.", default="none is drawn")
    ] = None,
    text_column: TEXT_COLUMN = None,
    set_: SET_OPTION = None,
    move: MOVE = None,
    like: LIKE = None,
    symmetries: SYMMETRIES = None,
    force: Annotated[bool, flag("Replace the files of --labels and --out.", None, "--force")] = False,
    device: DEVICE = None,
    json: JSON = False,
) -> None:
    """Predict labels for files, folders or text.

    An input that is longer than the training examples is predicted in overlapping windows.

    [bold]neocog predict runs/vision-swift-… cat.jpg holiday/[/bold]
    [bold]cat cat.jpg | neocog predict runs/… - --json[/bold]
    [bold]neocog predict runs/vision-detector-… photos/ --draw drawn[/bold]
    [bold]neocog predict runs/speech-… meeting.flac --labels meeting.TextGrid[/bold]
    [bold]neocog predict runs/text-… reviews.csv --out predicted.csv[/bold]
    [bold]neocog predict runs/text-… --text "What a waste of time"[/bold]
    [bold]tail -f log | neocog predict runs/text-… -[/bold]
    [bold]neocog predict game.sgf --move 57 --top 5 --symmetries 8[/bold]
    [bold]neocog predict game.sgf --move 57 --like kgs-6d[/bold]
    """
    from .. import load
    from . import predictions, row_files

    part = parsing.shard(shard, out)
    texts = text or []
    model, inputs = parsing.model_and_inputs(model, inputs or [], texts)
    loaded = load(model, device or "auto", symmetries)
    parsing.conditioned(loaded, model, like)
    loaded.task = loaded.task.deciding(abstain, label_sets)
    options = parsing.input_options(loaded.domain, {"move": move})
    table_options = parsing.domain_options(set_, loaded.domain)
    if out:
        predictions.check_out(loaded, out, force)
    if labels:
        predictions.check_labels(loaded, labels, force)
    if draw:
        predictions.check_folder(loaded, draw, force)
    picture, rows_out = (out, None) if predictions.is_picture(out) else (None, out)
    folder, rows_out = (out, None) if predictions.is_folder(loaded, out) else (None, rows_out)
    if not texts and not draw and not folder:
        columns = {"text_column": text_column, **table_options}
        unpredicted = predictions.predict_stream(loaded, inputs, top, json, columns, rows_out, part)
        if unpredicted is not None:
            raise typer.Exit(DATA if unpredicted else 0)
    if table_options:
        raise Problem("--set is for the rows of one table; other inputs are read as the model was trained", USAGE)
    values = parsing.with_options(parsing.inputs_of(loaded.domain, inputs, texts), options)
    for message, file in (("--labels is for one recording", labels), ("a picture is of one record", picture)):
        if file and len(values) != 1:
            raise Problem(f"{message}; got {len(values)}", USAGE)
    rows = loaded.predict(part.of(values, loaded.batch_size) if part else values, top)
    problems = [row for row in rows if "problem" in row]
    if folder:
        predictions.write_pictures(loaded, values, rows, folder)
        row_files.write_rows(folder / "predictions.csv", rows, loaded.task, row_files.problem_column(rows))
        say(f"wrote {folder}")
    if labels and not problems:
        predictions.write_labels(loaded.domain, rows[0], labels)
    if draw:
        predictions.draw_boxes(loaded, values, rows, draw)
    if len(values) == 1 and not problems:
        predictions.draw(loaded, values[0], rows[0], picture, show=not json and not rows_out)
    if rows_out:
        row_files.write_rows(rows_out, rows, loaded.task, row_files.problem_column(rows))
        say(f"wrote {rows_out}")
    if json:
        output.document(rows)
    elif not rows_out:
        output.predictions([row for row in rows if "problem" not in row], loaded.task)
    for row in problems:
        predictions.print_problem(row)
    if problems:
        raise typer.Exit(DATA)
