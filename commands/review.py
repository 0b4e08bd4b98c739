"""neocog go review: where a game was lost, as a page, a plot, a record and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import check_folder, check_output
from ..core.progress import progress, say
from . import output
from .analysis import ONE_SYMMETRY
from .flags import DEVICE, FORCE, JSON, QUIET, flag
from .go import read_record
from .play import MODEL_OPTION, app, evaluator_of

if TYPE_CHECKING:
    from ..go.review.review import Review

FILES = ("review.html", "graph.png", "review.sgf", "review.json")
WITHOUT_HEAD = "the model has no value head: the values are those of random games, which mean little before the endgame"


@app.command()
def review(
    game: Annotated[str, typer.Argument(help="An SGF file, FILE.zip!NAME, or - for stdin.")],
    model: MODEL_OPTION = "go",
    out: Annotated[
        Path | None, flag("Folder for review.html, graph.png, review.sgf and review.json.", default="no files")
    ] = None,
    visits: Annotated[
        int, typer.Option(help="Positions to search at each possible mistake; 1: no search.", min=1)
    ] = 50,
    mistakes: Annotated[int, typer.Option(help="Number of mistakes to list.", min=1, max=100)] = 8,
    symmetries: ONE_SYMMETRY = 1,
    force: FORCE = False,
    device: DEVICE = None,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Review a game: win rate and lead after each move, the biggest mistakes with the better line.

    [bold]neocog go review game.sgf --out review/[/bold]     then open review/review.html

    The page has a board to step through. The record gets comments with the values, and better lines as variations.
    """
    if out is not None:
        check_folder(out)
        for name in FILES if out.is_dir() else ():
            check_output(out / name, force)
    from ..go.evaluation import PlayoutEvaluator
    from ..go.review.review import review_game, to_dict

    record, content = read_record(game)
    evaluator = evaluator_of(model, symmetries, device)
    caveats = [WITHOUT_HEAD] if isinstance(evaluator, PlayoutEvaluator) else []
    with progress("reviewing", "positions", quiet) as bar:
        result = review_game(record, evaluator, visits, mistakes, caveats, bar)
    for caveat in result.caveats:
        say(caveat)
    if out is not None:
        write(result, content, model, out)
        if not quiet:
            say(f"wrote {out}/review.html, graph.png, review.sgf and review.json")
    if json:
        output.document(to_dict(result) | {"model": model})
    else:
        print_review(result)


def write(result: Review, content: bytes, model: str, out: Path) -> None:
    """Writes the files of a review."""
    from json import dumps

    from ..core import files
    from ..go.review.page import graph, page
    from ..go.review.record import reviewed_record
    from ..go.review.review import to_dict

    contents = {
        "review.html": page(result, model).encode(),
        "graph.png": graph(result),
        "review.sgf": reviewed_record(content, result, model),
        "review.json": (dumps(to_dict(result) | {"model": model}, ensure_ascii=False, indent=1) + "\n").encode(),
    }
    with files.disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    for name, value in contents.items():
        files.write(out / name, lambda temporary, value=value: temporary.write_bytes(value))  # type: ignore[misc]


def print_review(result: Review) -> None:
    """Prints the mistakes, and how far the players agree with the network."""
    from rich.table import Table

    from ..go.review.page import mistake

    if result.mistakes:
        table = Table(box=None, pad_edge=False, header_style="bold", title="mistakes", title_justify="left")
        for header in ("move", "", "", "win rate lost", "points", "better"):
            table.add_column(header, justify="right" if header in ("move", "win rate lost", "points") else "left")
        for move in result.mistakes:
            row: dict[str, Any] = mistake(move)
            line = " ".join(row["better"].split()[:5])
            table.add_row(str(row["number"]), row["colour"], row["move"], row["win_loss"], row["points"], line)
        output.console().print(table)
        output.line()
    for name, values in result.agreement().items():
        if values["moves"] and name != "both":
            output.line(
                f"{name:<6} top-1 {values['top1']:6.1%}  top-5 {values['top5']:6.1%}  log loss {values['log_loss']:.3f}"
                f"  {values['points_lost']:.1f} points lost a move  ({values['moves']} moves)"
            )
