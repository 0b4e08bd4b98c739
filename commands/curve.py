"""neocog curve: what the layers of a trained model are worth for other data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import check_output
from ..core.problem import USAGE, Problem, shortened
from ..core.progress import progress, say
from . import output, parsing
from .flags import (
    CACHE,
    DEVICE,
    FORCE,
    JSON,
    LABEL_COLUMN,
    LABEL_LEVEL,
    MAX_BAD,
    MODEL,
    PATTERN,
    QUIET,
    SEED,
    SIZE,
    TEST,
    TEST_SHARE,
    TEST_WHERE,
    TEXT_COLUMN,
    flag,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.transfer_curve import Point


def curve(
    model: MODEL,
    data: Annotated[str, typer.Argument(help="Labelled data, as for train.")],
    keep: Annotated[
        str | None,
        flag("Numbers of kept layers: 0,2,…,all; 0 is the input itself.", default="before each change of size"),
    ] = None,
    examples: Annotated[
        str | None, flag("Training examples of each label, as in 5,10,20: a line for each.", default="all")
    ] = None,
    draws: Annotated[int, typer.Option(help="Random choices of --examples, for the interval.", min=1, max=1000)] = 10,
    domain: Annotated[str | None, flag("The domain of the data, if it is not the model's.")] = None,
    out: Annotated[Path, typer.Option(help="The plot to write.")] = Path("curve.png"),
    force: FORCE = False,
    size: SIZE = None,
    test: TEST = None,
    test_share: TEST_SHARE = None,
    test_where: TEST_WHERE = None,
    max_bad: MAX_BAD = None,
    pattern: PATTERN = None,
    text_column: TEXT_COLUMN = None,
    label_column: LABEL_COLUMN = None,
    label_level: LABEL_LEVEL = None,
    cache: CACHE = None,
    seed: SEED = None,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Plot the accuracy of a new head by the number of layers that are kept of a trained model, frozen.

    Many layers are worth keeping for a close domain, few for a far one. train --keep N --freeze trains the best.

    [bold]neocog curve efficientnet-lite0 photos/[/bold]
    [bold]neocog curve efficientnet-lite0 photos/ --keep 0,11,…,all --examples 5,10,20[/bold]
    """
    from .. import domain as domain_of
    from .. import find
    from ..core import device as devices
    from ..core.charts import save_transfer_curve
    from ..core.fit import build
    from ..core.plan import Plan
    from ..core.transfer_curve import counts_of, default_counts
    from ..core.transfer_curve import curve as measure

    check_output(out, force, (".png", ".svg", ".pdf"))
    per_label = numbers(examples, "--examples") if examples else []
    source = find(model)
    options = {"pattern": pattern, "test_where": test_where, "text_column": text_column, "cache": cache, "size": size}
    options |= {"label_level": label_level}
    fields: dict[str, Any] = {"test": test, "test_share": test_share, "max_bad": max_bad}
    fields |= {"targets": parsing.targets(None, label_column)}
    value = domain_of(domain or source.card.domain)
    spec = parsing.source(data, options, valid_share=0.0, **fields)
    changes = {"seed": seed, "device": device, "head_first": False}
    plan = Plan.of(value, spec, changes=changes, weights=source)
    with progress("reading", "files", quiet) as bar:
        loaded = value.load(replace(plan.source, progress=bar), None, None)
    training = build(plan, loaded, devices.World(), devices.choose(device or "auto"), None)
    counts = counts_of(training, keep) if keep else default_counts(training)
    points = measure(training, counts, per_label, draws, plan.settings.seed)
    save_transfer_curve(points, f"{model} for {Path(data).name}", out)
    if json:
        output.document({"points": [point.to_dict() for point in points], "labels": training.task.labels})
        return
    table(points)
    say(f"wrote {out}")
    best = max((point for point in points if point.kept), key=lambda point: point.accuracy)
    command = f"neocog train {value.name} {quote(data)} --weights {quote(model)}"
    output.line(f"\nnext:\n  {command} --keep {best.kept} --freeze")


def table(points: Sequence[Point]) -> None:
    """A line for each point."""
    rows = [["kept", "last layer", "examples", "accuracy", "95% interval"]]
    for point in points:
        low, high = point.interval
        examples = "all" if point.examples is None else f"{point.examples} a label"
        share = f"{low:.1%} to {high:.1%}"
        rows.append([str(point.kept), shortened(point.layer, 40), examples, f"{point.accuracy:.1%}", share])
    output.line("\n".join(output.columns(rows)))


def numbers(text: str, option: str) -> list[int]:
    """Reads `5,10,20`. Raises Problem for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < int(part[:9]) == int(part) for part in parts):
        raise Problem(f"{option} takes whole numbers from 1, as in 5,10,20; got {shortened(text)}", USAGE)
    return sorted(set(map(int, parts)))
