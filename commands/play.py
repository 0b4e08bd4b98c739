"""The commands of Go that use a policy: gtp, match, annotate."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import check_output
from ..core.problem import INTERRUPTED, Problem
from ..core.progress import progress, say
from . import output
from .flags import DEVICE, FORCE, JSON, QUIET, SEED, SYMMETRIES, flag
from .go import app as app  # extended here
from .go import read_record

if TYPE_CHECKING:
    from ..go.evaluation import NetworkEvaluator, PlayoutEvaluator
    from ..go.play.policy import Policy

MODEL_HELP = "A model file, a run's folder, or go: the network included in the package."
MODEL_OPTION = Annotated[str, typer.Option(help=MODEL_HELP)]
MODEL_ARGUMENT = Annotated[str, typer.Argument(help=MODEL_HELP)]
TEMPERATURE = Annotated[float, typer.Option(help="0 plays the likeliest move, 1 draws moves by their probability.")]
RESIGN = Annotated[
    float | None, typer.Option(help="Resign below this share of playouts won, such as 0.05.", show_default="never")
]
SEARCH_VISITS = Annotated[
    int | None, typer.Option(help="Search this many positions for a move.", min=1, show_default="no search")
]
SEARCH_SECONDS = Annotated[
    float | None, typer.Option(help="Search for at most this time for a move.", min=0.01, show_default="no limit")
]


def policy_of(model: str, symmetries: int | None, device: str | None) -> Policy:
    """The policy of a model. Raises Problem if the model cannot be loaded or is of another domain."""
    from .. import load
    from ..go.play.policy import Policy

    return Policy(load(model, device or "auto", symmetries))


@app.command()
def gtp(
    model: MODEL_ARGUMENT = "go",
    temperature: TEMPERATURE = 0,
    symmetries: Annotated[
        int | None,
        flag(
            "Test-time augmentation: average over this many symmetries.", default="all of its training, 1 with a search"
        ),
    ] = None,
    resign: RESIGN = None,
    visits: SEARCH_VISITS = None,
    seconds: SEARCH_SECONDS = None,
    seed: SEED = None,
    device: DEVICE = None,
) -> None:
    """Run a Go engine for Sabaki, GoGui and other programs: Go Text Protocol, version 2, on 19×19.

    [bold]neocog go gtp[/bold]                           the engine command to enter in the program
    [bold]neocog go gtp runs/go-… --temperature 0.5 --symmetries 1[/bold]
    [bold]neocog go gtp --visits 200[/bold]              with a search

    It passes after your pass if it leads by area or the game is finished, and resigns only with --resign. Dead stones
    in final_score and final_status_list are estimated by playouts (random games) and the value head, if there is one.
    """
    from .. import find
    from ..go.evaluation import evaluator_of as evaluator_of_model
    from ..go.evaluation import judge_of
    from ..go.play.engine import Engine
    from ..go.play.gtp import serve_standard_streams
    from ..go.play.player import Player

    player: Player
    if visits is None and seconds is None:
        views = known_symmetries(model) if symmetries is None else symmetries
        policy = policy_of(model, views, device)
        judge = judge_of(evaluator_of_model(policy.model, find(model).path))
        player = Player(policy, temperature, resign, seed, judge)
    else:
        from ..go.play.search_player import SearchPlayer

        evaluator = evaluator_of(model, symmetries or 1, device)
        limits = visits, seconds
        player = SearchPlayer(evaluator.policy, evaluator, *limits, temperature, resign, seed, judge_of(evaluator))
    serve_standard_streams(Engine(player))


def known_symmetries(model: str) -> int | None:
    """The symmetries that a network's training showed; None for a network of another domain, which has no policy."""
    from .. import domain, find
    from ..core.model import views_of

    card = find(model).card
    return len(views_of(domain(card.domain), card)) if card.domain == "go" else None


def evaluator_of(model: str, symmetries: int | None, device: str | None) -> NetworkEvaluator | PlayoutEvaluator:
    """The evaluator of a model. Raises Problem if the model cannot be loaded or is of another domain."""
    from .. import find, load
    from ..go import evaluation

    return evaluation.evaluator_of(load(model, device or "auto", symmetries), find(model).path)


