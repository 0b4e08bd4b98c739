"""neocog playground: the exercises of the lectures on networks of points, measured."""

from __future__ import annotations

from itertools import count
from typing import Annotated

import typer

from ..core.problem import USAGE, Problem
from ..core.progress import progress
from ..core.ranges import check_range
from . import output
from .flags import JSON, QUIET


def playground(
    exercise: Annotated[int | None, typer.Argument(help="The number of an exercise.", show_default="list all")] = None,
    starts: Annotated[int, typer.Option(help="Random starts of each network.")] = 20,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """The ten exercises on points in a plane: what a network can separate, and how often a start succeeds.

    [bold]neocog playground[/bold]
    [bold]neocog playground 2 --starts 20[/bold]
    [bold]neocog train playground spiral --network "dense(8), tanh, dense(8), tanh, dense(classes)"[/bold]
    """
    from .. import domain
    from ..web.playground.exercises import EXERCISES, run

    if exercise is None:
        if json:
            output.document([{"number": e.number, "title": e.title, "question": e.question} for e in EXERCISES])
        else:
            for e in EXERCISES:
                output.line(f"{e.number:>2}  {e.title}: {e.question}")
        return
    if not 1 <= exercise <= len(EXERCISES):
        raise Problem(f"the exercises are 1 to {len(EXERCISES)}; got {exercise}", USAGE)
    check_range("playground.starts", starts, "--starts")
    chosen, results = EXERCISES[exercise - 1], []
    with progress("training", "starts", quiet) as report:
        finished = count(1)
        for variant in chosen.variants:
            results.append(
                run(
                    domain("playground"),
                    variant,
                    starts,
                    each=lambda: report(next(finished), len(chosen.variants) * starts),
                )
            )
    if json:
        output.document({"exercise": exercise, "question": chosen.question, "results": [r.to_dict() for r in results]})
        return
    output.line(f"{chosen.title}: {chosen.question}")
    for result in results:
        output.line(f"  {result.variant.name}: {result.text()}")
        output.line(f"    {result.details()}")
    output.line(chosen.explanation)
