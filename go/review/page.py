"""The page of a review: one HTML file with a board to step through, the graph, and the costliest moves."""

from __future__ import annotations

import json
from importlib.resources import files as package_files
from typing import Any

import jinja2

from ...core.charts import png, style
from ..board import Board
from ..coords import COLUMNS, SIZE, star_points, vertex
from ..game import COLOURS
from ..position import BLACK
from .record import signed
from .review import Review, ReviewedMove

BLACK_INK, LEAD_INK = "#17130d", "#2f6db3"


def page(review: Review, model: str) -> str:
    """The HTML."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = package_files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    info = review.game.info
    players = " – ".join(name for name in (info.black, info.white) if name) or review.game.name
    return environment.from_string(source).render(
        title=players,
        info=[
            text
            for text in (info.date, info.rules, f"komi {review.komi:g}" if review.komi is not None else "", info.result)
            if text
        ],
        model=model,
        caveats=review.caveats,
        agreement=[(name, row) for name, row in review.agreement().items() if row["moves"] and name != "both"],
        mistakes=[mistake(move) for move in review.mistakes],
        data=embedded(data(review)),
    )


def embedded(values: Any) -> str:
    """JSON that may stand in a script element."""
    return (
        json.dumps(values, separators=(",", ":")).replace("<", "\\u003c").replace("\u2028", " ").replace("\u2029", " ")
    )


def mistake(move: ReviewedMove) -> dict[str, Any]:
    return {
        "number": move.number,
        "colour": COLOURS[move.colour],
        "move": vertex(move.place, SIZE),
        "win_loss": f"{move.win_loss:.1%}",
        "points": f"{move.points_lost:.1f}",
        "better": " ".join(vertex(place, SIZE) for place in move.better) or "–",
    }


def data(review: Review) -> dict[str, Any]:
    """What the script draws: a board for each number of moves, as 361 digits, with the values there."""
    positions = [position(review, 0)]
    board = Board.from_game(review.game, 0)
    positions[0]["board"] = digits(board)
    for move in review.moves:
        board.play(move.place, move.colour)
        positions.append(position(review, move.number) | {"board": digits(board), "last": move.place})
    return {
        "size": SIZE,
        "columns": COLUMNS[:SIZE],
        "stars": star_points(SIZE),
        "positions": positions,
        "mistakes": [move.number for move in review.mistakes],
    }


def position(review: Review, number: int) -> dict[str, Any]:
    """The values after some moves, and what was likely to follow."""
    moves = review.moves
    value = moves[number - 1].after if number else review.start
    entries: dict[str, Any] = {"win": round(value.win, 4), "lead": round(value.lead, 2), "text": signed(value.lead)}
    if number < len(moves):
        following = moves[number]
        entries["best"] = [[best.place, round(best.probability, 4)] for best in following.best]
        entries["better"] = list(following.better)
        entries["first"] = 1 if following.colour == BLACK else 2
    if number:
        move = moves[number - 1]
        entries["move"] = f"{COLOURS[move.colour]} {vertex(move.place, SIZE)}"
        entries["rank"] = move.rank
        entries["probability"] = round(move.probability, 4)
        entries["loss"] = round(move.win_loss, 4)
    return entries


def digits(board: Board) -> str:
    return "".join(map(str, board.board().ravel().tolist()))


def graph(review: Review) -> bytes:
    """The win rate and the lead of Black through the game, as a PNG."""
    values = [review.start, *(move.after for move in review.moves)]
    with style() as figure_class:
        figure = figure_class(figsize=(9, 3.6), layout="constrained")
        win, lead = figure.subplots(2, 1, sharex=True)
        win.plot([100 * value.win for value in values], color=BLACK_INK, lw=1.4)
        win.axhline(50, color="#b8c0c8", lw=0.8)
        win.set(ylabel="Black wins (%)", ylim=(0, 100))
        marked = [move.number for move in review.mistakes]
        win.plot(marked, [100 * values[number].win for number in marked], "o", color="#d8352a", ms=4)
        lead.plot([value.lead for value in values], color=LEAD_INK, lw=1.4)
        lead.axhline(0, color="#b8c0c8", lw=0.8)
        lead.set(ylabel="Black's lead (points)", xlabel="move")
        return png(lambda _: figure)
