"""The command line: options to settings, results to sentences. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json as json_format
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import tell
from .core.problem import DATA, FAILED, INTERRUPTED, USAGE, Problem
from .core.progress import TrainingProgress, progress, say

if TYPE_CHECKING:
    from .core.domain import Source
    from .core.model import Model
    from .core.network import Network
    from .core.run import Run

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong use, 3 the data cannot be used, 130 interrupted.",
)

MODEL = Annotated[str, typer.Argument(help="A model file or a run's folder.", show_default=False)]
JSON = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
QUIET = Annotated[bool, typer.Option("--quiet", help="No progress and no remarks.")]
DEVICE = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
TEST = Annotated[str | None, typer.Option(help="Test data of their own.", show_default=False)]
UNKNOWN = Annotated[str, typer.Option(help="stop, or skip what has a label that the model does not know.")]
MAX_BAD = Annotated[float, typer.Option(help="Share of unusable files above which nothing starts.")]
GROUP_BY = Annotated[
    str | None,
    typer.Option(
        help="What stays on one side: a table's column, or a regular expression in the path.", show_default=False
    ),
]
TEXT_COLUMN = Annotated[
    str | None,
    typer.Option(
        help="Columns with the text, by name or number: title,body.", rich_help_panel="Texts", show_default=False
    ),
]
LABEL_COLUMN = Annotated[
    str | None,
    typer.Option(help="The column with the label, by name or number.", rich_help_panel="Texts", show_default=False),
]
LABEL_LEVEL = Annotated[
    str | None, typer.Option(help="coarse or fine: DESC:manner.", rich_help_panel="Texts", show_default=False)
]
CACHE = Annotated[Path | None, typer.Option(help="Where decoded data are kept.", show_default=False)]


def _option(help_text: str, panel: str | None = None, *names: str) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=panel, show_default=False)


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
    domain: Annotated[str | None, typer.Argument(help="vision", show_default=False)] = None,
    data: Annotated[
        str | None,
        typer.Argument(help="A folder per class, an archive, a table, or a name such as digits.", show_default=False),
    ] = None,
    recipe: Annotated[str | None, _option('A network by name: neocog recipes. Or "mlp(units=64)".')] = None,
    network: Annotated[str | None, _option('A network in words: "conv(25, 3), relu, …, dense(classes)".')] = None,
    settings: Annotated[Path | None, _option("A run's settings.toml, to run it again.")] = None,
    weights: Annotated[Path | None, _option("A torchvision state_dict to begin from.")] = None,
    out: Annotated[str | None, _option("The run's folder; default runs/DOMAIN-RECIPE-TIME.")] = None,
    force: Annotated[bool, _option("Replace the run in --out.", None, "--force")] = False,
    epochs: Annotated[int | None, _option("Passes over the training data.", "Training")] = None,
    batch: Annotated[int | None, _option("Examples in a step.", "Training")] = None,
    lr: Annotated[float | None, _option("The highest learning rate.", "Training")] = None,
    optimiser: Annotated[str | None, _option("adamw, sgd or muon.", "Training")] = None,
    augment: Annotated[str | None, _option('Random changes: "flip, crop(4), rotate(10)", or none.', "Training")] = None,
    seed: Annotated[int | None, _option("The number that all randomness comes from.", "Training")] = None,
    device: Annotated[str | None, _option("auto, cpu, cuda, cuda:1 or mps.", "Training")] = None,
    precision: Annotated[str | None, _option("auto, float32 or bfloat16.", "Training")] = None,
    set_: Annotated[list[str] | None, _option("Any other setting: --set smoothing=0.1", "Training", "--set")] = None,
    test: Annotated[str | None, _option("Test data of their own.", "Data")] = None,
    valid: Annotated[str | None, _option("Validation data of their own.", "Data")] = None,
    group_by: Annotated[
        str | None, _option("What stays on one side: a table's column, or a regular expression in the path.", "Data")
    ] = None,
    test_share: Annotated[float | None, _option("Share kept for the test where none is given; 0.15.", "Data")] = None,
    split: Annotated[int | None, _option("A number: another one divides otherwise.", "Data")] = None,
    max_bad: Annotated[float | None, _option("Share of unusable files above which nothing starts.", "Data")] = None,
    unknown: Annotated[str | None, _option("stop or skip: a test label that training has not seen.", "Data")] = None,
    cache: Annotated[Path | None, _option("Where decoded data are kept.", "Data")] = None,
    size: Annotated[int | None, _option("The side of the picture in pixels.", "Pictures")] = None,
    colour: Annotated[str | None, _option("auto, grey or rgb.", "Pictures")] = None,
    fit: Annotated[str | None, _option("crop, stretch or pad to a square.", "Pictures")] = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    tokens: Annotated[str | None, _option("words, characters or bytes.", "Texts")] = None,
    max_length: Annotated[int | None, _option("The most tokens of a text; 1024.", "Texts")] = None,
    vectors: Annotated[Path | None, _option("Word vectors: GloVe, word2vec or fastText.", "Texts")] = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Train a network and write its run's folder.

    [bold]neocog train vision photos/[/bold]
    [bold]neocog train vision mnist --recipe keras-digits --epochs 5[/bold]
    [bold]neocog train vision photos.zip --network "conv(16, 3), relu, globalmax, dense(classes)"[/bold]
    """
    from . import domain as domain_of
    from .core import device as devices
    from .core import run as runs
    from .core.plan import Plan, plan_from, read_settings

    typed = {"epochs": epochs, "batch": batch, "lr": lr, "optimiser": optimiser, "augment": augment, "seed": seed}
    assigned = _assignments(set_ or [])
    changes = typed | {"device": device, "precision": precision}
    if settings is not None:
        if domain or data or recipe or network:
            raise Problem("--settings names the domain, the data and the network; leave the others out", USAGE)
        told = read_settings(settings)
        plan = plan_from(told, domain_of(told["domain"]), changes | assigned)
    elif domain is None or data is None:
        raise Problem("train takes a domain and data, as in: neocog train vision photos/", USAGE)
    else:
        found = domain_of(domain)
        own = {name: assigned.pop(name) for name in set(assigned) & set(found.options)}
        own |= {"size": size, "colour": colour, "fit": fit, "cache": cache, "tokens": tokens, "max_length": max_length}
        own |= {"text_column": text_column, "label_column": label_column, "label_level": label_level}
        own |= {"vectors": vectors.absolute() if vectors else None}
        source = _divided(_source(data, test, valid, group_by, unknown, max_bad, **own), test_share, split)
        begin = str(weights.absolute()) if weights else None
        plan = Plan.of(found, source, recipe, network, changes | assigned, begin)
    where = devices.choose(plan.settings.device)
    with devices.world(where) as world, progress("reading", "files", quiet or world.rank > 0) as reading:
        run = runs.begin(plan, out, force, world, where, reading)
        reading.close()
        _go(run, quiet, json)