@app.command()
def match(
    a: Annotated[str, typer.Argument(help='Program A: "neocog go gtp MODEL".', show_default=False)],
    b: Annotated[str, typer.Argument(help='Program B: "gnugo --mode gtp --level 10".', show_default=False)],
    games: Annotated[int, typer.Option(help="Number of games; colours alternate, A is black first.", min=1)] = 100,
    size: Annotated[int, typer.Option(help="Board size.", min=2, max=19)] = 19,
    komi: Annotated[float, typer.Option(help="Points added to White's score.")] = 7.5,
    timeout: Annotated[
        float,
        typer.Option(help="Seconds for a move, or to start; a slower program loses.", min=0.01),
    ] = 60,
    limit: Annotated[
        int | None, typer.Option(help="Moves after which a game is scored.", show_default="twice the points")
    ] = None,
    parallel: Annotated[int, typer.Option(help="Games played at the same time.", min=1)] = 1,
    openings: Annotated[
        list[str] | None, flag("Records whose first moves are openings, each played with both colours.")
    ] = None,
    opening_moves: Annotated[int, typer.Option(help="Moves taken from each opening.", min=1)] = 8,
    referee: Annotated[str | None, flag("A third GTP program that names the dead stones.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the games.", show_default="match-TIME")] = None,
    force: FORCE = False,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Play a match between two GTP programs. The same command with the same --out continues an interrupted match.

    [bold]neocog go match "neocog go gtp" "gnugo --mode gtp --level 10" --games 100[/bold]

    An illegal move, a crash or a time-out loses the game and is reported. The area is counted without the dead stones
    named by both programs, or by --referee; if the two disagree on the winner, playouts decide. Suicide is illegal,
    simple ko applies. Every game is saved as SGF.
    """
    from ..go.play import match as matches
    from ..go.play.match_stats import brief, match_stats, remarks, report
    from ..go.play.referee import Rules

    rules = Rules(size, komi, timeout, limit or 2 * size * size)
    settings = matches.Match(a, b, rules, referee or "", read_openings(openings, opening_moves, size))
    folder = out or Path(time.strftime("match-%Y%m%d-%H%M%S"))
    rows = matches.open_folder(settings, folder, force)
    finished = {row["game"] for row in rows}
    missing = [number for number in range(1, games + 1) if number not in finished]
    if not quiet:
        say(
            f"{len(finished)} of {games} games are finished; playing in {folder}/"
            if finished
            else f"playing in {folder}/"
        )
    with progress("match", "games", quiet) as bar:
        bar.first = len(rows)

        def update(running: dict[int, int]) -> None:
            moves = ", ".join(f"game {number} move {count}" for number, count in sorted(running.items())[:3])
            bar(len(rows), games, ", ".join(filter(None, (brief(rows), moves))))

        try:
            for row in matches.play_games(settings, folder, missing, parallel, update):
                rows.append(row)
        except KeyboardInterrupt:
            bar.close()
            message = (
                f"stopped after {len(rows)} games ({brief(rows)}); run the same command with --out {folder} to continue"
            )
            raise Problem(message, INTERRUPTED) from None
    summary = settings.to_dict() | match_stats(rows) | {"names": matches.program_names(rows), "out": str(folder)}
    matches.save_summary(folder, summary)
    for remark in [] if quiet else remarks(summary):
        say(remark)
    if json:
        output.document(summary | {"results": [{k: v for k, v in row.items() if k != "line"} for row in rows]})
    else:
        output.line("\n".join([*report(summary, summary["names"]), f"\n{folder}/"]))


def read_openings(arguments: list[str] | None, moves: int, size: int) -> tuple[tuple[int, ...], ...]:
    """The openings of records; a single empty opening without records."""
    if not arguments:
        return ((),)
    from ..go.game import Game
    from ..go.play.match import openings_of
    from ..go.record_files import record_files
    from ..go.sgf import records

    games = (
        game
        for file, content in record_files(arguments)
        if isinstance(content, bytes)
        for _, game in records(content, file)
    )
    return openings_of([game for game in games if isinstance(game, Game)], moves, size)


@app.command()
def annotate(
    game: Annotated[str, typer.Argument(help="An SGF file, FILE.zip!NAME, or - for stdin.")],
    model: MODEL_OPTION = "go",
    out: Annotated[Path | None, flag("Write the record with comments and labels.")] = None,
    force: FORCE = False,
    top: Annotated[int, typer.Option(help="Number of least expected moves to list.", min=0)] = 10,
    symmetries: SYMMETRIES = None,
    device: DEVICE = None,
    json: JSON = False,
) -> None:
    """Rate each move of a game by its probability under a network, and list the least expected moves.

    [bold]neocog go annotate game.sgf --out annotated.sgf[/bold]

    Each node of the record gets a comment with the probability and rank of its move, and labels 1 to 5 on the moves
    that the network prefers. Existing comments, marks and variations stay.
    """
    check_output(out, force)
    from ..go import annotate as annotations

    record, content = read_record(game)
    moves = annotations.annotate_moves(record, policy_of(model, symmetries, device))
    if out:
        from ..core import files

        annotated = annotations.annotated_record(content, moves, model)
        files.write(out, lambda temporary: temporary.write_bytes(annotated))
        say(f"wrote {out}")
    metrics = annotations.metrics_by_colour(moves)
    if json:
        rows = [annotations.to_dict(move) for move in moves]
        output.document({"game": record.name, "model": model, **metrics, "moves": rows})
    else:
        print_annotations([annotations.to_dict(move) for move in annotations.least_expected(moves, top)], metrics)


def print_annotations(rows: list[dict[str, Any]], metrics: dict[str, dict[str, Any]]) -> None:
    """Prints the least expected moves, and the metrics of each colour."""
    from rich.table import Table

    if rows:
        table = Table(box=None, pad_edge=False, header_style="bold", title="least expected", title_justify="left")
        for header, side in (
            ("move", "right"),
            ("", "left"),
            ("", "left"),
            ("probability", "right"),
            ("rank", "right"),
        ):
            table.add_column(header, justify=side)  # type: ignore[arg-type]
        table.add_column("expected")
        for row in rows:
            best = "  ".join(f"{move['move']} {move['probability']:.1%}" for move in row["best"][:3])
            shares = f"{row['probability']:.2%}", str(row["rank"])
            table.add_row(str(row["number"]), row["colour"], row["move"], *shares, best)
        output.console().print(table)
        output.line()
    for name, values in metrics.items():
        if values["moves"]:
            output.line(
                f"{name:<6} top-1 {values['top1']:6.1%}  top-5 {values['top5']:6.1%}  log loss {values['log_loss']:.3f}"
                f"  ({values['moves']} moves)"
            )
