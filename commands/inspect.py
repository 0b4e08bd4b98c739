"""The commands describe, recipes and check."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core import files
from ..core.files import check_output
from ..core.format import without_controls
from ..core.progress import progress, say
from . import output, parsing
from .flags import (
    FILE_PATH,
    FORCE,
    GROUP_BY,
    JSON,
    LABEL_COLUMN,
    LABEL_LEVEL,
    LABEL_NAMES,
    LABEL_SEPARATOR,
    PATTERN,
    QUIET,
    SET_OPTION,
    SPLIT,
    SPLIT_COLUMN,
    TASK,
    TEST,
    TEST_SHARE,
    TEST_WHERE,
    TEXT_COLUMN,
    VALID_SHARE,
    flag,
)


def describe(
    network: Annotated[str, typer.Argument(help="The text of a network, a recipe, a model file or a run folder.")],
    input_: Annotated[
        str | None, flag("Input shape (channels, height, width), such as 3x32x32.", None, "--input")
    ] = None,
    classes: Annotated[int, typer.Option(help="The number that `classes` stands for.", min=1)] = 10,
    domain: Annotated[str | None, flag("The domain of the recipe, if several have one of that name.")] = None,
    svg: Annotated[Path | None, flag("Write a drawing of the network to this file.")] = None,
    json: JSON = False,
) -> None:
    """Measure a network: output shapes, parameters, costs, receptive fields.

    Of a model also its training data, time and metrics.

    [bold]neocog describe "conv(25, 3), relu, maxpool(2), flatten, dense(10)" --input 1x28x28[/bold]
    [bold]neocog describe resnet18 --svg resnet18.svg[/bold]
    """
    from .named import described

    check_output(svg, force=True)
    measured, name, card, remarks = described(network, input_, classes, domain)
    for remark in remarks:
        say(remark)
    if svg:
        from ..core import diagram

        files.write_text(svg, without_controls(diagram.svg(measured, name)))
        say(f"wrote {svg}")
    if json:
        output.document(measured.to_dict() | ({"card": asdict(card)} if card else {}))
    else:
        from ..core import diagram

        output.console().print(diagram.table(measured))
        if card:
            output.card(card)


def recipes(
    domain: Annotated[
        str | None, typer.Argument(help="vision, speech, text, go or playground", show_default=False)
    ] = None,
    json: JSON = False,
) -> None:
    """List the networks that have a name."""
    from .. import DOMAINS
    from .. import domain as domain_of
    from ..core.constants import network_constants
    from ..core.network import Network

    rows: list[dict[str, Any]] = []
    for value in map(domain_of, [domain] if domain else DOMAINS):
        for name, recipe in value.recipes.items():
            network = Network(recipe.input, recipe.layers(10, **network_constants(value, {})))
            rows.append(
                {
                    "domain": value.name,
                    "recipe": name,
                    "default": name == value.default,
                    "input": list(recipe.input),
                    "parameters": network.parameters,
                    "macs": network.macs,
                    "about": recipe.about,
                }
            )
    if json:
        output.document(rows)
        return
    output.recipes(rows)


def check(
    domain: Annotated[str, typer.Argument(help="vision, speech, text, go or playground")],
    data: Annotated[str, typer.Argument(help="Data as for train.")],
    test: TEST = None,
    group_by: GROUP_BY = None,
    test_share: TEST_SHARE = None,
    valid_share: VALID_SHARE = None,
    split: SPLIT = None,
    pattern: PATTERN = None,
    test_where: TEST_WHERE = None,
    text_column: TEXT_COLUMN = None,
    task: TASK = None,
    label_column: LABEL_COLUMN = None,
    label_separator: LABEL_SEPARATOR = None,
    label_names: LABEL_NAMES = None,
    split_column: SPLIT_COLUMN = None,
    file_path: FILE_PATH = None,
    label_level: LABEL_LEVEL = None,
    set_: SET_OPTION = None,
    sheet: Annotated[Path | None, flag("Draw pictures with their boxes on one sheet, FILE.png.")] = None,
    force: FORCE = False,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Check data before training: counts, unusable files, duplicates.

    [bold]neocog check vision photos/[/bold]
    [bold]neocog check speech recordings/[/bold]
    """
    from .. import domain as domain_of
    from ..core.presentation import Surveyed
    from ..core.selection import small_validation

    options = {"pattern": pattern, "test_where": test_where}
    options |= {"text_column": text_column, "label_level": label_level}
    options |= parsing.domain_options(set_, domain_of(domain))
    targets = parsing.targets(task, label_column, split_column, file_path, label_separator, label_names)
    shares = {"test_share": test_share, "valid_share": valid_share, "targets": targets}
    source = parsing.source(data, options, test=test, group_by=group_by, split=split, **shares)
    check_output(sheet, force, (".png",))
    drawer = domain_of(domain).require(Surveyed, "--sheet") if sheet else None
    with progress("checking", "files", quiet) as bar:
        findings = domain_of(domain).check(replace(source, progress=bar))
    if sheet and drawer:
        image = drawer.sheet(source)
        files.write(sheet, lambda temporary: image.save(temporary, "PNG"))
        say(f"wrote {sheet}")
    is_classification = findings.get("task", "classify") == "classify"
    findings["problems"] += small_validation(findings.get("splits", {}).get("valid", 0), is_classification)
    output.document(findings) if json else output.check(findings)
