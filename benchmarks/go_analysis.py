"""`neocog go analysis` as a program: queries as KaTrain sends them, and the time for a game of 250 moves.

python benchmarks/go_analysis.py queries test.sgf.zip --queries 1000    fields of the answers against KataGo's
python benchmarks/go_analysis.py game test.sgf.zip --threads 1 2         policy and value of each position
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from typing import IO, Any

from go_machine import machine
from neocog.go.collection import read_collection
from neocog.go.coords import vertex
from neocog.go.game import Game

# The fields that docs/Analysis_Engine.md of KataGo lists for an answer, by part.
ANSWER = {"id", "isDuringSearch", "turnNumber", "moveInfos", "rootInfo", "ownership", "policy"}
MOVE = {
    *("move", "visits", "edgeVisits", "weight", "edgeWeight", "winrate", "scoreMean", "scoreStdev", "scoreLead"),
    *("scoreSelfplay", "prior", "utility", "lcb", "utilityLcb", "order", "pv", "ownership"),
}
ROOT = {
    *("currentPlayer", "winrate", "scoreLead", "scoreSelfplay", "scoreStdev", "utility", "visits", "weight"),
    *("thisHash", "symHash", "rawWinrate", "rawLead", "rawScoreSelfplay", "rawScoreSelfplayStdev", "rawNoResultProb"),
    *("rawStWrError", "rawStScoreError", "rawVarTimeLeft"),
}


def katrain_query(game: Game, number: int, query_id: str, **fields: Any) -> dict[str, Any]:
    """The query that katrain/core/engine.py (1.20) sends for the position after `number` moves."""
    moves = [["BW"[colour - 1], vertex(move, 19)] for move, colour in zip(game.moves, game.colours, strict=True)]
    stones = [["BW"[c - 1], vertex(p, 19)] for p, c in zip(game.stones, game.stone_colours, strict=True)]
    return {
        "id": query_id, "rules": "japanese", "priority": 0, "analyzeTurns": [number], "maxVisits": 20, "komi": 6.5,
        "boardXSize": 19, "boardYSize": 19, "includeOwnership": True, "includeMovesOwnership": True,
        "includePolicy": True, "initialStones": stones, "initialPlayer": "BW"[game.to_move(0) - 1],
        "moves": moves[:number],
        "overrideSettings": {"reportAnalysisWinratesAs": "BLACK", "wideRootNoise": 0.0, "maxTime": 8.0}, **fields,
    }  # fmt: skip


def write(stream: IO[str], queries: list[dict[str, Any]]) -> None:
    with stream:
        stream.writelines(json.dumps(query) + "\n" for query in queries)


def run(queries: list[dict[str, Any]], threads: int) -> tuple[list[dict[str, Any]], float, float]:
    """The answers to queries, and the seconds from the start of the program to its first and its last answer."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "neocog", "go", "analysis", "--device", "cpu"]
    start = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as engine:
        assert engine.stdin and engine.stdout
        writer = threading.Thread(target=write, args=(engine.stdin, queries))  # the answers are read meanwhile
        writer.start()
        first = engine.stdout.readline()
        begun = time.monotonic() - start
        lines = [first, *engine.stdout]
        writer.join()
    return [json.loads(line) for line in lines], begun, time.monotonic() - start


def queries(games: list[Game], count: int) -> None:
    """Sends the positions of many games, as KaTrain does for a game and for single positions."""
    sent = [
        katrain_query(game, 7 * i % (len(game) + 1), f"QUERY:{i}", maxVisits=4 if i % 4 else 20, priority=i % 3)
        for i, game in zip(range(count), games * (count // len(games) + 1), strict=False)
    ]
    answers, _, seconds = run(sent, 1)
    assert sorted(answer["id"] for answer in answers) == sorted(query["id"] for query in sent), "an answer each"
    wrong = 0
    for answer in answers:
        parts = [(ANSWER, answer), (ROOT, answer["rootInfo"]), *((MOVE, move) for move in answer["moveInfos"])]
        wrong += any(set(part) != fields for fields, part in parts) or not answer["moveInfos"]
        wrong += len(answer["policy"]) != 362 or len(answer["ownership"]) != 361
    visits = sum(answer["rootInfo"]["visits"] for answer in answers)
    print(f"{len(answers):,} queries, {visits:,} visits, {seconds:.0f} s wall time")
    print(f"{wrong} answers with other fields than KataGo's; {machine()}")


def game(games: list[Game], threads: list[int]) -> None:
    """The policy and value of each position of the first game of 250 moves or more."""
    long = next(game for game in games if len(game) >= 250)
    query = katrain_query(long, 250, "game", analyzeTurns=list(range(251)), maxVisits=1)
    for count in threads:
        answers, first, seconds = run([query], count)
        assert len(answers) == 251 and all("moveInfos" in answer for answer in answers)
        print(f"{long.name}, 251 positions, {count} threads: {seconds:.1f} s wall time from the program's start, "
              f"{first:.1f} s to the first answer; {machine()}", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=("queries", "game"))
    parser.add_argument("games")
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    collection = read_collection([arguments.games]).games
    games = [collection[i] for i in range(len(collection))]
    if arguments.step == "queries":
        queries(games, arguments.queries)
    else:
        game(games, arguments.threads)


if __name__ == "__main__":
    main()
