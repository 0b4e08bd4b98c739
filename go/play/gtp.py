"""The Go Text Protocol, version 2 (Farnebäck 2002): lines in, answers out, whatever the lines hold.

Nothing here knows a board: an engine is asked by name and gives text, an Analysis that is told until the next line
arrives, or a Failure. So the loop is a function of its lines, and tests need no process.
"""

from __future__ import annotations

import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple, Protocol

from ...core.problem import Problem
from ...core.progress import say

LONGEST = 1 << 16  # bytes of a line; what is longer is taken as several
CONTROL = {code: None for code in [*range(32), 127] if chr(code) not in "\t\n"} | {9: " "}


class Failure(Exception):
    """Why a command cannot be done: what follows the question mark."""


class Analysis(NamedTuple):
    """A line to be told again and again until somebody says something."""

    line: str
    interval: float  # seconds


class Request(NamedTuple):
    """A line: the number that its answer carries, the command and its arguments."""

    number: str
    name: str
    arguments: list[str]


class Engine(Protocol):
    """What answers commands."""

    ended: bool  # after `quit`

    def answer(self, name: str, arguments: list[str]) -> str | Analysis:
        """Raises Failure."""


class Lines(Protocol):
    """Where lines come from."""

    def next(self) -> str | None:
        """Waits for a line; None after the last."""

    def arrived(self, seconds: float) -> bool:
        """Whether there is something to read, a line or the end, now or within so many seconds."""


def serve(engine: Engine, lines: Lines, write: Callable[[str], object]) -> None:
    """Answers lines until they end or one of them is `quit`. A line without a command has no answer."""
    while not engine.ended and (line := lines.next()) is not None:
        request = parsed(line)
        if not (request.name or request.number):
            continue
        try:
            answer = engine.answer(request.name, request.arguments)
        except (Failure, Problem) as failure:
            write(formatted("?", request.number, str(failure)))
        except Exception:  # an engine that ends loses the game of whoever plays with it
            say(traceback.format_exc())
            write(formatted("?", request.number, "internal error"))
        else:
            if isinstance(answer, Analysis):
                tell(answer, request.number, lines, write)
            else:
                write(formatted("=", request.number, answer))


def tell(analysis: Analysis, number: str, lines: Lines, write: Callable[[str], object]) -> None:
    """An answer without an end, until something arrives."""
    write(f"={number}\n{analysis.line}\n")
    while not lines.arrived(analysis.interval):
        write(f"{analysis.line}\n")
    write("\n")


def parsed(line: str) -> Request:
    """A line without its comment and control characters, in words."""
    words = line.translate(CONTROL).partition("#")[0].split()
    number = words.pop(0) if words and words[0].isascii() and words[0].isdigit() else ""
    return Request(number, words[0] if words else "", words[1:])


def formatted(sign: str, number: str, text: str) -> str:
    """An answer; a blank line would end it too soon."""
    kept = [line.rstrip() for line in text.splitlines()]
    begin, *rest = kept or [""]
    head = f"{sign}{number} {begin}" if begin else f"{sign}{number}" + ("" if rest else " ")
    return "\n".join([head, *filter(None, rest)]) + "\n\n"


# --- lines ---------------------------------------------------------------------------------------------------------


class Script:
    """Lines that are there already; each has arrived."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.left: Iterator[str] = iter(lines)

    def next(self) -> str | None:
        return next(self.left, None)

    def arrived(self, seconds: float) -> bool:
        return True


class Stream:
    """Lines of a stream as they arrive, read by a thread of their own."""

    def __init__(self, stream: BinaryIO) -> None:
        self.read: queue.Queue[str | None] = queue.Queue()
        self.ahead: list[str | None] = []
        threading.Thread(target=self._fill, args=(stream,), daemon=True).start()

    def _fill(self, stream: BinaryIO) -> None:
        try:
            while line := stream.readline(LONGEST):
                self.read.put(line.decode("utf-8", "surrogateescape"))
        finally:
            self.read.put(None)

    def next(self) -> str | None:
        return self.ahead.pop() if self.ahead else self.read.get()

    def arrived(self, seconds: float) -> bool:
        if not self.ahead:
            try:
                self.ahead.append(self.read.get(timeout=seconds))
            except queue.Empty:
                return False
        return True


def on_standard_streams(engine: Engine) -> None:
    """Serves whoever started this process, until it has had enough."""

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    try:
        serve(engine, Stream(sys.stdin.buffer), write)
    except BrokenPipeError:
        sys.stderr.close()  # nobody is there to be told
