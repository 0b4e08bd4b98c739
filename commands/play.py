"""The commands of Go that play: gtp, match, annotate."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import free
from ..core.problem import INTERRUPTED, Problem
from ..core.progress import progress, say
from . import tell
from .flags import DEVICE, FORCE, JSON, QUIET, SEED, SYMMETRIES, flag
from .go import app as app  # its commands go on here
from .go import one_record

if TYPE_CHECKING:
    from ..go.play.policy import Policy

PLAYED = Annotated[str, flag("A model file, a run's folder, or go: the one that comes along.")]
PLAYS = Annotated[str, typer.Argument(help="A model file, a run's folder, or go: the one that comes along.")]
TEMPERATURE = Annotated[float, typer.Option(help="0 plays the likeliest move, 1 as often as the network expects it.")]
RESIGN = Annotated[float | None, flag("Give up below this share of random games won, as in 0.05; default never.")]


def policy_of(model: str, symmetries: int | None, device: str | None) -> Policy:
    """The policy in a model, by its name. Raises Problem where there is none."""
    from .. import load
    from ..go.play.policy import Policy

    return Policy(load(model, device or "auto", symmetries))


@app.command()
def gtp(
    model: PLAYS = "go",
    temperature: TEMPERATURE = 0,
    symmetries: SYMMETRIES = 8,
    resign: RESIGN = None,
    seed: SEED = None,
    device: DEVICE = None,
) -> None:
    """Play in Sabaki, GoGui and other programs, over the Go Text Protocol, version 2, on 19×19.

    [bold]neocog go gtp[/bold]                           as the program's engine command
    [bold]neocog go gtp runs/go-… --temperature 0.5 --symmetries 1[/bold]

    It passes when you have passed and it is ahead by area or nothing is left to play for, and resigns only with
    --resign. Dead stones in final_score and final_status_list are those that random games leave to the other side.
    """
    from ..go.play.engine import Engine
    from ..go.play.gtp import on_standard_streams
    from ..go.play.player import Player

    on_standard_streams(Engine(Player(policy_of(model, symmetries, device), temperature, resign, seed)))


@app.command()
def match(
    a: Annotated[str, typer.Argument(help='Program A: "neocog go gtp MODEL".', show_default=False)],
    b: Annotated[str, typer.Argument(help='Program B: "gnugo --mode gtp --level 10".', show_default=False)],
    games: Annotated[int, typer.Option(help="How many; colours alternate, A begins as black.", min=1)] = 100,
    size: Annotated[int, typer.Option(help="Of the board.", min=2, max=19)] = 19,
    komi: Annotated[float, typer.Option(help="Points for White.")] = 7.5,
    timeout: Annotated[float, typer.Option(help="Seconds for a move; who takes longer has lost.", min=0.01)] = 60,
    limit: Annotated[int | None, flag("Moves after which a game is counted; default twice the points.")] = None,
    parallel: Annotated[int, typer.Option(help="Games at a time.", min=1)] = 1,
    openings: Annotated[list[str] | None, flag("Games whose first moves are played, each with both colours.")] = None,
    opening_moves: Annotated[int, typer.Option(help="How many of their moves.", min=1)] = 8,
    referee: Annotated[str | None, flag("A third program that says which stones are dead.")] = None,
    out: Annotated[Path | None, flag("The folder for the games; default match-TIME.")] = None,
    force: FORCE = False,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Let two GTP programs play, on our own board, and count. Interrupted, it goes on with the same --out.

    [bold]neocog go match "neocog go gtp" "gnugo --mode gtp --level 10" --games 100[/bold]

    A move that is illegal on our board, a crash or a time-out loses the game and is counted. Area is counted without
    dead stones: those that both programs name, or that --referee names; where the two disagree on the winner, random
    games decide. Suicide is illegal, simple ko holds. Every game is kept as SGF.
    """
    from ..go.play import match as matches
    from ..go.play.referee import Terms
    from ..go.play.standing import brief, remarks, sentences, standing

    terms = Terms(size, komi, timeout, limit or 2 * size * size)
    told = matches.Match(a, b, terms, referee or "", opened(openings, opening_moves, size))
    folder = out or Path(time.strftime("match-%Y%m%d-%H%M%S"))
    rows = matches.begin(told, folder, force)
    there = {row["game"] for row in rows}
    missing = [number for number in range(1, games + 1) if number not in there]
    if not quiet:
        say(f"{len(there)} of {games} games are there; playing in {folder}/" if there else f"playing in {folder}/")
    with progress("match", "games", quiet) as shown:
        shown.first = len(rows)

        def watch(running: dict[int, int]) -> None:
            moves = ", ".join(f"game {number} move {count}" for number, count in sorted(running.items())[:3])
            shown(len(rows), games, ", ".join(filter(None, (brief(rows), moves))))

        try:
            for row in matches.play_on(told, folder, missing, parallel, watch):
                rows.append(row)
        except KeyboardInterrupt:
            shown.close()
            standings = brief(rows)
            message = f"stopped after {len(rows)} games ({standings}); the same command with --out {folder} goes on"
            raise Problem(message, INTERRUPTED) from None
    summary = told.document() | standing(rows) | {"names": matches.names_in(rows), "out": str(folder)}
    matches.close(folder, summary)
    for remark in [] if quiet else remarks(summary):
        say(remark)
    if json:
        tell.document(summary | {"results": [{k: v for k, v in row.items() if k != "line"} for row in rows]})
    else:
        print("\n".join([*sentences(summary, summary["names"]), f"\n{folder}/"]))


