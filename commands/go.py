"""The commands of Go beside those that all domains share: show, planes, pack."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import free
from ..core.problem import DATA, INTERRUPTED, USAGE, Problem
from ..core.progress import progress, say
from . import tell
from .flags import FORCE, JSON, QUIET

if TYPE_CHECKING:
    from ..core.problem import Bad
    from ..go.game import Game

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Boards, records, an engine, matches.")

GAMES = Annotated[list[str], typer.Argument(help="SGF files, folders, globs, zip and tar archives, or -.")]
NAMED = 5  # records left out that are named


@app.command()
def show(
    game: Annotated[str, typer.Argument(help="An SGF file, FILE.zip!NAME, or - for stdin.")],
    move: Annotated[int | None, typer.Option(help="After so many moves; default all.", show_default=False)] = None,
    plane: Annotated[str | None, typer.Option(help='Laid over it: "ladder capture", liberties, 0 to 47.')] = None,
    svg: Annotated[Path | None, typer.Option(help="Write a picture as SVG.", show_default=False)] = None,
    png: Annotated[Path | None, typer.Option(help="Write a picture as PNG.", show_default=False)] = None,
    force: FORCE = False,
    json: JSON = False,
) -> None:
    """The board after a move, drawn here or as a picture, with any of the 48 planes over it.

    [bold]neocog go show game.sgf --move 57 --plane "ladder capture"[/bold]
    [bold]neocog go show game.sgf --png game.png[/bold]
    """
    free(svg, force)
    free(png, force)
    from ..go.diagram import diagram

    found = one_game(game)
    drawn = diagram(found, move, plane)
    if svg or png:
        from ..core import files
        from ..go import picture

        if svg:
            files.write_text(svg, picture.svg(drawn))
        if png:
            files.write(png, lambda beside: picture.png(drawn).save(beside, "PNG"))
        say("wrote " + ", ".join(str(each) for each in (svg, png) if each))
    if json:
        tell.document(as_data(found, drawn))
    elif not (svg or png):
        from ..go.terminal import text

        tell.drawing(partial(text, drawn))


def one_game(argument: str) -> Game:
    """The first game that an argument names; that there are more is said."""
    return one_record(argument)[0]


def one_record(argument: str) -> tuple[Game, bytes]:
    """The same, with the bytes of its file."""
    from ..core.sources.content import Unreadable
    from ..go.records import record_files
    from ..go.sgf import BadRecord, records

    files = record_files([argument])
    name, content = next(files)
    if isinstance(content, Unreadable):
        raise Problem(f"{name} {content}", DATA)
    found = records(content, name)
    called, game = next(found)
    if isinstance(game, BadRecord):
        raise Problem(f"{called} {game}", DATA)
    if next(found, None) or next(files, None):
        say(f"{argument} holds several games; this is {called}")
    return game, content


def as_data(game: Game, drawn: Any) -> dict[str, Any]:
    """A position for programs."""
    from ..go.coords import vertex

    return {
        "game": game.name,
        "moves": len(game),
        "size": drawn.size,
        "board": drawn.board.tolist(),
        "last": None if drawn.last is None else vertex(drawn.last, drawn.size),
        "plane": drawn.plane or None,
        "marked": {vertex(place, drawn.size): sign for place, sign in sorted(drawn.marks.items())},
        "lines": list(drawn.lines),
    }


@app.command()
def planes(
    games: GAMES,
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    moves: Annotated[str, typer.Option(help="every, last, or the position after N moves of each game.")] = "every",
    size: Annotated[int, typer.Option(help="Games on boards of this size.", min=1, max=19)] = 19,
    force: FORCE = False,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """The 48 planes of positions, for other programs: arrays planes, move, game, number and names in one .npz.

    [bold]neocog go planes games.zip --out planes.npz --moves last[/bold]
    """
    free(out, force)
    from ..core.sources.parallel import processors
    from ..go.collection import read_collection
    from ..go.export import Choice, export

    choice = Choice.parse(moves)
    with progress("reading", "games", quiet) as reading:
        collection = read_collection(games, processors(), reading)
    with progress("writing", "positions", quiet) as writing:
        told, bad = export(collection, choice, size, out, writing)
    if not quiet:
        left_out(bad)
    if json:
        tell.document(told | {"bad": [each._asdict() for each in bad]})
    else:
        print(f"{told['positions']:,} positions of {told['games']:,} games in {out}")


@app.command()
def pack(
    games: GAMES,
    out: Annotated[Path, typer.Option(help="The folder to pack into.")],
    valid: Annotated[float, typer.Option(help="Share of the games that chooses the best epoch.")] = 0.05,
    test: Annotated[float, typer.Option(help="Share of the games that is only scored on.")] = 0.05,
    workers: Annotated[int | None, typer.Option(help="Processors; default all.", min=1, show_default=False)] = None,
    force: FORCE = False,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Pack a collection for training: every position as 2,166 bytes, divided by game. Interrupted, it goes on.

    [bold]neocog go pack games.zip --out packed/[/bold]
    """
    for name, share in (("--valid", valid), ("--test", test)):
        if not 0 <= share <= 1 or valid + test > 1:
            raise Problem(f"{name} is a share from 0 to 1, both together at most 1; got {share:g}", USAGE)
    from ..core.sources.parallel import processors
    from ..go import pack as packs

    count = workers or processors()
    with progress("reading", "games", quiet) as reading:
        index = packs.prepare(games, out, valid, test, count, force, reading)
    with progress("packing", "positions", quiet) as packing:
        packing.first = packs.packed_so_far(out, index)
        try:
            index = packs.finish(out, index, count, packing)
        except KeyboardInterrupt:
            raise Problem(f"stopped; the same command goes on with {out}/", INTERRUPTED) from None
    if not quiet:
        left_out(index["bad"])
    if json:
        tell.document(index | {"out": str(out)})
        return
    parts = ", ".join(f"{count:,} {part}" for part, count in index["games"].items())
    print(f"{index['positions']:,} positions of {sum(index['games'].values()):,} games ({parts}) in {out}/")


def left_out(bad: list[Bad] | list[dict[str, str]]) -> None:
    """The first of the records that were left out, with their reasons."""
    if not bad:
        return
    told = [(each["file"], each["reason"]) if isinstance(each, dict) else (each.file, each.reason) for each in bad]
    say(f"left out {len(bad):,} record{'s' if len(bad) > 1 else ''}:")
    for file, reason in told[:NAMED]:
        say(f"  {file} {reason}")
    if len(bad) > NAMED:
        say(f"  … and {len(bad) - NAMED:,} more; all of them with --json")
