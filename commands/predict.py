"""The commands evaluate and predict."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..core.problem import DATA, USAGE, Problem
from ..core.progress import progress, say
from . import tell, typed
from .flags import (
    CACHE,
    DEVICE,
    JSON,
    LABEL_COLUMN,
    LABEL_LEVEL,
    LABELS,
    MAX_BAD,
    MODEL,
    MOVE,
    PATTERN,
    QUIET,
    SYMMETRIES,
    TEST,
    TEST_WHERE,
    TEXT_COLUMN,
    UNKNOWN,
    flag,
)


def evaluate(
    model: MODEL,
    data: Annotated[str, typer.Argument(help="As for train; its test part is used where it has one.")],
    part: Annotated[str | None, flag("test, valid, train or all.")] = None,
    test: TEST = None,
    unknown: UNKNOWN = None,
    max_bad: MAX_BAD = None,
    pattern: PATTERN = None,
    test_where: TEST_WHERE = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    cache: CACHE = None,
    confusion: Annotated[Path | None, flag("Write the confusion matrix as a PNG.")] = None,
    symmetries: SYMMETRIES = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Measure a model on labelled data: accuracy, metrics per label, calibration.

    [bold]neocog evaluate runs/vision-swift-… photos/[/bold]
    [bold]neocog evaluate go games.zip --symmetries 8[/bold]
    """

    from .. import load

    if part not in (None, "train", "valid", "test", "all"):
        raise Problem(f"--part is test, valid, train or all; got {part}", USAGE)
    found = load(model, device or "auto", symmetries)
    own = {"cache": cache, "pattern": pattern, "test_where": test_where}
    own |= {"text_column": text_column, "label_column": label_column, "label_level": label_level}
    source = typed.source(data, own, test=test, unknown=unknown, max_bad=max_bad, **found.split_options)
    with progress("reading", "files", quiet) as reading:
        loaded = found.load(replace(source, progress=reading))
    start = time.perf_counter()
    metrics = found.evaluate(loaded, part) | {"seconds": round(time.perf_counter() - start, 2), "model": model}
    for remark in [] if quiet else loaded.remarks:
        say(remark)
    if confusion:
        save = found.task.files(metrics).get("confusion.png")
        if save is None:
            raise Problem(f"--confusion is for classification; this model's task is {found.task.name}", USAGE)
        save(confusion)
    tell.document(metrics) if json else tell.metrics(metrics, found.task)


def predict(
    model: MODEL,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Files, folders, globs, texts, or - for stdin: a file's bytes, or a text a line.", show_default=False
        ),
    ] = None,
    top: Annotated[int, typer.Option(help="How many labels for each.", min=1)] = 3,
    labels: LABELS = None,
    text_column: TEXT_COLUMN = None,
    move: MOVE = None,
    symmetries: SYMMETRIES = None,
    out: Annotated[Path | None, flag("The board with the likeliest moves, as .svg or .png.", "Boards")] = None,
    force: Annotated[bool, flag("Replace the file in --labels or --out.", None, "--force")] = False,
    device: DEVICE = None,
    json: JSON = False,
) -> None:
    """Predict labels for files, folders or text.

    An input that is longer than the training examples is predicted in overlapping windows.

    [bold]neocog predict runs/vision-swift-… cat.jpg holiday/[/bold]
    [bold]cat cat.jpg | neocog predict runs/… - --json[/bold]
    [bold]neocog predict runs/speech-… meeting.flac --labels meeting.TextGrid[/bold]
    [bold]neocog predict runs/text-… reviews.csv > answered.csv[/bold]
    [bold]tail -f log | neocog predict runs/text-… -[/bold]
    [bold]neocog predict game.sgf --move 57 --top 5 --symmetries 8[/bold]
    """
    from .. import load
    from ..core.inputs import BytesInput
    from . import answers as special

    model, inputs = typed.model_and_inputs(model, inputs or [])
    found = load(model, device or "auto", symmetries)
    reading = typed.reading(found.domain, {"move": move})
    failing = special.answered(found, inputs, top, json, {"text_column": text_column})
    if failing is not None:
        raise typer.Exit(DATA if failing else 0)
    paths = [each for each in inputs if each != "-"]
    given = found.domain.expand_paths(paths) if paths else []
    if "-" in inputs:
        given.append(BytesInput(sys.stdin.buffer.read()))
    given = typed.with_options(given, reading)
    for what, file in (("--labels is for one recording", labels), ("--out is for one record", out)):
        if file and len(given) != 1:
            raise Problem(f"{what}; got {len(given)}", USAGE)
    if labels:
        special.check_labels(found.domain, labels, force)
    if out:
        special.check_picture(found.domain, out, force)
    answers = found.predict(given, top)
    if labels and "problem" not in answers[0]:
        special.write_labels(found.domain, answers[0], labels)
    if len(given) == 1 and "problem" not in answers[0]:
        special.draw(found, given[0], answers[0], out, show=not json)
    failed = [answer for answer in answers if "problem" in answer]
    if json:
        tell.document(answers)
    else:
        tell.predictions([row for row in answers if "problem" not in row], found.task)
    for answer in failed:
        special.tell_problem(answer)
    if failed:
        raise typer.Exit(DATA)
