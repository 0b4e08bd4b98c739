"""neocog go analysis: the engine for KaTrain and other programs that speak KataGo's JSON analysis protocol."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.progress import say
from .flags import DEVICE, flag
from .play import MODEL_ARGUMENT, app, evaluator_of

VISITS = Annotated[int, typer.Option(help="Positions to search for a query that does not say how many.", min=1)]
ONE_SYMMETRY = Annotated[
    int, typer.Option("--symmetries", help="Test-time augmentation: mean over this many symmetries.", min=1, max=8)
]


@app.command()
def analysis(
    model: MODEL_ARGUMENT = "go",
    visits: VISITS = 50,
    symmetries: ONE_SYMMETRY = 1,
    write_katrain_config: Annotated[
        Path | None, flag("Enter this engine in KaTrain's settings, such as ~/.katrain/config.json, and end.")
    ] = None,
    device: DEVICE = None,
) -> None:
    """Run an analysis engine for KaTrain and other programs: KataGo's JSON protocol on stdin and stdout, on 19×19.

    [bold]neocog go analysis --write-katrain-config ~/.katrain/config.json[/bold]   once; then start KaTrain
    [bold]neocog go analysis < queries.jsonl > analyses.jsonl[/bold]

    A query is a line of JSON, and so is its answer: win rate, lead, moves, and if asked for policy and ownership.
    Values are Black's unless a query sets reportAnalysisWinratesAs.
    """
    if write_katrain_config is not None:
        from ..go.analysis import katrain

        path = write_katrain_config.expanduser()
        copy = katrain.write_config(path, command_line(model, symmetries))
        say(f"changed the engine in {path} (before: {copy.name}); start KaTrain, and it analyses with this engine")
        return
    from ..go.analysis.engine import serve_standard_streams

    serve_standard_streams(evaluator_of(model, symmetries, device), visits, model)


def command_line(model: str, symmetries: int) -> str:
    """The command that KaTrain starts with a shell: this Python, so that it works outside of a virtual environment."""
    import shlex

    options: list[Any] = [
        *([model] if model != "go" else []),
        *(["--symmetries", symmetries] if symmetries > 1 else []),
    ]
    if model != "go":
        options[0] = Path(model).absolute()
    return shlex.join([sys.executable, "-m", "neocog", "go", "analysis", *map(str, options)])
