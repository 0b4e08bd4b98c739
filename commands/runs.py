"""The commands runs and compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import check_output
from ..core.problem import USAGE, Problem
from ..core.progress import duration, progress, say
from . import output
from .flags import CACHE, DEVICE, FORCE, JSON, QUIET, flag

if TYPE_CHECKING:
    from ..core.compare import Evaluated, PairedTest

COLUMNS = ("run", "domain", "recipe", "result", "parameters", "time", "date")


def runs(
    folder: Annotated[Path, typer.Argument(help="A folder; all runs below it are listed.")] = Path("runs"),
    sort: Annotated[str, flag("The column to sort by: date, value, seconds, parameters, …", default="date")] = "date",
    where: Annotated[
        list[str] | None, flag("Only runs for which this holds: domain=vision, 'value>0.9'; may be repeated.")
    ] = None,
    csv: Annotated[Path | None, flag("Write the table with all columns to this file.", None, "--csv")] = None,
    force: FORCE = False,
    json: JSON = False,
) -> None:
    """List the runs below a folder: what was trained, how well, and in what time.

    @latest and @best stand for runs below runs/ wherever a model is taken.

    [bold]neocog runs[/bold]
    [bold]neocog runs experiments --where domain=text --sort value[/bold]
    [bold]neocog predict @latest cat.jpg[/bold]
    """
    from ..core import run_table

    check_output(csv, force, (".csv",))
    rows = run_table.sorted_by(run_table.filtered(run_table.find_runs(folder), where or []), sort)
    if csv:
        _write_csv(csv, [row.to_dict() for row in rows])
        say(f"wrote {csv}")
    if json:
        output.document([row.to_dict() for row in rows])
    elif rows:
        output.table(list(COLUMNS), [_cells(row) for row in rows], texts=COLUMNS)
    else:
        output.line(f"no runs below {folder}")


def _cells(row: Any) -> list[str]:
    result = row.state
    if row.value is not None:
        number = output.metric_number(str(row.metric), row.value)
        result = f"{str(row.metric).replace('_', ' ')} {number} ({row.scored_on})"
    return [
        row.run,
        row.domain or "",
        row.recipe or ("network" if row.domain else ""),
        result,
        "" if row.parameters is None else f"{row.parameters:,}",
        "" if row.seconds is None else duration(row.seconds),
        (row.date or "")[:16],
    ]


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    import csv
    from io import StringIO

    from ..core.files import write_text
    from ..core.run_table import Run
    from ..core.sources.formula import escape

    file = StringIO()
    names = list(Run.__dataclass_fields__)
    table = csv.writer(file, lineterminator="\n")
    table.writerow(names)
    for row in rows:
        table.writerow([escape("" if row[name] is None else str(row[name])) for name in names])
    write_text(path, file.getvalue())


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Run folders; the others are compared with the first.")],
    data: Annotated[str | None, flag("The data to compare on.", default="those of the first run")] = None,
    out: Annotated[Path | None, flag("Write a page with curves, settings and tests: FILE.html.")] = None,
    cache: CACHE = None,
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Compare runs: results, settings that differ, and whether a difference is one.

    All runs predict the same examples. McNemar's test counts those that only one of two runs predicts correctly; for
    numbers it is a paired bootstrap of the losses.

    [bold]neocog compare runs/a runs/b --out compare.html[/bold]
    """
    from ..core import compare as comparing

    if len(runs) < 2:
        raise Problem("compare takes two or more runs, as in: neocog compare runs/a runs/b", USAGE)
    check_output(out, force, (".html",))
    evaluated, source, split = _evaluated(runs, data, cache, device, quiet)
    tests = [comparing.paired_test(evaluated[0], other) for other in evaluated[1:]]
    settings = comparing.differing_settings(runs)
    if out:
        _write_page(out, evaluated, tests, settings, source, split)
        say(f"wrote {out}")
    if json:
        output.document(
            {
                "data": source,
                "scored_on": split,
                "examples": len(evaluated[0].losses),
                "runs": [{"run": str(run.folder), **run.model.task.brief(run.metrics)} for run in evaluated],
                "tests": [test._asdict() | {"verdict": test.verdict} for test in tests],
                "settings": settings,
            }
        )
        return
    output.line(f"{len(evaluated[0].losses):,} {split} examples of {source}\n")
    against = ["", *(test.text for test in tests)]
    rows = [
        [str(run.folder), run.model.task.headline(run.metrics), text]
        for run, text in zip(evaluated, against, strict=True)
    ]
    header = ["run", "result", f"against {runs[0]}"]
    output.table(header, rows, texts=header)
    if settings:
        output.line()
        cells = [["–" if value is None else str(value) for value in values] for values in settings.values()]
        header = ["setting", *map(str, runs)]
        output.table(header, [[name, *values] for name, values in zip(settings, cells, strict=True)], texts=header)


