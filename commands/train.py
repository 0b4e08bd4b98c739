"""The commands train and resume."""

from __future__ import annotations

import json as json_format
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.problem import INTERRUPTED, USAGE, Problem
from ..core.progress import Progress, TrainingProgress, progress, say
from . import output, parsing

if TYPE_CHECKING:
    from ..core.fit import Event
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
    FREEZE,
    GROUP_BY,
    HEAD_FIRST,
    JSON,
    KEEP,
    LABEL_COLUMN,
    LABEL_LEVEL,
    LR,
    MAX_BAD,
    MAX_LENGTH,
    OPTIMISER,
    PATIENCE,
    PATTERN,
    PLANES,
    PRECISION,
    QUIET,
    RATE,
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
    domain: Annotated[str | None, typer.Argument(help="vision, speech, text or go", show_default=False)] = None,
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
    patience: PATIENCE = None,
    threads: THREADS = None,
    tensorboard: TENSORBOARD = False,
    set_: SET = None,
    test: TEST = None,
    valid: VALID = None,
    group_by: GROUP_BY = None,
    test_share: TEST_SHARE = None,
    valid_share: VALID_SHARE = None,
    split: SPLIT = None,
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
    split_column: SPLIT_COLUMN = None,
    file_path: FILE_PATH = None,
    label_level: LABEL_LEVEL = None,
    tokens: TOKENS = None,
    max_length: MAX_LENGTH = None,
    vectors: VECTORS = None,
    planes: PLANES = None,
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
    options = {"size": size, "colour": colour, "fit": fit, "cache": cache, "seconds": seconds, "rate": rate}
    options |= {"pattern": pattern, "test_where": test_where, "valid_where": valid_where}
    options |= {"text_column": text_column, "label_level": label_level}
    options |= {"tokens": tokens, "max_length": max_length, "vectors": parsing.absolute_if_exists(vectors)}
    options |= {"planes": planes}
    split_fields: dict[str, Any] = {
        "test": test,
        "valid": valid,
        "group_by": group_by,
        "test_share": test_share,
        "split": split,
    }
    split_fields |= {"valid_share": valid_share, "unknown": unknown, "max_bad": max_bad}
    split_fields |= {"exclude": str(exclude) if exclude else None}
    split_fields |= {"targets": parsing.targets(task, label_column, split_column, file_path)}
    initial = {"weights": weights, "keep": keep, "freeze": freeze or None}
    plan = parsing.plan(settings, domain, data, recipe, network, initial, changes, set_ or [], options, split_fields)
    if find_lr:
        _find_lr(plan, find_lr, force, quiet, json)
    else:
        _train(plan, out, force, tensorboard, quiet, json)


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


def _train(plan: Plan, out: str | None, force: bool, tensorboard: bool, quiet: bool, json: bool) -> None:
    from ..core import device as devices
    from ..core.run import RunFolder, train

    device = devices.choose(plan.settings.device)
    folder = RunFolder(out, force)
    with devices.world(device) as world, progress("reading", "files", quiet or world.rank > 0) as reading:
        with _listeners(folder, reading, tensorboard, quiet) as listeners:
            train(plan, folder, listeners, world, device, reading)
        _conclude(folder, quiet, json)


@contextmanager
def _listeners(
    folder: RunFolder, reading: Progress, tensorboard: bool, quiet: bool
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
        if tensorboard:
            from ..core.tensorboard import TensorBoard

            listeners.append(TensorBoard(folder))
        try:
            yield listeners
        finally:
            bar.close()


def _conclude(folder: RunFolder, quiet: bool, json: bool) -> None:
    """Measures a finished training and prints the result; a stopped one says how to resume it."""
    training = folder.training
    if training.stop_requested:
        raise Problem(
            f"stopped at step {training.trainer.number}; resume with: neocog resume {folder.folder}", INTERRUPTED
        )
    if folder.leads:
        from ..core.finalize import finalize  # imports matplotlib

        summary = finalize(folder)
        output.document(summary) if json else output.conclusion(folder, summary)


def resume(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    epochs: Annotated[int | None, flag("New total number of epochs.")] = None,
    tensorboard: TENSORBOARD = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Resume a run that was stopped, or train a finished one for more epochs.

    Stopped at any step, it ends with the same weights as a run that was never stopped.
    --epochs (the learning rate follows the new total) and --device may change.
    """
    from .. import domain as domain_of
    from ..core import device as devices
    from ..core import run as runs
    from ..core.plan import read_settings

    if os.path.exists(run) and not os.path.isdir(run):
        raise Problem(f"{run} is a file; resume takes a run folder, as neocog train writes it", USAGE)
    tables = read_settings(run / "settings.toml")
    settings = tables.get("train", {})
    trained, planned = runs.epochs_trained(run), epochs or settings.get("epochs", 0)
    ended_early = runs.out_of_patience(run, settings.get("patience", 0))
    if (run / "summary.json").exists() and (trained >= planned or (ended_early and epochs is None)):
        say(f"{run} is finished: {trained} of {planned} epochs; train further with --epochs {planned * 2}")
        if json:
            output.document(json_format.loads((run / "summary.json").read_text(encoding="utf-8")))
        return
    where = devices.choose(device or settings.get("device", "auto"))
    with devices.world(where) as world, progress("reading", "files", quiet or world.rank > 0) as reading:
        folder = runs.RunFolder(run, resumed=True)
        with _listeners(folder, reading, tensorboard, quiet) as listeners:
            changes = {"epochs": epochs, "device": device, "patience": 0 if epochs and ended_early else None}
            runs.resume(folder, domain_of(tables["domain"]), changes, listeners, world, reading)
        _conclude(folder, quiet, json)
