"""The commands train and resume."""

from __future__ import annotations

import json as json_format
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ..core import files
from ..core.problem import DATA, INTERRUPTED, USAGE, Problem, unusable
from ..core.progress import Progress, TrainingProgress, progress, say
from ..core.ranges import check_range
from . import output, parsing

if TYPE_CHECKING:
    from ..core.domain import Domain
    from ..core.fit import Event
    from ..core.model_source import ModelSource
    from ..core.plan import Plan
    from ..core.run import RunFolder

from .flags import (
    ACCUMULATE,
    ADVERSARIAL,
    AUGMENT,
    BALANCE,
    BATCH,
    CACHE,
    COLOUR,
    DEVICE,
    EPOCHS,
    EXCLUDE,
    FILE_PATH,
    FIT,
    FOLD_BY,
    FREEZE,
    GROUP_BY,
    HEAD_FIRST,
    INPUTS,
    JSON,
    KEEP,
    LABEL_COLUMN,
    LABEL_LEVEL,
    LABEL_NAMES,
    LABEL_SEPARATOR,
    LOSS_WEIGHTS,
    LR,
    MAX_BAD,
    MAX_LENGTH,
    MINUTES,
    MLFLOW,
    NOISE,
    OPTIMISER,
    PATIENCE,
    PATTERN,
    PLANES,
    POINTS,
    PRECISION,
    QUIET,
    RATE,
    REGRESSION_LOSS,
    SECONDS,
    SEED,
    SET,
    SIZE,
    SPLIT,
    SPLIT_COLUMN,
    TASK,
    TENSORBOARD,
    TEST,
    TEST_SHARE,
    TEST_WHERE,
    TEXT_COLUMN,
    THREADS,
    TOKENS,
    UNKNOWN,
    VALID,
    VALID_SHARE,
    VALID_WHERE,
    VECTORS,
    flag,
)


