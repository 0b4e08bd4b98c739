"""The command line: options to settings, results to sentences. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .commands import attack, explain, filters, imagine, play, tell, typed
from .commands.flags import (
    ADVERSARIAL,
    AUGMENT,
    BATCH,
    CACHE,
    COLOUR,
    DEVICE,
    EPOCHS,
    FIT,
    GROUP_BY,
    JSON,
    LABEL_COLUMN,
    LABEL_LEVEL,
    LABELS,
    LR,
    MAX_BAD,
    MAX_LENGTH,
    MODEL,
    MOVE,
    OPTIMISER,
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
    SYMMETRIES,
    TENSORBOARD,
    TEST,
    TEST_SHARE,
    TEST_WHERE,
    TEXT_COLUMN,
    TOKENS,
    UNKNOWN,
    VALID,
    VALID_SHARE,
    VALID_WHERE,
    VECTORS,
    flag,
)
from .core.problem import DATA, FAILED, INTERRUPTED, USAGE, Problem
from .core.progress import Progress, TrainingProgress, progress, say

if TYPE_CHECKING:
    from .core.fit import Event
    from .core.plan import Plan
    from .core.run import RunFolder

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 3 the data cannot be used, 130 interrupted.",
)


def _version(asked: bool) -> None:
    if asked:
        from .core.versions import own

        print(f"neocog {own()}")
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of every problem.")] = False,
) -> None:
    """Train, measure, understand and use convolutional networks on your own data.

    [bold]neocog demo[/bold]                             what it does, in a minute
    [bold]neocog train vision photos/[/bold]             a network from a folder per class
    [bold]neocog predict runs/… picture.jpg[/bold]       what it says
    """
    global _debug
    _debug = debug


_debug = False


# --- train, resume -------------------------------------------------------------------------------------------------


@app.command()
def train(
    domain: Annotated[str | None, typer.Argument(help="vision, speech, text or go", show_default=False)] = None,
    data: Annotated[
        str | None,
        typer.Argument(help="A folder per class, an archive, a table, or a name such as digits.", show_default=False),
    ] = None,
    recipe: Annotated[str | None, flag('A network by name: neocog recipes. Or "mlp(units=64)".')] = None,
    network: Annotated[str | None, flag('A network in words: "conv(25, 3), relu, …, dense(classes)".')] = None,
    settings: Annotated[Path | None, flag("A run's settings.toml, to run it again.")] = None,
    weights: Annotated[str | None, flag("A model to begin from, or a torchvision state_dict.")] = None,
    out: Annotated[str | None, flag("The run's folder; default runs/DOMAIN-RECIPE-TIME.")] = None,
    force: Annotated[bool, flag("Replace the run in --out.", None, "--force")] = False,
    epochs: EPOCHS = None,
    batch: BATCH = None,
    lr: LR = None,
    optimiser: OPTIMISER = None,
    augment: AUGMENT = None,
    adversarial: ADVERSARIAL = None,
    seed: SEED = None,
    device: DEVICE = None,
    precision: PRECISION = None,
    tensorboard: TENSORBOARD = False,
    set_: SET = None,
    test: TEST = None,
    valid: VALID = None,
    group_by: GROUP_BY = None,
    test_share: TEST_SHARE = None,
    valid_share: VALID_SHARE = None,
    split: SPLIT = None,
    max_bad: MAX_BAD = None,
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
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    tokens: TOKENS = None,
    max_length: MAX_LENGTH = None,
    vectors: VECTORS = None,
    planes: PLANES = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Train a network and write its run's folder.

    [bold]neocog train vision photos/[/bold]
    [bold]neocog train vision mnist --recipe keras-digits --epochs 5[/bold]
    [bold]neocog train speech words/ --pattern '{label}_{speaker}_{take}' --group-by speaker[/bold]
    [bold]neocog train vision photos.zip --network "conv(16, 3), relu, globalmax, dense(classes)"[/bold]
    [bold]neocog train go games/ --weights go[/bold]
    """
    changes = {"epochs": epochs, "batch": batch, "lr": lr, "optimiser": optimiser, "augment": augment, "seed": seed}
    changes |= {"device": device, "precision": precision, "adversarial": adversarial}
    own = {"size": size, "colour": colour, "fit": fit, "cache": cache, "seconds": seconds, "rate": rate}
    own |= {"pattern": pattern, "test_where": test_where, "valid_where": valid_where}
    own |= {"text_column": text_column, "label_column": label_column, "label_level": label_level}
    own |= {"tokens": tokens, "max_length": max_length, "vectors": vectors.absolute() if vectors else None}
    own |= {"planes": planes}
    parts = {"test": test, "valid": valid, "group_by": group_by, "test_share": test_share, "split": split}
    told = parts | {"valid_share": valid_share, "unknown": unknown, "max_bad": max_bad}
    plan = typed.plan(settings, domain, data, recipe, network, weights, changes, set_ or [], own, told)
    _train(plan, out, force, tensorboard, quiet, json)


