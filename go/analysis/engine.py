"""The analysis engine: reads requests, searches the positions of all queries together, and writes answers as they come.

A few positions are searched at the same time, those of the highest priority first and among equals the oldest; each
forward pass of the network holds positions of several of them. An error is answered with the id of its query; nothing
that a line holds ends the engine. At the end of the input it finishes the queries that it has.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from ...core.problem import Problem
from ...core.process import drop_output
from ...core.progress import say
from ...core.stdin import standard_input
from ...core.versions import neocog_version
from ..board import Board
from ..play.gtp import Stream
from ..search import BATCH, Evaluator, Search, grow
from .answer import answer
from .query import Action, Query, QueryError, parse

SEARCHED = 16  # positions at the same time
LINE_LIMIT = 4 << 20  # bytes of a request
Write = Callable[[dict[str, Any]], object]


class Lines(Protocol):
    """A source of lines."""

    def next(self) -> str | None: ...

    def wait(self, seconds: float) -> bool: ...


@dataclass
class Job:
    """A position of a query that is analysed."""

    query: Query
    turn: int
    priority: int
    number: int  # in the order of arrival
    search: Search | None = None
    started: float = 0.0
    reported: float = 0.0

    def begin(self) -> Search:
        """The search, begun if it has not been."""
        if self.search is None:
            board = Board.from_game(self.query.game, self.turn)
            restriction = self.query.restrictions.get(board.turn)
            self.search = Search(board, self.query.komi, self.query.bonus, restriction)
            self.started = self.reported = time.monotonic()
        return self.search

    @property
    def is_complete(self) -> bool:
        search, seconds = self.search, self.query.seconds
        if search is None or not search.visits:
            return False
        overtime = seconds is not None and time.monotonic() - self.started >= seconds
        return search.visits >= self.query.visits or search.is_full or overtime

    def answer(self, during: bool = False) -> dict[str, Any]:
        """What is known of the position."""
        if self.search is None or not self.search.visits:
            return {"id": self.query.id, "isDuringSearch": during, "noResults": True, "turnNumber": self.turn}
        board_hash = self.search.board.hashes[-1]
        return answer(self.query, self.turn, self.search.result(), board_hash, during)


class AnalysisEngine:
    """Answers requests; `visits` is the number of visits of a query that gives none."""

    def __init__(self, evaluator: Evaluator, visits: int, write: Write, name: str = "go") -> None:
        self.evaluator, self.visits, self.write, self.name = evaluator, visits, write, name
        self.jobs: list[Job] = []
        self.numbers = count()

    def request(self, line: str) -> None:
        """Takes a line of the input."""
        if not line.strip():
            return
        try:
            request = parse(line, self.visits)
        except QueryError as error:
            self.write(error.to_dict())
            return
        except Exception as error:  # a line may hold anything
            say(traceback.format_exc())
            self.write({"error": f"internal error: {error}"})
            return
        if isinstance(request, Action):
            self.act(request)
            return
        for name, message in request.warnings:
            self.write({"field": name, "id": request.id, "warning": message})
        for turn, priority in zip(request.turns, request.priorities, strict=True):
            self.jobs.append(Job(request, turn, priority, next(self.numbers)))
        self.jobs.sort(key=lambda job: (-job.priority, job.number))

    def act(self, action: Action) -> None:
        """Answers an action."""
        echo = dict(action.echo)
        if action.name == "query_version":
            echo |= {"version": f"neocog-{neocog_version()}", "git_hash": "<omitted>"}
        elif action.name == "query_models":
            echo["models"] = [{"internalName": self.name, "maxBatchSize": 2 * BATCH, "name": self.name,
                               "usesHumanSLProfile": False, "usingFP16": "false", "version": 8}]  # fmt: skip
        self.write(echo)
        if action.name.startswith("terminate"):
            chosen = [job for job in self.jobs if action.name == "terminate_all" or job.query.id == action.terminate]
            for job in chosen:
                if action.turns is None or job.turn in action.turns:
                    self.finish(job)

    def finish(self, job: Job) -> None:
        """Writes the last answer about a position."""
        self.jobs.remove(job)
        self.write(job.answer())

    def step(self) -> None:
        """One forward pass for the first positions, and the answers that it completes."""
        active = self.jobs[:SEARCHED]
        try:
            first = active[0].priority
            chosen = [job for job in active if job.priority == first]
            chosen.sort(key=lambda job: job.search.visits if job.search else 0)
            chosen += [job for job in active if job.priority < first]
            grow([(job.begin(), job.query.visits) for job in chosen], self.evaluator, 2 * BATCH)
        except Exception as error:  # such as a network with damaged weights
            if not isinstance(error, Problem):
                say(traceback.format_exc())
            for job in active:
                self.jobs.remove(job)
                self.write({"error": str(error) or type(error).__name__, "id": job.query.id})
            return
        now = time.monotonic()
        for job in active:
            if job.is_complete:
                self.finish(job)
            elif job.query.report_every is not None and now - job.reported >= job.query.report_every:
                job.reported = now
                self.write(job.answer(during=True))


def serve(engine: AnalysisEngine, lines: Lines) -> None:
    """Answers the requests of lines until they end and all positions are analysed."""
    ended = False
    while engine.jobs or not ended:
        while not ended and (not engine.jobs or lines.wait(0)):
            line = lines.next()
            ended = line is None
            if line is not None:
                engine.request(line)
        if engine.jobs:
            engine.step()


def serve_standard_streams(evaluator: Evaluator, visits: int, name: str) -> None:
    """Answers on stdout the requests on stdin, until the input ends or the reader of stdout has gone."""

    def write(entries: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(entries, ensure_ascii=True, separators=(",", ":")) + "\n")
        sys.stdout.flush()

    try:
        serve(AnalysisEngine(evaluator, visits, write, name), Stream(standard_input(), LINE_LIMIT))
    except BrokenPipeError:
        drop_output()  # the controlling program has ended