def train(
    domain: Annotated[
        str | None, typer.Argument(help="vision, speech, text, go or playground", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Argument(help="A folder per class, an archive, a table, or a name such as digits.", show_default=False),
    ] = None,
    recipe: Annotated[
        str | None, flag('A network by name, as neocog recipes lists them: "mlp(units=64)".', default="swift")
    ] = None,
    network: Annotated[str | None, flag('The text of a network: "conv(25, 3), relu, …, dense(classes)".')] = None,
    settings: Annotated[Path | None, flag("The settings.toml of a run, to train it again.")] = None,
    weights: Annotated[
        str | None, flag("A pretrained model (file, run folder or name), or a torchvision state_dict.")
    ] = None,
    keep: KEEP = None,
    freeze: FREEZE = False,
    head_first: HEAD_FIRST = False,
    out: Annotated[str | None, flag("The run folder.", default="runs/DOMAIN-RECIPE-TIME")] = None,
    find_lr: Annotated[
        Path | None,
        flag("Instead of training, draw a learning rate range test to this file, .png or .svg.", default="train"),
    ] = None,
    force: Annotated[bool, flag("Replace the run in --out, or the file of --find-lr.", None, "--force")] = False,
    epochs: EPOCHS = None,
    minutes: MINUTES = None,
    batch: BATCH = None,
    lr: LR = None,
    optimiser: OPTIMISER = None,
    augment: AUGMENT = None,
    adversarial: ADVERSARIAL = None,
    seed: SEED = None,
    device: DEVICE = None,
    precision: PRECISION = None,
    accumulate: ACCUMULATE = None,
    balance: BALANCE = None,
    regression_loss: REGRESSION_LOSS = None,
    loss_weights: LOSS_WEIGHTS = None,
    patience: PATIENCE = None,
    threads: THREADS = None,
    tensorboard: TENSORBOARD = False,
    mlflow: MLFLOW = None,
    set_: SET = None,
    test: TEST = None,
    valid: VALID = None,
    group_by: GROUP_BY = None,
    test_share: TEST_SHARE = None,
    valid_share: VALID_SHARE = None,
    split: SPLIT = None,
    folds: Annotated[
        int | None,
        flag("Cross-validation: a training for each of so many folds, below --out.", "Data", default="one training"),
    ] = None,
    fold: Annotated[
        str | None, flag("Train one fold of a cross-validation, 2/5: it is the test split.", "Data", default="none")
    ] = None,
    fold_by: FOLD_BY = None,
    max_bad: MAX_BAD = None,
    exclude: EXCLUDE = None,
    unknown: UNKNOWN = None,
    cache: CACHE = None,
    size: SIZE = None,
    colour: COLOUR = None,
    fit: FIT = None,
    pattern: PATTERN = None,
    test_where: TEST_WHERE = None,
    valid_where: VALID_WHERE = None,
    seconds: SECONDS = None,
    rate: RATE = None,
    text_column: TEXT_COLUMN = None,
    task: TASK = None,
    label_column: LABEL_COLUMN = None,
    label_separator: LABEL_SEPARATOR = None,
    label_names: LABEL_NAMES = None,
    split_column: SPLIT_COLUMN = None,
    file_path: FILE_PATH = None,
    label_level: LABEL_LEVEL = None,
    tokens: TOKENS = None,
    max_length: MAX_LENGTH = None,
    vectors: VECTORS = None,
    planes: PLANES = None,
    inputs: INPUTS = None,
    noise: NOISE = None,
    points: POINTS = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Train a network and write its run folder.

    [bold]neocog train vision photos/[/bold]
    [bold]neocog train vision mnist --recipe keras-digits --epochs 5[/bold]
    [bold]neocog train speech words/ --pattern '{label}_{speaker}_{take}' --group-by speaker[/bold]
    [bold]neocog train vision houses.csv --label-column price[/bold]
    [bold]neocog train vision photos.zip --network "conv(16, 3), relu, globalmax, dense(classes)"[/bold]
    [bold]neocog train vision photos/ --weights efficientnet-lite0 --keep all --freeze[/bold]
    [bold]neocog train go games/ --weights go[/bold]
    """
    changes = {"epochs": epochs, "batch": batch, "lr": lr, "optimiser": optimiser, "augment": augment, "seed": seed}
    changes |= {"head_first": head_first or None, "device": device, "precision": precision, "adversarial": adversarial}
    changes |= {"accumulate": accumulate, "balance": balance, "patience": patience, "threads": threads}
    changes |= {"regression_loss": regression_loss, "loss_weights": loss_weights}
    side = int(size) if size and size.isdecimal() and len(size) < 10 else size
    options = {"size": side, "colour": colour, "fit": fit, "cache": cache, "seconds": seconds, "rate": rate}
    options |= {"pattern": pattern, "test_where": test_where, "valid_where": valid_where}
    options |= {"text_column": text_column, "label_level": label_level}
    options |= {"tokens": tokens, "max_length": max_length, "vectors": parsing.absolute_if_exists(vectors)}
    options |= {"planes": planes, "inputs": inputs, "noise": noise, "points": points}
    split_fields: dict[str, Any] = {
        "test": test,
        "valid": valid,
        "group_by": group_by,
        "test_share": test_share,
        "split": split,
    }
    if fold_by is not None and folds is None and fold is None:
        raise Problem("--fold-by is for --folds and --fold; give the number of folds, as in --folds 5", USAGE)
    split_fields |= {
        "fold": fold,
        "fold_by": fold_by,
        "valid_share": valid_share,
        "unknown": unknown,
        "max_bad": max_bad,
    }
    split_fields |= {"exclude": str(exclude) if exclude else None}
    targets = parsing.targets(task, label_column, split_column, file_path, label_separator, label_names)
    split_fields |= {"targets": targets}
    if minutes is not None:
        if epochs is not None:
            raise Problem("give --epochs or --minutes, not both: the minutes decide the epochs", USAGE)
        check_range("minutes", minutes, "--minutes")
    initial = {"weights": weights, "keep": keep, "freeze": freeze or None}
    plan = parsing.plan(settings, domain, data, recipe, network, initial, changes, set_ or [], options, split_fields)
    plan = replace(plan, minutes=minutes)
    if find_lr:
        _find_lr(plan, find_lr, force, quiet, json)
    elif folds is not None:
        _cross_validate(plan, checked_folds(plan, folds), out, force, Loggers(tensorboard, mlflow), quiet, json)
    else:
        _train(plan, out, force, Loggers(tensorboard, mlflow), quiet, json)


class Loggers(NamedTuple):
    """Other programs that get the metrics of a training."""

    tensorboard: bool
    mlflow: str | None  # the store


def _find_lr(plan: Plan, path: Path, force: bool, quiet: bool, json: bool) -> None:
    """A learning rate range test: draws it and prints the rates that it suggests."""
    from ..core import device as devices
    from ..core.charts import save_range_test
    from ..core.files import check_output
    from ..core.find_lr import range_test
    from ..core.fit import build
    from ..core.run import load_data

    check_output(path, force, (".png", ".svg"))
    device, world = devices.choose(plan.settings.device), devices.World()
    with progress("reading", "files", quiet) as reading:
        data = load_data(plan, world, reading)
    training = build(plan, data, world, device, None)
    for remark in [] if quiet else training.remarks:
        say(remark)
    test = range_test(training)
    save_range_test(test, training.plan.settings.lr, path)
    if json:
        output.document(test.to_dict())
        return
    steepest, lowest = f"{test.steepest:.2g}", f"{test.rates[test.best]:.2g}"
    output.line(f"the loss falls fastest at a learning rate of {steepest}, and is lowest at {lowest}")
    output.line(f"the recipe's is {training.plan.settings.lr:g}; {path} shows the curve; train with --lr {steepest}")


def checked_folds(plan: Plan, folds: int) -> int:
    """The number of folds. Raises Problem for one beside a single fold."""
    if plan.source.fold is not None:
        raise Problem("give --folds for all folds, or --fold for one of them, not both", USAGE)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise Problem(f"--folds trains in one process; give each fold its own command, as in --fold 1/{folds}", USAGE)
    return folds


def _train(plan: Plan, out: str | Path | None, force: bool, loggers: Loggers, quiet: bool, json: bool) -> None:
    folder = _fit(plan, out, force, loggers, quiet)
    _conclude(folder, quiet, json)


def _fit(plan: Plan, out: str | Path | None, force: bool, loggers: Loggers, quiet: bool) -> RunFolder:
    """Trains in a run folder."""
    from ..core import device as devices
    from ..core.run import RunFolder, train

    with unusable(plan.file):
        device = devices.choose(plan.settings.device)
    folder = RunFolder(out, force)
    with devices.world(device) as world, progress("reading", "files", quiet or world.rank > 0) as reading:
        with _listeners(folder, reading, loggers, quiet) as listeners:
            train(plan, folder, listeners, world, device, reading)
        return folder


def _cross_validate(
    plan: Plan,
    count: int,
    out: str | Path | None,
    force: bool,
    loggers: Loggers,
    quiet: bool,
    json: bool,
    resumed: bool = False,
) -> None:
    """A training for each fold in a folder below `out`, and the metrics and rows of all out-of-fold predictions."""
    from .. import load
    from ..core import cross_validation
    from ..core.finalize import finalize
    from ..core.folded import Fold
    from ..core.run import check_new, default_folder
    from . import row_files

    root = Path(out) if out else default_folder(plan)
    if not resumed:
        check_new(root, force)
    folds = [Fold(number, count) for number in range(1, count + 1)]
    for fold in folds:
        folder = cross_validation.folder_of(root, fold)
        if resumed and (folder / "summary.json").exists():
            continue
        if not quiet:
            say(f"fold {fold}")
        if resumed and (folder / "state.safetensors").exists():
            run = _go_on(folder, plan.domain, {}, loggers, quiet)
        else:
            run = _fit(cross_validation.plan_of_fold(plan, fold), folder, True, loggers, quiet)
        if run.training.stop_requested:
            raise Problem(f"stopped in fold {fold}; resume with: neocog resume {quote(str(root))}", INTERRUPTED)
        finalize(run)
    models = [load(str(cross_validation.folder_of(root, fold)), plan.settings.device) for fold in folds]
    parts = cross_validation.out_of_fold(plan, models)
    summary = cross_validation.summarise(root, plan, models, parts)
    rows = (
        {"fold": fold.number, **row}
        for fold, part in zip(folds, parts, strict=True)
        for row in row_files.labelled_rows(models[0].task, part.predictions, part.examples, 1)
    )
    row_files.write_rows(root / "predictions.csv", rows, models[0].task, (*models[0].task.measured_columns, "fold"))
    output.document(summary) if json else output.cross_validation(root, summary, models[0].task)


@contextmanager
def _listeners(
    folder: RunFolder, reading: Progress, loggers: Loggers, quiet: bool
) -> Iterator[list[Callable[[Event], None]]]:
    """What shows a training in the terminal, and what stops it at a signal."""
    from ..core.fit import Begun, Step
    from ..core.signals import stoppable

    bar = TrainingProgress(quiet)

    def introduce(event: Event) -> None:
        if isinstance(event, Begun):
            reading.close()
            bar.quiet = bar.bar.quiet = quiet or not folder.leads
            if not bar.quiet:
                output.introduction(event.training, folder.folder)

    with stoppable() as stop:

        def stop_at_signal(event: Event) -> None:
            if isinstance(event, Step) and stop.requested:
                folder.training.stop()

        listeners: list[Callable[[Event], None]] = [introduce, bar, stop_at_signal]
        if loggers.tensorboard:
            from ..core.tensorboard import TensorBoard

            listeners.append(TensorBoard(folder))
        if loggers.mlflow:
            from ..core.mlflow import MLflow

            listeners.append(MLflow(folder, loggers.mlflow))
        try:
            yield listeners
        finally:
            bar.close()


def _conclude(folder: RunFolder, quiet: bool, json: bool) -> None:
    """Measures a finished training and prints the result; a stopped one says how to resume it."""
    training = folder.training
    if training.stop_requested:
        raise Problem(
            f"stopped at step {training.trainer.number}; resume with: neocog resume {quote(str(folder.folder))}",
            INTERRUPTED,
        )
    if folder.leads:
        from ..core.finalize import finalize  # imports matplotlib

        summary = finalize(folder)
        output.document(summary) if json else output.conclusion(folder, summary)


def resume(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    epochs: Annotated[int | None, flag("New total number of epochs.")] = None,
    tensorboard: TENSORBOARD = False,
    mlflow: MLFLOW = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Resume a run that was stopped, or train a finished one for more epochs.

    Stopped at any step, it ends with the same weights as a run that was never stopped.
    --epochs (the learning rate follows the new total) and --device may change.
    """
    from .. import domain as domain_of
    from ..core import run as runs
    from ..core.cross_validation import begun
    from ..core.folded import Fold
    from ..core.plan import plan_from, read_settings

    if os.path.exists(run) and not os.path.isdir(run):
        raise Problem(f"{run} is a file; resume takes a run folder, as neocog train writes it", USAGE)
    if not (run / "settings.toml").exists() and (first := begun(run)) is not None:
        plan = plan_from(first, domain_of(first["domain"]))
        count = Fold.parse(str(plan.source.fold)).count
        _cross_validate(plan, count, run, True, Loggers(tensorboard, mlflow), quiet, json, resumed=True)
        return
    file = run / "settings.toml"
    tables = read_settings(file)
    with unusable(file):
        domain = domain_of(tables["domain"])
    settings = plan_from(tables, domain, file=file).settings
    trained, planned = runs.epochs_trained(run), epochs or settings.epochs
    ended_early = runs.out_of_patience(run, settings.patience)
    if (run / "summary.json").exists() and (trained >= planned or (ended_early and epochs is None)):
        say(f"{run} is finished: {trained} of {planned} epochs; train further with --epochs {planned * 2}")
        if json:
            output.document(_summary(run / "summary.json"))
        return
    changes = {"epochs": epochs, "device": device, "patience": 0 if epochs and ended_early else None}
    _conclude(_go_on(run, domain, changes, Loggers(tensorboard, mlflow), quiet), quiet, json)


def _go_on(run: Path, domain: Domain, changes: dict[str, Any], loggers: Loggers, quiet: bool) -> RunFolder:
    """Continues the run in a folder from its state."""
    from ..core import device as devices
    from ..core import run as runs
    from ..core.plan import plan_from, read_settings

    file = run / "settings.toml"
    settings = plan_from(read_settings(file), domain, file=file).settings
    with unusable(None if changes.get("device") else file):
        where = devices.choose(changes.get("device") or settings.device)
    with devices.world(where) as world, progress("reading", "files", quiet or world.rank > 0) as reading:
        folder = runs.RunFolder(run, resumed=True)
        with _listeners(folder, reading, loggers, quiet) as listeners:
            runs.resume(folder, domain, changes, listeners, world, reading, named_model)
        return folder


def named_model(text: str) -> ModelSource:
    """The model that a settings.toml names; a file need not be there any more, since a state holds its weights."""
    from .. import PRETRAINED, find
    from ..core.model_source import ModelSource

    return find(text) if text in PRETRAINED else ModelSource(text)


def _summary(path: Path) -> Any:
    """The metrics of a finished run. Raises Problem if the file is damaged."""
    try:
        return json_format.loads(files.read_text(path, "the summary.json of a run"))
    except (ValueError, RecursionError):
        raise Problem(f"{path} is damaged: it is no JSON; measure the model with neocog evaluate", DATA) from None