def _source(
    data: str, test: str | None, valid: str | None, group_by: str | None, unknown: str | None, max_bad: float | None,
    **options: Any,
) -> Source:  # fmt: skip
    from .core.domain import Source

    if unknown not in (None, "stop", "skip"):
        raise Problem(f"--unknown is stop or skip; got {unknown}", USAGE)
    if max_bad is not None and not 0 <= max_bad <= 1:
        raise Problem(f"--max-bad is a share from 0 to 1; got {max_bad:g}", USAGE)
    typed = {"test": test, "valid": valid, "group_by": group_by, "unknown": unknown, "max_bad": max_bad}
    told: dict[str, Any] = {name: value for name, value in typed.items() if value is not None}
    own = {
        name: str(value) if isinstance(value, Path) else value for name, value in options.items() if value is not None
    }
    return Source(data, options=own, **told)


def _divided(source: Source, test_share: float | None, split: int | None) -> Source:
    if test_share is not None and not 0 <= test_share <= 0.9:
        raise Problem(f"--test-share is a share from 0 to 0.9; got {test_share:g}", USAGE)
    typed = {"test_share": test_share, "split": split}
    return replace(source, **{name: value for name, value in typed.items() if value is not None})  # type: ignore[arg-type]


def _assignments(texts: list[str]) -> dict[str, Any]:
    """`smoothing=0.1` as {"smoothing": 0.1}: numbers and true/false as such, all else as text."""
    told: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise Problem(f"--set takes NAME=VALUE, as in --set smoothing=0.1; got {text}", USAGE)
        try:
            told[name.strip()] = json_format.loads(value)
        except ValueError:
            told[name.strip()] = value.strip()
    return told


