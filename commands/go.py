"""The commands of Go beside those of all domains: show, planes, pack."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.files import check_folder, check_output
from ..core.format import without_controls
from ..core.problem import DATA, INTERRUPTED, USAGE, Problem
from ..core.progress import progress, say
from . import output
from .flags import FORCE, JSON, QUIET
from .help import Group

if TYPE_CHECKING:
    from ..core.problem import Bad
    from ..go.diagram import Diagram
    from ..go.game import Game

app = typer.Typer(
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Boards, game records, a GTP engine, matches.",
)

GAMES = Annotated[list[str], typer.Argument(help="SGF files, folders, globs, zip and tar archives, or -.")]
MAX_NAMED = 5  # records left out that are listed


@app.command()
def show(
    game: Annotated[str, typer.Argument(help="An SGF file, FILE.zip!NAME, or - for stdin.")],
    move: Annotated[int | None, typer.Option(help="Number of moves played.", show_default="all")] = None,
    plane: Annotated[
        str | None, typer.Option(help='Plane to mark: "ladder capture", liberties, 0 to 47.', show_default=False)
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Write an SVG image.", show_default=False)] = None,
    png: Annotated[Path | None, typer.Option(help="Write a PNG image.", show_default=False)] = None,
    force: FORCE = False,
    json: JSON = False,
) -> None:
    """Show the board after a move in the terminal or as an image, with any of the 48 planes marked.

    [bold]neocog go show game.sgf --move 57 --plane "ladder capture"[/bold]
    [bold]neocog go show game.sgf --png game.png[/bold]
    """
    check_output(svg, force)
    check_output(png, force)
    from ..go.diagram import diagram

    record = read_game(game)
    board = diagram(record, move, plane)
    if svg or png:
        from ..core import files
        from ..go import picture

        if svg:
            files.write_text(svg, without_controls(picture.svg(board)))
        if png:
            files.write(png, lambda temporary: picture.png(board).save(temporary, "PNG"))
        say("wrote " + ", ".join(str(path) for path in (svg, png) if path))
    if json:
        output.document(to_dict(record, board))
    elif not (svg or png):
        from ..go.terminal import text

        output.drawing(partial(text, board))


def read_game(argument: str) -> Game:
    """The first game of a file; a remark says if there are more."""
    return read_record(argument)[0]


def read_record(argument: str) -> tuple[Game, bytes]:
    """The first game of a file, and the file's content."""
    from ..core.sources.content import Unreadable
    from ..go.record_files import record_files
    from ..go.sgf import BadRecord, records

    files = record_files([argument])
    file, content = next(files)
    if isinstance(content, Unreadable):
        raise Problem(f"{file} {content}", DATA)
    games = records(content, file)
    name, game = next(games)
    if isinstance(game, BadRecord):
        raise Problem(f"{name} {game}", DATA)
    if next(games, None) or next(files, None):
        say(f"{argument} holds several games; this is {name}")
    return game, content


def to_dict(game: Game, board: Diagram) -> dict[str, Any]:
    """A position for JSON."""
    from ..go.coords import vertex

    return {
        "game": game.name,
        "moves": len(game),
        "size": board.size,
        "board": board.board.tolist(),
        "last": None if board.last is None else vertex(board.last, board.size),
        "plane": board.plane or None,
        "marked": {vertex(place, board.size): label for place, label in sorted(board.marks.items())},
        "lines": list(board.lines),
    }


@app.command()
def planes(
    games: GAMES,
    out: Annotated[Path, typer.Option(help="The .npz file to write.", show_default=False)],
    moves: Annotated[str, typer.Option(help="every, last, or the position after N moves of each game.")] = "every",
    size: Annotated[int, typer.Option(help="Size of the boards to export.", min=1, max=19)] = 19,
    force: FORCE = False,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Export the 48 planes of positions: arrays planes, move, game, number and names in one .npz.

    [bold]neocog go planes games.zip --out planes.npz --moves last[/bold]
    """
    check_output(out, force)
    from ..core.sources.parallel import processors
    from ..go.collection import read_collection
    from ..go.export import PositionChoice, export

    choice = PositionChoice.parse(moves)
    with progress("reading", "games", quiet) as reading:
        collection = read_collection(games, processors(), reading)
    with progress("writing", "positions", quiet) as writing:
        summary, bad = export(collection, choice, size, out, writing)
    if not quiet:
        list_left_out(bad)
    if json:
        output.document(summary | {"bad": [record._asdict() for record in bad]})
    else:
        output.line(f"{summary['positions']:,} positions of {summary['games']:,} games in {out}")


@app.command()
def pack(
    games: GAMES,
    out: Annotated[Path, typer.Option(help="The folder to write.", show_default=False)],
    valid: Annotated[float, typer.Option(help="Share of the games for validation.")] = 0.05,
    test: Annotated[float, typer.Option(help="Share of the games for the test.")] = 0.05,
    workers: Annotated[int | None, typer.Option(help="Number of processors.", min=1, show_default="all")] = None,
    force: FORCE = False,
    json: JSON = False,
    quiet: QUIET = False,
) -> None:
    """Pack a collection for training: every position in 2,166 bytes, split by game. The same call continues a pack.

    [bold]neocog go pack games.zip --out packed/[/bold]
    """
    for name, share in (("--valid", valid), ("--test", test)):
        if not 0 <= share <= 1 or valid + test > 1:
            raise Problem(f"{name} is a share from 0 to 1, and both together are at most 1; got {share:g}", USAGE)
    check_folder(out)
    from ..core.sources.parallel import processors
    from ..go import pack as packs

    count = workers or processors()
    with progress("reading", "games", quiet) as reading:
        index = packs.prepare(games, out, valid, test, count, force, reading)
    with progress("packing", "positions", quiet) as packing:
        packing.first = packs.count_packed(out, index)
        try:
            index = packs.finish(out, index, count, packing)
        except KeyboardInterrupt:
            raise Problem(f"stopped; run the same command again to continue {out}/", INTERRUPTED) from None
    if not quiet:
        list_left_out(index["bad"])
    if json:
        output.document(index | {"out": str(out)})
        return
    splits = ", ".join(f"{count:,} {split}" for split, count in index["games"].items())
    output.line(f"{index['positions']:,} positions of {sum(index['games'].values()):,} games ({splits}) in {out}/")


def list_left_out(bad: list[Bad] | list[dict[str, str]]) -> None:
    """Lists the first of the records left out, with the reasons."""
    if not bad:
        return
    records = [(record["file"], record["reason"]) if isinstance(record, dict) else record for record in bad]
    say(f"left out {len(bad):,} record{'s' if len(bad) > 1 else ''}:")
    for file, reason in records[:MAX_NAMED]:
        say(f"  {file} {reason}")
    if len(bad) > MAX_NAMED:
        say(f"  … and {len(bad) - MAX_NAMED:,} more; --json lists all of them")
