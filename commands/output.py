"""Results on stdout, for people and as JSON."""

from __future__ import annotations

import json as json_format
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from ..core import schema
from ..core.format import visible
from ..core.progress import duration, say

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.checkpoint import Card
    from ..core.fit import Training
    from ..core.run import RunFolder
    from ..core.tasks import Task


class Counts(TypedDict):
    """The examples of each split on a card."""

    train: NotRequired[int]
    valid: NotRequired[int]
    test: NotRequired[int]


class Provenance(TypedDict):
    """What the card of a trained model says of its training."""

    data: str
    seconds: float
    device: str


NUMBERS = ("mae", "rmse", "r2", "pearson", "loss", "log_loss")  # metrics that are no shares
HEADINGS = {"given": "given splits"}  # of findings whose name says too little
MOST_LABELS = 100  # listed one by one; more only with --json


def document(value: Any) -> None:
    """The one JSON document of a command."""
    print(json_format.dumps(value, ensure_ascii=False, indent=1))


def line(text: str = "") -> None:
    """Prints a text in which names and labels may stand: what a terminal would act upon is shown instead."""
    print(visible(text))


def drawing(text: Callable[[bool, bool], str]) -> None:
    """Prints `text(colour, unicode)` as the terminal can show it."""
    print(text(in_colour(), "utf" in (sys.stdout.encoding or "").lower()))


def in_colour() -> bool:
    """Whether stdout is a terminal with colours, and NO_COLOR is not set."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


class Items:
    """One JSON document whose items are printed one by one."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, item: Any) -> None:
        print("[" if not self.count else ",", end="\n")
        print(json_format.dumps(item, ensure_ascii=False), end="", flush=True)
        self.count += 1

    def close(self) -> None:
        print("\n]" if self.count else "[]")


def console() -> Any:
    from rich.console import Console

    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ  # a pipe has no width to wrap at
    return Console(highlight=False, soft_wrap=False, width=1000 if wide else None)


def introduction(training: Training, folder: Path) -> None:
    """What is about to be trained, on which data, and where it is written."""
    from ..core.device import describe

    data, network = training.data, training.network
    counts = ", ".join(f"{count:,} {name}" for name, count in data.counts.items())
    say(f"{training.plan.source.data}: {training.task.outputs_text}; {counts}")
    if data.bad:
        first = data.bad[0]
        say(
            f"skipped {len(data.bad):,} unusable file(s), listed in bad_files.txt (first: {first.file}: {first.reason})"
        )
    shape = "×".join(map(str, network.input))
    outputs = len(training.task.labels)
    say(f"{training.plan.recipe or 'network'}: {shape} to {outputs}, {network.parameters:,} parameters")
    if training.origins:
        rows = [[row.layers, row.text, row.weights, row.training] for row in training.origins]
        say("\n".join(columns([["layer", "", "weights", ""], *rows])))
    say(f"{describe(training.trainer.device)}; writing {folder}/")


def conclusion(run: RunFolder, summary: dict[str, Any]) -> None:
    """The result, where its files are, and what to run next."""
    from ..core.finalize import kept_epoch

    headline, *heads = run.training.task.headlines(summary)
    where = f"{summary['examples']:,} {summary['scored_on']} examples"
    line(f"{headline} on {where}, after {duration(summary['seconds'])}")
    for text in heads:
        line(f"  {text}")
    line(kept_epoch(summary))
    line(f"\n{run.folder}/")
    line("  report.html        curves, errors, and what the predictions depend on")
    line("  model.safetensors  the network, its labels and preprocessing in one file")
    line("\nnext:")
    for command in run.next_commands():
        line(f"  {command}")


def cross_validation(root: Path, summary: dict[str, Any], task: Task) -> None:
    """The folds of a cross-validation, their mean and spread, and the metrics of all out-of-fold predictions."""
    name = summary["metric"].replace("_", " ")
    rows = [
        [
            str(number),
            metric_number(summary["metric"], fold["value"]),
            f"{fold['examples']:,}",
            str(fold["epochs"]),
            duration(fold["seconds"]),
        ]
        for number, fold in enumerate(summary["folds"], 1)
    ]
    table(["fold", name, "examples", "epochs", "time"], rows)
    mean, std = (metric_number(summary["metric"], summary[key]) for key in ("mean", "std"))
    line(f"\n{name} {mean} ± {std} over {len(rows)} folds")
    line(f"all out-of-fold predictions: {task.headline(summary)}")
    line(f"\n{root}/")
    line("  predictions.csv  each example, with the prediction of the network that was not trained on it")
    line("  fold-1/ …        a run folder for each fold")


def metric_number(metric: str, value: float) -> str:
    """A metric as people read it: shares in per cent, errors and correlations as numbers."""
    return f"{value:.4g}" if metric in NUMBERS else f"{value:.2%}"


def card(card: Card) -> None:
    """Where a model comes from: its training data, time and metrics."""
    from ..core.tasks import task_of

    training, metrics = card.training, card.metrics
    try:
        schema.check(Counts, card.data)
        if training:
            schema.check(Provenance, training)
    except schema.Mismatch:  # a model that neocog did not train
        return
    counts = ", ".join(f"{card.data[split]:,} {split}" for split in ("train", "valid", "test") if card.data.get(split))
    if training:
        line(f"trained on {training['data']} ({counts}), {duration(training['seconds'])} on {training['device']}")
    if "interval" in metrics:
        headline = task_of(card.task, card.labels, card.task_state).headline(metrics)
        line(f"{headline} on {metrics['examples']:,} {metrics['scored_on']} examples")