def _go(run: Run, quiet: bool, json: bool) -> None:
    """Train a run to its end, or to the signal that stops it, and tell what came of it."""
    from .core.signals import stoppable

    quiet = quiet or not run.leads
    if not quiet:
        tell.introduction(run)
    settings = run.plan.settings
    shown = TrainingProgress(settings.epochs, len(run.data.train), quiet)
    with stoppable() as stop:
        try:

            def watch(trainer: Any, steps: int) -> bool:
                return shown.step(trainer, steps) or stop.asked

            for epoch in run.go(watch):
                shown.epoch(epoch)
        finally:
            shown.close()
    if run.stopped:
        raise Problem(f"stopped at step {run.trainer.number}; go on with: neocog resume {run.folder}", INTERRUPTED)
    if run.leads:
        summary = run.close()
        tell.document(summary) if json else tell.conclusion(run, summary)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    epochs: Annotated[int | None, _option("A later end than planned.")] = None,
    device: Annotated[str | None, _option("Another device: auto, cpu, cuda, cuda:1 or mps.")] = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Go on with a run that was stopped, or train a finished one further.

    Stopped at any step, it ends with the weights of a run that was never stopped.
    What may change is --epochs (the learning rate follows the new end) and --device.
    """
    from . import domain as domain_of
    from .core import device as devices
    from .core import run as runs
    from .core.plan import read_settings

    told = read_settings(run / "settings.toml")
    changes = {"epochs": epochs, "device": device}
    where = devices.choose(device or told.get("train", {}).get("device", "auto"))
    with devices.world(where) as world, progress("reading", "files", quiet or world.rank > 0) as reading:
        found = runs.resume(run, domain_of(told["domain"]), changes, world, reading)
        reading.close()
        done, planned = len(found.trainer.history), found.plan.settings.epochs
        if done >= planned and (run / "summary.json").exists():
            say(f"{run} is finished: {done} of {planned} epochs; train further with --epochs {planned * 2}")
            if json:
                tell.document(json_format.loads((run / "summary.json").read_text(encoding="utf-8")))
            return
        _go(found, quiet, json)


# --- evaluate, predict ----------------------------------------------------------------------------------------------


@app.command()
def evaluate(
    model: MODEL,
    data: Annotated[str, typer.Argument(help="As for train; its test part is used where it has one.")],
    part: Annotated[str | None, _option("test, valid, train or all.")] = None,
    test: TEST = None,
    unknown: UNKNOWN = "stop",
    max_bad: MAX_BAD = 0.05,
    cache: CACHE = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    confusion: Annotated[Path | None, _option("Write the confusion matrix as a PNG.")] = None,
    device: DEVICE = "auto",
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Accuracy with its interval, per class, and calibration.

    [bold]neocog evaluate runs/vision-swift-… photos/[/bold]
    """
    import time

    from . import load

    if part not in (None, "train", "valid", "test", "all"):
        raise Problem(f"--part is test, valid, train or all; got {part}", USAGE)
    found = load(model, device)
    division = found.division
    own = {"cache": cache, "text_column": text_column, "label_column": label_column, "label_level": label_level}
    source = _source(data, test, None, division.pop("group_by", None), unknown, max_bad, **own)
    source = replace(source, **division)
    with progress("reading", "files", quiet) as reading:
        loaded = found.domain.load(replace(source, progress=reading), found.labels, found.card.facts)
    began = time.perf_counter()
    scores = found.evaluate(loaded, part) | {"seconds": round(time.perf_counter() - began, 2), "model": model}
    for remark in [] if quiet else loaded.remarks:
        say(remark)
    if confusion:
        from .core import plot

        plot.confusion(scores["confusion"], found.labels, confusion)
    tell.document(scores) if json else tell.scores(scores, found.labels)


@app.command()
def predict(
    model: MODEL,
    inputs: Annotated[
        list[str],
        typer.Argument(help="Files, folders, globs, texts, or - for stdin: a file's bytes, or a text a line."),
    ],
    top: Annotated[int, typer.Option(help="How many labels for each.", min=1)] = 3,
    text_column: TEXT_COLUMN = None,
    device: DEVICE = "auto",
    json: JSON = False,
) -> None:
    """What the network says of files.

    [bold]neocog predict runs/vision-swift-… cat.jpg holiday/[/bold]
    [bold]cat cat.jpg | neocog predict runs/… - --json[/bold]
    [bold]neocog predict runs/text-… reviews.csv > answered.csv[/bold]
    [bold]tail -f log | neocog predict runs/text-… -[/bold]
    """
    from . import load

    found = load(model, device)
    if found.domain.by_line and inputs == ["-"]:
        _answer_lines(found, top, json)
        return
    options = {"text_column": text_column} if text_column else {}
    if len(inputs) == 1 and not json and (table := found.domain.table(inputs[0], found.card.facts, options)):
        from .core import stream

        if unanswered := stream.write_csv(found, table):
            say(f"{inputs[0]}: {unanswered:,} row(s) hold no input and have no answer")
            raise typer.Exit(DATA)
        return
    paths = [each for each in inputs if each != "-"]
    given: list[Any] = list(found.domain.gather(paths)) if paths else []
    if "-" in inputs:
        given.append(sys.stdin.buffer.read())
    answers = found.predict(given, top)
    failed = [answer for answer in answers if "problem" in answer]
    if json:
        tell.document(answers)
    else:
        tell.answers([answer for answer in answers if "predictions" in answer])
    for answer in failed:
        say(f"{answer['input']}: {answer['problem']}")
    if failed:
        raise typer.Exit(DATA)


