"""The Go Text Protocol, version 2 (Farnebäck 2002): reads commands, writes responses, and survives any input.

Independent of boards: an engine receives a command's name and arguments and returns a text or an Analysis, or raises
Failure. The loop is a function of its lines, so tests need no process.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, NamedTuple, Protocol

from ...core.problem import Problem
from ...core.process import drop_output
from ...core.progress import say
from ...core.stdin import standard_input

MAX_LINE = 1 << 16  # bytes; a longer line is read as several
CONTROL = {code: None for code in [*range(32), 127] if chr(code) not in "\t\n"} | {9: " "}


class Failure(Exception):
    """A failed command; the message follows the question mark."""


class Analysis(NamedTuple):
    """A line that is repeated until the next input, or followed by others if the analysis goes on.

    `following` searches for the interval, or until its argument returns True, and returns the next line; None if
    nothing is left to search.
    """

    line: str
    interval: float  # seconds
    following: Callable[[Callable[[], bool]], str | None] | None = None


class Request(NamedTuple):
    """A parsed line: the id that the response repeats, the command and its arguments."""

    id: str
    name: str
    arguments: list[str]


class Engine(Protocol):
    """Executes commands."""

    ended: bool  # after `quit`

    def execute(self, name: str, arguments: list[str]) -> str | Analysis:
        """Raises Failure."""


class Lines(Protocol):
    """A source of lines."""

    def next(self) -> str | None:
        """Waits for a line; returns None after the last."""

    def wait(self, seconds: float) -> bool:
        """Returns True as soon as a line or the end can be read, False if neither arrives within `seconds`."""


def serve(engine: Engine, lines: Lines, write: Callable[[str], object]) -> None:
    """Responds to lines until they end or a command is `quit`. A line without a command has no response."""
    while not engine.ended and (line := lines.next()) is not None:
        request = parse(line)
        if not (request.name or request.id):
            continue
        try:
            response = engine.execute(request.name, request.arguments)
        except (Failure, Problem) as failure:
            write(format_response("?", request.id, str(failure)))
        except Exception:  # an engine that ends would lose the game
            say(traceback.format_exc())
            write(format_response("?", request.id, "internal error"))
        else:
            if isinstance(response, Analysis):
                write_analysis(response, request.id, lines, write)
            else:
                write(format_response("=", request.id, response))


def write_analysis(analysis: Analysis, request_id: str, lines: Lines, write: Callable[[str], object]) -> None:
    """Repeats or continues an analysis until the next input."""
    line: str | None = analysis.line
    write(f"={request_id}\n{line}\n")
    while analysis.following and not lines.wait(0):
        following = analysis.following(lambda: lines.wait(0))
        if following is None:
            break
        line = following
        write(f"{line}\n")
    while not lines.wait(analysis.interval):
        write(f"{line}\n")
    write("\n")


def parse(line: str) -> Request:
    """Splits a line into words, without its comment and control characters."""
    words = line.translate(CONTROL).partition("#")[0].split()
    request_id = words.pop(0) if words and words[0].isascii() and words[0].isdigit() else ""
    return Request(request_id, words[0] if words else "", words[1:])


def format_response(status: str, request_id: str, text: str) -> str:
    """A response; blank lines are removed, since one would end it."""
    first, *remaining = [line.rstrip() for line in text.splitlines()] or [""]
    head = f"{status}{request_id} {first}" if first else f"{status}{request_id}" + ("" if remaining else " ")
    return "\n".join([head, *filter(None, remaining)]) + "\n\n"


# --- lines ---------------------------------------------------------------------------------------------------------


class Script:
    """Lines that are available from the start."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines: Iterator[str] = iter(lines)

    def next(self) -> str | None:
        return next(self.lines, None)

    def wait(self, seconds: float) -> bool:
        return True


class Stream:
    """The lines of a stream as they arrive, read by a thread; one of more than `limit` bytes is several."""

    def __init__(self, stream: BinaryIO, limit: int = MAX_LINE) -> None:
        self.limit = limit
        self.queue: queue.Queue[str | None] = queue.Queue()
        self.peeked: list[str | None] = []
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: BinaryIO) -> None:
        try:
            for line in lines_of(stream, self.limit):
                self.queue.put(line.decode("utf-8", "surrogateescape"))
        finally:
            self.queue.put(None)

    def next(self) -> str | None:
        return self.peeked.pop() if self.peeked else self.queue.get()

    def wait(self, seconds: float) -> bool:
        if not self.peeked:
            try:
                self.peeked.append(self.queue.get(timeout=seconds))
            except queue.Empty:
                return False
        return True


def lines_of(stream: BinaryIO, limit: int = MAX_LINE) -> Iterator[bytes]:
    """The lines of a stream; one of more than `limit` bytes is several.

    A stream of the operating system is read without the stream's buffer: at its end, Python wants the lock of the
    buffer of standard input, which a thread that waits in it never releases.
    """
    try:
        descriptor = stream.fileno()
    except (AttributeError, OSError, ValueError):  # bytes in memory
        yield from iter(lambda: stream.readline(limit), b"")
        return
    partial = b""
    while chunk := os.read(descriptor, MAX_LINE):
        *complete, partial = (partial + chunk).split(b"\n")
        for line in complete:
            yield from (line[start : start + limit] for start in range(0, len(line) or 1, limit))
        if len(partial) >= limit:
            yield partial[:limit]
            partial = partial[limit:]
    if partial:
        yield partial


def serve_standard_streams(engine: Engine) -> None:
    """Responds on stdout to the commands on stdin."""

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    try:
        serve(engine, Stream(standard_input()), write)
    except BrokenPipeError:
        drop_output()  # the controlling program has ended