def opened(openings: list[str] | None, moves: int, size: int) -> tuple[tuple[int, ...], ...]:
    """The openings that records give; one that is empty where there are no records."""
    if not openings:
        return ((),)
    from ..go.game import Game
    from ..go.play.match import openings_of
    from ..go.records import record_files
    from ..go.sgf import records

    found = (
        each
        for name, content in record_files(openings)
        if isinstance(content, bytes)
        for each in records(content, name)
    )
    return openings_of([game for _, game in found if isinstance(game, Game)], moves, size)


@app.command()
def annotate(
    game: Annotated[str, typer.Argument(help="An SGF file, FILE.zip!NAME, or - for stdin.")],
    model: PLAYED = "go",
    out: Annotated[Path | None, flag("Write the record with comments and marks.")] = None,
    force: FORCE = False,
    top: Annotated[int, typer.Option(help="How many surprising moves are listed.", min=0)] = 10,
    symmetries: SYMMETRIES = None,
    device: DEVICE = None,
    json: JSON = False,
) -> None:
    """How likely a network thinks each move of a game, and which surprised it.

    [bold]neocog go annotate game.sgf --out annotated.sgf[/bold]

    Each node of the record gets the probability and the rank of its move as a comment, and where the network would have
    played as labels 1 to 5. Its own comments, marks and branches stay.
    """
    free(out, force)
    from ..go import annotate as notes

    found, content = one_record(game)
    moves = notes.seen(found, policy_of(model, symmetries, device))
    if out:
        from ..core import files

        written = notes.annotated(content, moves, model)
        files.write(out, lambda beside: beside.write_bytes(written))
        say(f"wrote {out}")
    told = notes.summaries(moves)
    if json:
        tell.document({"game": found.name, "model": model, **told, "moves": [notes.document(each) for each in moves]})
    else:
        surprises([notes.document(each) for each in notes.surprising(moves, top)], told)


def surprises(rows: list[dict[str, Any]], told: dict[str, dict[str, Any]]) -> None:
    """The moves that were least expected, and how well the others were."""
    from rich.table import Table

    if rows:
        table = Table(box=None, pad_edge=False, header_style="bold", title="least expected", title_justify="left")
        for name, side in (("move", "right"), ("", "left"), ("", "left"), ("probability", "right"), ("rank", "right")):
            table.add_column(name, justify=side)  # type: ignore[arg-type]
        table.add_column("expected")
        for row in rows:
            best = "  ".join(f"{each['move']} {each['probability']:.1%}" for each in row["best"][:3])
            shares = f"{row['probability']:.2%}", str(row["rank"])
            table.add_row(str(row["number"]), row["colour"], row["move"], *shares, best)
        tell.console().print(table)
        print()
    for name, each in told.items():
        if each["moves"]:
            print(
                f"{name:<6} top-1 {each['top1']:6.1%}  top-5 {each['top5']:6.1%}  log loss {each['log_loss']:.3f}"
                f"  ({each['moves']} moves)"
            )