def metrics(metrics: dict[str, Any], task: Task) -> None:
    """The metrics of an evaluation, and a line for each label."""
    for name, value in task.details(metrics):
        line(f"{name:<19} {value}")
    line(f"examples            {metrics['examples']:,} ({metrics['scored_on']})\n")
    for kind, rows in metrics.get("groups", {}).items():
        _groups(kind, rows)
    if len(task.labels) > MOST_LABELS:
        line(f"{len(task.labels)} labels; use --json to list them")
    elif contents := task.table(metrics):
        table(*contents)


def _groups(kind: str, rows: list[dict[str, Any]]) -> None:
    """The accuracy on each group of examples."""
    table(
        [kind, "accuracy", "examples"],
        [[row["group"], f"{row['accuracy']:.2%}", f"{row['examples']:,}"] for row in rows],
    )
    line()


def table(header: list[str], rows: list[list[str]], texts: Sequence[str] = ()) -> None:
    """A table whose first column is text and whose others are numbers, except those that `texts` names."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(header):
        table.add_column(name, justify="right" if index and name not in texts else "left")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    console().print(table)


def predictions(rows: list[dict[str, Any]], task: Task) -> None:
    """A line for each input with its prediction, or one for each of its heads."""
    for row in rows:
        texts = task.row_texts(row)
        line(f"{row['input']}: {texts[0]}" if len(texts) == 1 else "\n  ".join([f"{row['input']}:", *texts]))
        _windows(row.get("windows", []), task)


def _windows(windows: list[dict[str, Any]], task: Task, most: int = 20) -> None:
    """A line for each window of an input that is longer than one."""
    shown = windows[:most] if len(windows) > 1 else []
    for window in shown:
        line(f"  {window['start']:8.2f} to {window['end']:8.2f}  {task.window_text(window)}")
    if len(windows) > most:
        line(f"  … and {len(windows) - most:,} more; use --json to list them")


def columns(rows: list[list[str]]) -> list[str]:
    """Rows under a header as aligned lines; a column without values is left out."""
    used = [index for index, column in enumerate(zip(*rows[1:], strict=True)) if any(column)]
    widths = {index: max(len(row[index]) for row in rows) for index in used}
    return [("  " + "  ".join(row[index].ljust(widths[index]) for index in used)).rstrip() for row in rows]


def recipes(rows: list[dict[str, Any]]) -> None:
    """The table of recipes."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, side in (("recipe", "left"), ("input", "left"), ("parameters", "right"), ("about", "left")):
        table.add_column(heading, justify=side, no_wrap=heading != "about")  # type: ignore[arg-type]
    domain = None
    for row in rows:
        if row["domain"] != domain:
            domain = row["domain"]
            table.add_row(f"[bold]{domain}[/bold]" if domain == rows[0]["domain"] else f"\n[bold]{domain}[/bold]")
        star = " *" if row["default"] else ""
        shape = "×".join(map(str, row["input"]))
        table.add_row(f"{row['recipe']}{star}", shape, f"{row['parameters']:,}", row["about"])
    console().print(table)
    line("\n* the default. Parameters for 10 labels. Measure one: neocog describe RECIPE")


def check(findings: dict[str, Any], most: int = 10) -> None:
    """A line for each finding, long lists cut to their first rows with the count of the others."""
    for key, value in findings.items():
        name = HEADINGS.get(key, key)
        if key == "labels" and not value and ("values" in findings or "masks" in findings):
            continue  # numbers have none, and masks hold theirs
        if isinstance(value, dict) and value and all(isinstance(item, dict) for item in value.values()):
            line(f"{name}:")
            for label, item in value.items():
                line(f"  {one_line(label)}: {_brief(item)}")
        elif isinstance(value, dict):
            entries = [f"{one_line(label)} {_brief(item)}" for label, item in value.items()]
            if len(entries) > MOST_LABELS:
                entries[most:] = [f"… and {len(entries) - most:,} more; use --json to list them"]
            line(f"{name}: " + (", ".join(entries) or "none"))
        elif key == "given":
            line(f"{name}: {', '.join(value) or 'none'}")
        elif isinstance(value, list):
            line(f"{name}: {len(value) or 'none'}")
            for item in value[:most]:
                line(f"  {one_line(_brief(item))}")
            if len(value) > most:
                line(f"  … and {len(value) - most:,} more; use --json to list them")
        else:
            line(f"{name}: {_brief(value)}")


def _brief(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ("+" if isinstance(value[0], str) else "×").join(map(str, value)) if value else "none"
    if isinstance(value, dict) and value.keys() == {"file", "reason"}:
        return f"{value['file']} {value['reason']}"
    if isinstance(value, dict) and "files" in value:  # copies
        others = {key: item for key, item in value.items() if key not in ("files", "across")}
        across = ["in several splits"] if value.get("across") else []
        return "; ".join([first_of(value["files"]), *across, *filter(None, [_brief(others)])])
    if isinstance(value, dict):
        return "; ".join(f"{key} {_inner(item)}" for key, item in value.items())
    return str(value)


def _inner(value: Any) -> str:
    """A value in a line of others."""
    if isinstance(value, dict) and len(value) == 1:
        return _inner(*value.values())  # the numbers of a head have its name
    if isinstance(value, dict):
        return ", ".join(f"{key} {_inner(item)}" for key, item in value.items())
    return first_of(value) if isinstance(value, list) else str(value)


def first_of(texts: Sequence[str], most: int = 4) -> str:
    """The first of many texts, and the number of the others."""
    return ", ".join(texts[:most]) + (f" and {len(texts) - most:,} more" if len(texts) > most else "")


def one_line(text: str) -> str:
    """A text of others in one line: line breaks and tabs in a label are shown as \\n and \\t."""
    return "".join(ascii(character)[1:-1] if character in "\n\t" else character for character in text)
