"""The command line: which commands there are, and how problems end. Only the command that is used is built."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer

from .commands.deferred import defer_imports
from .commands.help import Group
from .core.problem import FAILED, INTERRUPTED, Problem
from .core.process import drop_output
from .core.progress import say


class Command(NamedTuple):
    """Where a command is implemented, and how `neocog --help` lists it."""

    name: str
    module: str  # of neocog.commands
    summary: str  # the first line of its docstring
    panel: str | None = None

    @property
    def function(self) -> str:
        """The name of its function in the module."""
        return self.name.replace("-", "_")


COMMANDS = (
    Command("train", "train", "Train a network and write its run folder."),
    Command("resume", "train", "Resume a run that was stopped, or train a finished one for more epochs."),
    Command("evaluate", "predict", "Measure a model on labelled data: accuracy, metrics per label, calibration."),
    Command("predict", "predict", "Predict labels for files, folders or text."),
    Command(
        "features",
        "features",
        "Write a vector of features for each input: what a layer of a model gives, in float32.",
        "Search",
    ),
    Command(
        "similar",
        "similar",
        "Find the inputs of a collection that are most similar to some inputs, by the features of a model.",
        "Search",
    ),
    Command(
        "align",
        "align",
        "Align two models: map their features into one space, so that an input of one finds those of the other.",
        "Search",
    ),
    Command("export", "export", "Export a model as one file for other programs: ONNX, or PyTorch's .pt2."),
    Command("serve", "serve", "Serve models over HTTP: predictions, explanations, metrics."),
    Command("play", "serve", "Open a page on this machine: draw a digit, see every layer, watch a network learn."),
    Command(
        "playground",
        "playground",
        "The ten exercises on points in a plane: what a network can separate, and how often a start succeeds.",
        "Understand",
    ),
    Command("tune", "tune", "Search for a better network and settings by trials, and train the best again."),
    Command("runs", "runs", "List the runs below a folder: what was trained, how well, and in what time."),
    Command("compare", "runs", "Compare runs: results, settings that differ, and whether a difference is one."),
    Command(
        "clean", "clean", "Find wrong labels, near-duplicates and outliers in a data set; nothing is changed.", "Search"
    ),
    Command(
        "curve",
        "curve",
        "Plot the accuracy of a new head by the number of layers that are kept of a trained model, frozen.",
        "Search",
    ),
    Command("describe", "inspect", "Measure a network: output shapes, parameters, costs, receptive fields."),
    Command("recipes", "inspect", "List the networks that have a name."),
    Command("check", "inspect", "Check data before training: counts, unusable files, duplicates."),
    Command(
        "convert",
        "convert",
        "Convert a classifier into a fully convolutional network, and slide it over larger pictures.",
        "Understand",
    ),
    Command(
        "convert-labels",
        "labels",
        "Convert boxes with labels between the formats of annotation programs: COCO, VOC, YOLO, Label Studio, …",
    ),
    Command("demo", "demo", "Train a small network of each domain on data that is included, in a minute or two."),
    Command(
        "explain",
        "explain",
        "Show which parts of an input a prediction depends on: pixels, spectrogram, words or points of a board.",
        "Understand",
    ),
    Command(
        "filters",
        "filters",
        "Show the learned filters of a layer, its activations for an input, or the inputs with the "
        "largest activations.",
        "Understand",
    ),
    Command(
        "imagine",
        "imagine",
        "Feature visualisation: optimise inputs for a label, or for a unit of a layer.",
        "Understand",
    ),
    Command("attack", "attack", "Measure robustness to adversarial perturbations and corruptions.", "Understand"),
    Command(
        "dream",
        "imagine",
        "Deep dream: change a photo so that the activations of a layer increase. Ctrl-C keeps the last picture.",
        "Understand",
    ),
    Command(
        "style",
        "imagine",
        "Neural style transfer: one picture in the style of another. Ctrl-C keeps the last picture.",
        "Understand",
    ),
)
GO = Command("go", "review", "Boards, game records, a GTP engine, matches.", "Go")  # a group of commands


def application(arguments: Sequence[str] | None = None) -> typer.Typer:
    """The Typer application. With `arguments`, only the command that they use has its options; others have a name.

    Building the options of all commands takes Typer 0.15 s.
    """
    app = typer.Typer(
        cls=Group,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 3 a file (data or model) cannot be used, 130 interrupted.",
    )
    app.callback()(start)
    used = None if arguments is None else next((word for word in arguments if not word.startswith("-")), "")
    for command in COMMANDS:
        if used in (None, command.name):
            app.command(command.name, rich_help_panel=command.panel)(getattr(_module(command), command.function))
        else:
            app.command(command.name, rich_help_panel=command.panel, help=command.summary)(_unused)
    if used in (None, GO.name):
        app.add_typer(_module(GO).app, name=GO.name, rich_help_panel=GO.panel)
    else:
        app.command(GO.name, rich_help_panel=GO.panel, help=GO.summary)(_unused)
    return app


def _module(command: Command) -> Any:
    return import_module(f".commands.{command.module}", __package__)


def _unused() -> None:
    raise AssertionError("only the command that is used is called")


def __getattr__(name: str) -> Any:
    """`app`, with the options of all commands."""
    if name == "app":
        return application()
    raise AttributeError(f"module {__name__} has no attribute {name}")


_debug = False


def _version(requested: bool) -> None:
    if requested:
        from .core.versions import neocog_version

        print(f"neocog {neocog_version()}")
        raise typer.Exit


def start(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of every problem.")] = False,
) -> None:
    """Train, measure, understand and use convolutional networks on your own data.

    [bold]neocog demo[/bold]                             a tour of all domains in a minute
    [bold]neocog train vision photos/[/bold]             train on a folder with a subfolder per class
    [bold]neocog predict runs/… picture.jpg[/bold]       predict the label of a file
    """
    global _debug
    _debug = debug


def main() -> None:
    """Runs a command; a Problem is one sentence on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal without ä prints \xe4
    defer_imports()
    completing = any(name.startswith("_") and name.endswith("_COMPLETE") for name in os.environ)
    try:
        _run(application(None if completing else sys.argv[1:]))
    except Problem as problem:
        if _debug:
            raise
        say(f"neocog: {problem}" if problem.code != INTERRUPTED else str(problem))
        sys.exit(problem.code)
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of the output has closed the pipe
        drop_output()
        sys.exit(FAILED)
    except Exception as error:
        from .core.dependencies import import_problem

        reason = import_problem(error) or system_problem(error)
        if _debug or reason is None:
            raise
        say(f"neocog: {reason}")
        drop_output()
        sys.exit(reason.code)


def _run(app: typer.Typer) -> None:
    """Runs a command and writes all of its output, of which a part may still be in memory."""
    try:
        app()
    except SystemExit:
        sys.stdout.flush()
        raise


def system_problem(error: Exception) -> Problem | None:
    """An error of the operating system as a sentence; None for any other error."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    if error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF) and error.filename is None:
        return Problem(f"standard output cannot be written: {os.strerror(error.errno).lower()}")
    subject = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return Problem(f"{subject}{os.strerror(error.errno).lower()}; neocog --debug … shows where it happened")