def _evaluated(
    runs: list[Path], data: str | None, cache: Path | None, device: str | None, quiet: bool
) -> tuple[list[Evaluated], str, str]:
    """The runs with their predictions for the same examples, the data, and the name of the split."""
    from dataclasses import replace

    import numpy as np

    from .. import load
    from ..core import compare as comparing
    from ..core import feed
    from ..core.plan import plan_from, read_settings
    from . import parsing

    models = [load(str(run), device or "auto") for run in runs]
    comparing.require_comparable(models, runs)
    first = plan_from(read_settings(runs[0] / "settings.toml"), models[0].domain).source
    options = dict(first.options)
    source = parsing.source(data, {**options, "cache": cache}, **models[0].split_options) if data else first
    evaluated: list[Evaluated] = []
    names: list[str] = []
    split = ""
    for run, model in zip(runs, models, strict=True):
        with progress(f"reading for {run.name}", "files", quiet) as bar:
            loaded = model.load(replace(source, progress=bar))
        examples, split = model.examples(loaded, "test" if len(loaded.test) else "all")
        read_names = [examples.names[index] for index in range(len(examples))]
        if names and read_names != names:
            raise Problem(f"{run} reads other examples than {runs[0]}, so they cannot be compared one by one", USAGE)
        names = read_names
        predictions = feed.measure(model, examples)
        targets = examples.targets.numpy()
        losses = np.asarray(model.task.example_losses(predictions, targets), dtype=np.float64)
        metrics = model.metrics(predictions, examples) | {"scored_on": split}
        correct = model.task.correct(predictions, targets)
        evaluated.append(comparing.Evaluated(run, model, metrics, losses, correct))
    return evaluated, source.data, split


def _write_page(
    path: Path,
    evaluated: list[Evaluated],
    tests: list[PairedTest],
    settings: dict[str, list[Any]],
    data: str,
    split: str,
) -> None:
    from ..core import charts, compare, files
    from ..core.format import data_uri, without_controls
    from ..core.run_table import read_run
    from ..core.templates import template

    histories = {str(run.folder): compare.history_of(run.folder) for run in evaluated}
    colours = charts.run_colours(len(evaluated))
    rows = []
    for run, colour, test in zip(evaluated, colours, [None, *tests], strict=True):
        rows.append(
            {
                "run": str(run.folder),
                "colour": colour,
                "headline": run.model.task.headline(run.metrics),
                "parameters": run.model.network.parameters,
                "seconds": read_run(run.folder).seconds or 0.0,
                "against": "" if test is None else test.text,
            }
        )
    pictures = [data_uri(charts.runs_png(histories, chart)) for chart in evaluated[0].model.task.charts]
    values = {"rows": rows, "settings": settings, "data": Path(data).name, "split": split, "charts": pictures}
    html = template("compare.html").render(**values, title="Runs compared", examples=f"{len(evaluated[0].losses):,}")
    files.write_text(path, without_controls(html.encode("utf-8", "replace").decode()))