def _answer_lines(model: Model, top: int, json: bool) -> None:
    """Answer each line of stdin when it arrives; with `json`, as the items of one document."""
    from .core import stream

    failed = 0
    shown: Any = tell.Items() if json else None
    for answer in stream.lines(model, stream.arriving(sys.stdin.buffer), top):
        if "problem" in answer:
            failed += 1
            say(f"line {answer['input'][:40]!r}: {answer['problem']}")
        if shown:
            shown.add(answer)
        elif "predictions" in answer:
            tell.answers([answer])
        sys.stdout.flush()
    if shown:
        shown.close()
    if failed:
        raise typer.Exit(DATA)


@app.command()
def describe(
    network: Annotated[str, typer.Argument(help="A network in words, a recipe, a model file or a run's folder.")],
    input_: Annotated[str | None, _option("Its input, as 3x32x32 (channels, height, width).", None, "--input")] = None,
    classes: Annotated[int, typer.Option(help="How many labels `classes` stands for.", min=1)] = 10,
    domain: Annotated[str | None, _option("Whose recipe it is, where several domains have one of that name.")] = None,
    svg: Annotated[Path | None, _option("Write a drawing of it.")] = None,
    json: JSON = False,
) -> None:
    """Output shapes, parameters, multiply-accumulates, receptive fields.

    [bold]neocog describe "conv(25, 3), relu, maxpool(2), flatten, dense(10)" --input 1x28x28[/bold]
    [bold]neocog describe resnet18 --svg resnet18.svg[/bold]
    """
    found, name = _network(network, input_, classes, domain)
    if svg:
        from .core import diagram, files

        files.write_text(svg, diagram.svg(found, name))
        say(f"wrote {svg}")
    if json:
        tell.document(found.facts())
    else:
        from .core import diagram

        tell.console().print(diagram.table(found))


def _network(text: str, shape: str | None, classes: int, whose: str | None) -> tuple[Network, str]:
    """The network that a text, a recipe or a model means, and a name for it."""
    from . import DOMAINS
    from . import domain as domain_of
    from .core import checkpoint
    from .core.network import Network, parse
    from .core.plan import Plan, find_recipe

    given = _shape(shape) if shape else None
    if Path(text).exists():
        card = checkpoint.card(checkpoint.find(text))
        return Network(given or card.input, parse(card.network)), card.recipe or text
    word = text.partition("(")[0].strip()
    for name in [whose] if whose else DOMAINS:
        if word in (domain := domain_of(name)).recipes:
            from .core.domain import Source

            recipe, _, _ = find_recipe(domain, text)
            layers = Plan.of(domain, Source(""), text).layers(classes, domain.numbers({}))
            return Network(given or recipe.input, layers), text
    if text.endswith(".safetensors") or ("/" in text and "(" not in text):
        checkpoint.find(text)  # says that it does not exist, and what is near
    numbers = domain_of(whose).numbers({}) if whose else {}
    layers = parse(text, classes=classes, **numbers)
    if given is None:
        raise Problem("a network text needs its input, as in --input 1x28x28 (channels, height, width)", USAGE)
    return Network(given, layers), text


def _shape(text: str) -> tuple[int, int, int]:
    parts = text.lower().replace("×", "x").replace(",", "x").split("x")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
        raise Problem(f"--input is channels x height x width, as in 3x32x32; got {text}", USAGE)
    channels, height, width = map(int, parts)
    return channels, height, width


@app.command()
def recipes(
    domain: Annotated[str | None, typer.Argument(help="vision", show_default=False)] = None,
    json: JSON = False,
) -> None:
    """The networks that can be asked for by name."""
    from . import DOMAINS
    from . import domain as domain_of
    from .core.network import Network

    told: list[dict[str, Any]] = []
    for name in [domain] if domain else DOMAINS:
        for recipe_name, recipe in (found := domain_of(name)).recipes.items():
            network = Network(recipe.input, recipe.layers(10, **found.numbers({})))
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
    domain: Annotated[str, typer.Argument(help="vision")],
    data: Annotated[str, typer.Argument(help="As for train.")],
    test: TEST = None,
    group_by: GROUP_BY = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """What training would meet in your data: counts, bad files, duplicates.

    [bold]neocog check vision photos/[/bold]
    """
    from . import domain as domain_of

    own = {"text_column": text_column, "label_column": label_column, "label_level": label_level}
    source = _source(data, test, None, group_by, None, None, **own)
    with progress("checking", "files", quiet) as shown:
        told = domain_of(domain).check(replace(source, progress=shown))
    tell.document(told) if json else tell.check(told)


@app.command()
def demo(
    quick: Annotated[bool, _option("A few seconds of it.", None, "--quick")] = False,
    out: Annotated[str | None, _option("The run's folder; default runs/demo-TIME.")] = None,
) -> None:
    """What it does, on real data that comes with it, in a minute or two."""
    from .demo import show_demo

    show_demo(quick, out)


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
