"""Dead stones at the end of counted games, against GNU Go's `final_status_list dead` and the recorded winner.

python benchmarks/go_status.py test.sgf.zip --lists gnugo.json

`--lists` keeps GNU Go's answers (a second or two a game), so that a second call takes them from there. Games are those
with a count and a komi, at equal distances in the collection if there are more than --games.
"""

import argparse
import json
from pathlib import Path

import neocog
import numpy as np
import torch
from go_machine import machine
from neocog.go import evaluation
from neocog.go.board import Board
from neocog.go.collection import read_collection
from neocog.go.coords import place, vertex
from neocog.go.game import Game
from neocog.go.outcome import outcome, record_komi, recorded_area
from neocog.go.play.client import Client
from neocog.go.play.playouts import run_playouts

COLOURS = {1: "black", 2: "white"}


def counted_games(path: str, count: int) -> list[tuple[Game, float]]:
    """Counted games with the recorded area lead of Black, komi not included."""
    games = read_collection([path]).games
    counted = []
    for index, info in enumerate(games.info):
        result = outcome(info.result)
        if result and result.how == "count" and (area := recorded_area(games[index], result)) is not None:
            counted.append((games[index], area))
    return counted[:: max(len(counted) // count, 1)][:count]


def ask(gnugo: Client, game: Game) -> list[str]:
    """GNU Go's dead stones at the end of a game."""
    stones = zip(game.stones.tolist(), game.stone_colours.tolist(), strict=True)
    moves = zip(game.moves.tolist(), game.colours.tolist(), strict=True)
    for command in ["boardsize 19", "clear_board"]:
        gnugo.send(command, 60)
    for point, colour in [*stones, *moves]:
        gnugo.send(f"play {COLOURS[colour]} {vertex(point, 19)}", 60)
    return gnugo.send("final_status_list dead", 300).split()


def lists_of(games: list[Game], path: Path) -> dict[str, list[str]]:
    """GNU Go's dead stones by the name of a game, from a file as far as it has them."""
    lists: dict[str, list[str]] = json.loads(path.read_text()) if path.exists() else {}
    if missing := [game for game in games if game.name not in lists]:
        gnugo = Client("gnugo --mode gtp --level 10")
        for game in missing:
            lists[game.name] = ask(gnugo, game)
        gnugo.close()
        path.write_text(json.dumps(lists))
    return lists


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("games")
    parser.add_argument("--lists", type=Path, required=True)
    parser.add_argument("--games", dest="count", type=int, default=10_000)
    parser.add_argument("--verbose", action="store_true", help="print the stones that differ")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    games = counted_games(arguments.games, arguments.count)
    lists = lists_of([game for game, _ in games], arguments.lists)
    path, judges = neocog.find("go").path, {"playouts": run_playouts}
    for count in (1, 8):
        evaluator = evaluation.evaluator_of(neocog.load("go", "cpu", count), path)
        judges[f"with the value head, {count} views"] = evaluation.judge_of(evaluator)
    rows = {name: [] for name in [*judges, "GNU Go"]}
    for game, area in games:
        board, komi = Board.from_game(game), record_komi(game) or 0.0
        expected = {place(name, 19) for name in lists[game.name]}
        found = {name: set(judge(board).dead()) for name, judge in judges.items()} | {"GNU Go": expected}
        for name, dead in found.items():
            lead = board.without(sorted(dead)).score(0)
            rows[name].append((dead == expected, np.sign(lead - komi) == np.sign(area - komi), abs(lead - area) <= 1))
            if arguments.verbose and dead != expected:
                extra, missed = (" ".join(vertex(p, 19) for p in sorted(s)) for s in (dead - expected, expected - dead))
                print(f"{game.name}, {name}: too many {extra or '–'}, missed {missed or '–'}; "
                      f"area {lead:+g}, recorded {area:+g}")  # fmt: skip
    for name, values in rows.items():
        same, winner, count = np.sum(values, 0)
        print(f"{name:<28} {same} of {len(values)} agree with GNU Go on every stone, {winner} with the recorded "
              f"winner, {count} with the recorded count within a point")  # fmt: skip
    print(machine())


if __name__ == "__main__":
    main()