def _train(plan: Plan, out: str | None, force: bool, tensorboard: bool, quiet: bool, json: bool) -> None:
    from .core import device as devices
    from .core.run import RunFolder, train

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
    from .core.fit import Begun, Step
    from .core.signals import stoppable

    bar = TrainingProgress(quiet)

    def introduce(event: Event) -> None:
        if isinstance(event, Begun):
            reading.close()
            bar.quiet = bar.bar.quiet = quiet or not folder.leads
            if not bar.quiet:
                tell.introduction(event.training, folder.folder)

    with stoppable() as stop:

        def stop_at_signal(event: Event) -> None:
            if isinstance(event, Step) and stop.requested:
                folder.training.stop()

        listeners: list[Callable[[Event], None]] = [introduce, bar, stop_at_signal]
        if tensorboard:
            from .core.tensorboard import TensorBoard

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
        from .core.finalize import finalize  # imports matplotlib

        summary = finalize(folder)
        tell.document(summary) if json else tell.conclusion(folder, summary)


@app.command()
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
    from . import domain as domain_of
    from .core import device as devices
    from .core import run as runs
    from .core.plan import read_settings

    tables = read_settings(run / "settings.toml")
    settings = tables.get("train", {})
    trained, planned = runs.epochs_trained(run), epochs or settings.get("epochs", 0)
    if trained >= planned and (run / "summary.json").exists():
        say(f"{run} is finished: {trained} of {planned} epochs; train further with --epochs {planned * 2}")
        if json:
            tell.document(json_format.loads((run / "summary.json").read_text(encoding="utf-8")))
        return
    where = devices.choose(device or settings.get("device", "auto"))
    with devices.world(where) as world, progress("reading", "files", quiet or world.rank > 0) as reading:
        folder = runs.RunFolder(run, resumed=True)
        with _listeners(folder, reading, tensorboard, quiet) as listeners:
            changes = {"epochs": epochs, "device": device}
            runs.resume(folder, domain_of(tables["domain"]), changes, listeners, world, reading)
        _conclude(folder, quiet, json)


# --- evaluate, predict ----------------------------------------------------------------------------------------------


@app.command()
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
    """Accuracy with its interval, per class, and calibration.

    [bold]neocog evaluate runs/vision-swift-… photos/[/bold]
    [bold]neocog evaluate go games.zip --symmetries 8[/bold]
    """
    import time

    from . import load

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


@app.command()
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
    """What the network says of files. What is longer than an example is answered in overlapping windows.

    [bold]neocog predict runs/vision-swift-… cat.jpg holiday/[/bold]
    [bold]cat cat.jpg | neocog predict runs/… - --json[/bold]
    [bold]neocog predict runs/speech-… meeting.flac --labels meeting.TextGrid[/bold]
    [bold]neocog predict runs/text-… reviews.csv > answered.csv[/bold]
    [bold]tail -f log | neocog predict runs/text-… -[/bold]
    [bold]neocog predict game.sgf --move 57 --top 5 --symmetries 8[/bold]
    """
    from . import load
    from .commands import answers as special
    from .core.inputs import BytesInput

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


