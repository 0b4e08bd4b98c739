"""The commands describe, recipes and check."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.progress import progress, say
from . import tell, typed
from .flags import (
    GROUP_BY,
    JSON,
    LABEL_COLUMN,
    LABEL_LEVEL,
    PATTERN,
    QUIET,
    SPLIT,
    TEST,
    TEST_SHARE,
    TEST_WHERE,
    TEXT_COLUMN,
    flag,
)


def describe(
    network: Annotated[str, typer.Argument(help="A network in words, a recipe, a model file or a run's folder.")],
    input_: Annotated[str | None, flag("Its input, as 3x32x32 (channels, height, width).", None, "--input")] = None,
    classes: Annotated[int, typer.Option(help="How many labels `classes` stands for.", min=1)] = 10,
    domain: Annotated[str | None, flag("Whose recipe it is, where several domains have one of that name.")] = None,
    svg: Annotated[Path | None, flag("Write a drawing of it.")] = None,
    json: JSON = False,
) -> None:
    """Measure a network: output shapes, parameters, costs, receptive fields.

    Of a model also its training data, time and metrics.

    [bold]neocog describe "conv(25, 3), relu, maxpool(2), flatten, dense(10)" --input 1x28x28[/bold]
    [bold]neocog describe resnet18 --svg resnet18.svg[/bold]
    """
    from .named import card_of, network_of

    found, name = network_of(network, input_, classes, domain)
    card = card_of(network)
    if svg:
        from ..core import diagram, files

        files.write_text(svg, diagram.svg(found, name))
        say(f"wrote {svg}")
    if json:
        tell.document(found.to_dict() | ({"card": asdict(card)} if card else {}))
    else:
        from ..core import diagram

        tell.console().print(diagram.table(found))
        if card:
            tell.card(card)


def recipes(
    domain: Annotated[str | None, typer.Argument(help="vision, speech, text or go", show_default=False)] = None,
    json: JSON = False,
) -> None:
    """List the networks that have a name."""
    from .. import DOMAINS
    from .. import domain as domain_of
    from ..core.constants import network_constants
    from ..core.network import Network

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
    """Check data before training: counts, unusable files, duplicates.

    [bold]neocog check vision photos/[/bold]
    [bold]neocog check speech recordings/[/bold]
    """
    from .. import domain as domain_of

    own = {"pattern": pattern, "test_where": test_where}
    own |= {"text_column": text_column, "label_column": label_column, "label_level": label_level}
    source = typed.source(data, own, test=test, group_by=group_by, test_share=test_share, split=split)
    with progress("checking", "files", quiet) as shown:
        told = domain_of(domain).check(replace(source, progress=shown))
    tell.document(told) if json else tell.check(told)
