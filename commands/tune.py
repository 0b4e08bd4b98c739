"""neocog tune: a search over network texts and settings with ranges."""

from __future__ import annotations

import hashlib
import json as json_format
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.problem import FAILED, INTERRUPTED, USAGE, Problem
from ..core.progress import progress, say
from ..core.ranges import check_range
from . import output, parsing
from .flags import (
    CACHE,
    DEVICE,
    GROUP_BY,
    JSON,
    LABEL_COLUMN,
    PATTERN,
    QUIET,
    SPLIT,
    TASK,
    TEST,
    TEST_SHARE,
    TEXT_COLUMN,
    VALID,
    VALID_SHARE,
    flag,
)

if TYPE_CHECKING:
    from ..core.domain import Domain
    from ..core.plan import Plan
    from ..core.tune.space import Point, Space
    from ..core.tune.study import Search, Trial

WORKER = "NEOCOG_TUNE_WORKER"  # the number of a worker process, in its environment


def tune(
    domain: Annotated[str, typer.Argument(help="vision, speech, text, go or playground")],
    data: Annotated[str, typer.Argument(help="A folder per class, an archive, a table, or a name such as digits.")],
    network: Annotated[
        str | None, flag('A network with ranges: "conv(span(16, 64, 8), choice(3, 5)), relu, …, dense(classes)".')
    ] = None,
    recipe: Annotated[
        str | None, flag('A recipe, also with ranges: "mlp(units=span(16, 128))".', default="swift")
    ] = None,
    set_: Annotated[
        list[str] | None,
        flag(
            "A setting, also with a range: 'lr=log(1e-4, 1e-1)'; may be repeated.",
            None,
            "--set",
            default="the recipe's",
        ),
    ] = None,
    against: Annotated[
        str | None,
        flag(
            "A recipe that is trained as often as the best, with its own settings, and compared with it.",
            default="the recipe that is searched",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(help="Trials of the whole study, by all processes.")] = 60,
    workers: Annotated[int, typer.Option(help="Processes on this machine, each with one thread.")] = 1,
    sampler: Annotated[str, typer.Option(help="tpe, random, gp or nsga.")] = "tpe",
    pruner: Annotated[
        str,
        typer.Option(
            help="median: a short training sorts out half of the trials; halving: two of them two thirds each; none: "
            "every trial is trained to its end."
        ),
    ] = "median",
    keep: Annotated[
        bool, flag("Keep the weights of every trial that ends, in OUT/trial-N, as a run folder.", None, "--keep-trials")
    ] = False,
    cost: Annotated[
        str | None,
        flag("Minimise beside the metric: parameters or macs, and draw the front.", default="the metric alone"),
    ] = None,
    reach: Annotated[
        float | None,
        flag(
            "The metric that is enough on the validation split: of the networks that reach it, the cheapest is the "
            "best. The cost is parameters unless --cost says macs.",
            default="the highest metric",
        ),
    ] = None,
    most_parameters: Annotated[int | None, flag("The most parameters of a network.", default="no limit")] = None,
    most_macs: Annotated[int | None, flag("The most multiply-accumulates of a network.", default="no limit")] = None,
    most_seconds: Annotated[float | None, flag("The most seconds of a trial.", default="no limit")] = None,
    out: Annotated[
        Path | None, flag("The folder of the study; one that exists goes on.", default="runs/tune-DOMAIN-DATA-HASH")
    ] = None,
    storage: Annotated[
        str | None,
        flag(
            "The URL of a database that keeps the study, such as postgresql://host/name.",
            default="a journal file in --out",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the search.")] = 0,
    device: DEVICE = None,
    test: TEST = None,
    valid: VALID = None,
    group_by: GROUP_BY = None,
    test_share: TEST_SHARE = None,
    valid_share: VALID_SHARE = None,
    split: SPLIT = None,
    task: TASK = None,
    label_column: LABEL_COLUMN = None,
    text_column: TEXT_COLUMN = None,
    pattern: PATTERN = None,
    cache: CACHE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Search for a better network and settings by trials, and train the best again.

    The same command in another terminal, or on a machine that shares the folder, joins the study.

    [bold]neocog tune vision mnist --recipe swift --trials 40[/bold]
    [bold]neocog tune text trec/ --set 'lr=log(1e-3, 1e-1)' --set 'smoothing=uniform(0, 0.2)'[/bold]
    [bold]neocog tune vision digits --network "conv(span(4, 32, 4), 3), choice(relu, tanh), maxpool(2),
    repeat(0, 2, conv(span(8, 64, 8), 3, pad=1), relu), flatten, dense(classes)" --cost parameters[/bold]
    """
    from .. import domain as domain_of
    from ..core.tune.space import Point, values_of

    require_optuna()
    check_options(sampler, pruner, cost, trials, workers)
    cost = cost or ("parameters" if reach is not None else None)
    value = domain_of(domain)
    options = {"pattern": pattern, "text_column": text_column, "cache": cache}
    fields: dict[str, Any] = {
        "test": test,
        "valid": valid,
        "group_by": group_by,
        "test_share": test_share,
        "split": split,
    }
    fields |= {"valid_share": valid_share, "targets": parsing.targets(task, label_column)}
    space, fixed = space_of(value, network, recipe, set_ or [])
    options |= {name: fixed.pop(name) for name in set(fixed) & set(value.options)}
    source = parsing.source(data, options, **fields)
    limits = (most_parameters, most_macs, most_seconds)
    limits_and_how = (*limits, cost, reach, pruner, sampler, seed)
    folder = out or default_folder(domain, data, (space.to_dict(), fixed, options, fields, limits_and_how))

    def plan(point: Point, fixed: dict[str, Any] = fixed) -> Plan:
        from ..core.plan import Plan

        settings = parsing.parse_assignments([f"{name}={text}" for name, text in point.settings.items()])
        changes = fixed | settings | {"seed": seed} | ({"device": device} if device else {})
        return Plan.of(value, source, point.recipe, point.network, changes)

    how = {"trials": trials, "sampler": sampler, "pruner": pruner, "cost": cost, "reach": reach, "seed": seed}
    how |= {"limits": limits, "storage": storage, "keep": keep}
    if recipe_name := against or space.recipe_name:
        how["baseline"] = plan(Point(None, recipe_name, {}), {})
    if space.recipe_name and sampler != "random":
        own = plan(Point(None, space.recipe_name, {})).settings
        how["start"] = values_of(space, asdict(own))
    search = searched(plan, space, value, source, how, folder, quiet)
    index = process_number(workers)
    with progress("searching", "trials", quiet or index > 0) as bar:
        work(search, folder, index, workers, bar, quiet)
    if index == 0:
        conclude(search, folder, data, json, quiet)


def default_folder(domain: str, data: str, what: tuple[Any, ...]) -> Path:
    """A folder by what is searched, so that the same command in another terminal joins, and goes on when stopped."""
    content = json_format.dumps([data, *what], sort_keys=True, default=str)
    name = re.sub(r"[^\w.-]+", "-", Path(data).name)[:40] or "data"
    return Path("runs") / f"tune-{domain}-{name}-{hashlib.blake2b(content.encode(), digest_size=4).hexdigest()}"


def process_number(workers: int) -> int:
    """The number of this process among those that were started together, by --workers or by torchrun."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return int(os.environ.get(WORKER, "0"))
    if workers > 1:
        raise Problem("torchrun starts the processes: give its --nproc-per-node instead of --workers", USAGE)
    return int(os.environ.get("RANK", "0"))


def require_optuna() -> None:
    """Raises Problem without Optuna."""
    from importlib.util import find_spec

    if find_spec("optuna") is None:
        raise Problem("neocog tune needs Optuna: pip install 'neocog[tune]'", FAILED)


def check_options(sampler: str, pruner: str, cost: str | None, trials: int, workers: int) -> None:
    """Raises Problem for options of the search that are none."""
    from ..core.tune.study import PRUNERS, SAMPLERS

    for name, value, known in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if value not in known:
            raise Problem(f"--{name} is one of {', '.join(known)}; got {value}", USAGE)
    if cost not in (None, "parameters", "macs"):
        raise Problem(f"--cost is parameters or macs; got {cost}", USAGE)
    check_range("tune.trials", trials, "--trials")
    check_range("tune.workers", workers, "--workers")


def space_of(
    domain: Domain, network: str | None, recipe: str | None, assignments: list[str]
) -> tuple[Space, dict[str, Any]]:
    """The search space, and the settings that are fixed."""
    from ..core.plan import find_recipe
    from ..core.settings import Settings
    from ..core.tune.space import Space, default_ranges, is_range

    if network is not None and recipe is not None:
        raise Problem("give --recipe or --network, not both", USAGE)
    ranged, fixed = {}, []
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if equals and is_range(text):
            ranged[name.strip()] = text
        else:
            fixed.append(assignment)
    known = Settings.__dataclass_fields__
    for name in ranged:
        if name not in known:
            kind = "an option of the data, which are loaded once" if name in domain.options else "not a setting"
            raise Problem(f"--set {name}: a range is for settings of training, and {name} is {kind}", USAGE)
    if network is None:
        recipe = recipe or domain.default
        if not ranged and not is_range(f"_({recipe.partition('(')[2].removesuffix(')')})"):
            entry, _, _ = find_recipe(domain, recipe)
            settings = Settings().changed(entry.settings)
            names = ("lr", "batch", "weight_decay", "smoothing")
            ranged = default_ranges({name: getattr(settings, name) for name in names})
    return Space.of(network, recipe, ranged), parsing.parse_assignments(fixed)


def searched(
    plan: Any, space: Space, domain: Domain, source: Any, how: dict[str, Any], folder: Path, quiet: bool
) -> Search:
    """The search on loaded data."""
    from ..core import folded
    from ..core.tune.study import Limits, Search, check_study

    with progress("reading", "files", quiet) as reading:
        loaded = folded.load(domain, replace(source, progress=reading), None, None)
    check_study(loaded, folder, how["storage"])
    return Search(plan, space, loaded, **(how | {"limits": Limits(*how["limits"])}))


def work(search: Search, folder: Path, index: int, workers: int, bar: Any, quiet: bool) -> None:
    """Makes trials, with further processes if there are to be several. Raises Problem when interrupted."""
    from ..core.signals import stoppable
    from ..core.tune.study import finished
    from ..core.tune.worker import Worker

    with stoppable() as stop:
        worker: Worker

        def report(trial: Trial) -> None:
            if not quiet and index == 0:
                say(line_of(trial))
            bar(min(finished(worker.study), search.trials), search.trials)

        worker = Worker(search, folder, index, report, lambda: bool(stop.requested), int(workers > 1))
        others = [start_worker(number, folder) for number in range(1, workers)] if index == 0 else []
        try:
            worker.run()
        finally:
            for process in others:
                if stop.requested:
                    process.terminate()
                process.wait()
        if stop.requested:
            raise Problem(f"stopped; the same command with --out {folder} goes on", INTERRUPTED)


def start_worker(number: int, folder: Path) -> subprocess.Popen[bytes]:
    """Another process of the same command, on a GPU of its own where there are several."""
    import torch

    environment = os.environ | {WORKER: str(number), "OMP_NUM_THREADS": "1"}
    if torch.cuda.device_count() > 1:
        environment["LOCAL_RANK"] = str(number % torch.cuda.device_count())
    command = [sys.executable, "-m", "neocog", *sys.argv[1:], "--out", str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def line_of(trial: Trial) -> str:
    value = trial.state if trial.value is None else f"{trial.value:.4f}"
    return f"trial {trial.number}: {value}  {trial.choices}"


def conclude(search: Search, folder: Path, data: str, json: bool, quiet: bool) -> None:
    """Trains the best again with new seeds, and writes and prints what the study found."""
    from ..core.tune.result import result_of

    result = result_of(search, folder, data, say if not quiet else None)
    if result is None:
        say(f"another process trains the best of this study again; its result will be in {folder}/report.html")
        return
    if json:
        output.document(result.summary)
        return
    output.line(result.headline)
    output.line(result.text)
    output.line(f"{folder}/report.html shows the study; train the best yourself with:")
    output.line(f"  {result.command}")