@app.command()
def describe(
    network: Annotated[str, typer.Argument(help="A network in words, a recipe, a model file or a run's folder.")],
    input_: Annotated[str | None, flag("Its input, as 3x32x32 (channels, height, width).", None, "--input")] = None,
    classes: Annotated[int, typer.Option(help="How many labels `classes` stands for.", min=1)] = 10,
    domain: Annotated[str | None, flag("Whose recipe it is, where several domains have one of that name.")] = None,
    svg: Annotated[Path | None, flag("Write a drawing of it.")] = None,
    json: JSON = False,
) -> None:
    """Output shapes, parameters, multiply-accumulates, receptive fields; of a model, also where it comes from.

    [bold]neocog describe "conv(25, 3), relu, maxpool(2), flatten, dense(10)" --input 1x28x28[/bold]
    [bold]neocog describe resnet18 --svg resnet18.svg[/bold]
    """
    from .commands.named import card_of, network_of

    found, name = network_of(network, input_, classes, domain)
    card = card_of(network)
    if svg:
        from .core import diagram, files

        files.write_text(svg, diagram.svg(found, name))
        say(f"wrote {svg}")
    if json:
        tell.document(found.to_dict() | ({"card": asdict(card)} if card else {}))
    else:
        from .core import diagram

        tell.console().print(diagram.table(found))
        if card:
            tell.card(card)


@app.command()
def recipes(
    domain: Annotated[str | None, typer.Argument(help="vision, speech, text or go", show_default=False)] = None,
    json: JSON = False,
) -> None:
    """The networks that can be asked for by name."""
    from . import DOMAINS
    from . import domain as domain_of
    from .core.constants import network_constants
    from .core.network import Network

    told: list[dict[str, Any]] = []
    for name in [domain] if domain else DOMAINS:
        for recipe_name, recipe in (found := domain_of(name)).recipes.items():
            network = Network(recipe.input, recipe.layers(10, **network_constants(found, {})))
            told.append(
                {
                    "domain": name,
                    "recipe": recipe_name,
                    "default": recipe_name == found.default,
                    "input": list(recipe.input),
                    "parameters": network.parameters,
                    "macs": network.macs,
                    "about": recipe.about,
                }
            )
    if json:
        tell.document(told)
        return
    tell.recipes(told)


@app.command()
def check(
    domain: Annotated[str, typer.Argument(help="vision, speech, text or go")],
    data: Annotated[str, typer.Argument(help="As for train.")],
    test: TEST = None,
    group_by: GROUP_BY = None,
    test_share: TEST_SHARE = None,
    split: SPLIT = None,
    pattern: PATTERN = None,
    test_where: TEST_WHERE = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """What training would meet in your data: counts, bad files, duplicates.

    [bold]neocog check vision photos/[/bold]
    [bold]neocog check speech recordings/[/bold]
    """
    from . import domain as domain_of

    own = {"pattern": pattern, "test_where": test_where}
    own |= {"text_column": text_column, "label_column": label_column, "label_level": label_level}
    source = typed.source(data, own, test=test, group_by=group_by, test_share=test_share, split=split)
    with progress("checking", "files", quiet) as shown:
        told = domain_of(domain).check(replace(source, progress=shown))
    tell.document(told) if json else tell.check(told)


@app.command()
def demo(
    quick: Annotated[bool, flag("A few seconds of it.", None, "--quick")] = False,
    out: Annotated[str | None, flag("The run's folder; default runs/demo-TIME.")] = None,
) -> None:
    """What it does, on real data that comes with it, in a minute or two."""
    from .demo import show_demo

    show_demo(quick, out)


for command in (
    *(explain.explain, filters.filters, imagine.imagine, attack.attack),
    *(imagine.dream, imagine.style),
):
    app.command(rich_help_panel="Understand")(command)
app.add_typer(play.app, name="go", rich_help_panel="Go")


def main() -> None:
    """Run a command; a Problem is one sentence on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no ä prints \xe4 and goes on
    try:
        app()
    except Problem as problem:
        if _debug:
            raise
        say(f"neocog: {problem}" if problem.code != INTERRUPTED else str(problem))
        sys.exit(problem.code)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough
        sys.exit(FAILED)
    except Exception as error:
        from .core.dependencies import import_problem

        broken = import_problem(error)
        if _debug or broken is None:
            raise
        say(f"neocog: {broken}")
        sys.exit(broken.code)
