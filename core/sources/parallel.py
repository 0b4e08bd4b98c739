"""Work on many files in parallel, in threads: decoders and hashes release the interpreter lock while they compute.

Work that holds the lock needs processes (Workers).
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar

from ..native_output import NativeOutput, in_one_line
from .content import Content

Key = TypeVar("Key", bound=tuple[Any, Any])  # the name of a content, and the content
Piece = TypeVar("Piece")
Result = TypeVar("Result")

TOGETHER = 32  # files in one piece of work: a single one costs less than handing it to a thread
BYTES_TOGETHER = 4 << 20  # in one piece of work, so that the pieces that wait stay below some 30 MB a processor
MOST_SUSPECTS = 20  # files that are decoded again, one by one, to find those that a decoder reports on
MOST_WORKERS = 16  # more would wait for the disk


def in_parallel(
    contents: Iterable[tuple[int, Content]], work: Callable[[int, Content], Result]
) -> Iterator[tuple[int, Result]]:
    """Does `work` on each content and its index, in the order of the contents, a bounded number of them ahead."""
    workers = min(processors(), MOST_WORKERS)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="neocog-files")

    def work_on(piece: list[tuple[int, Content]]) -> list[tuple[int, Result]]:
        return [(index, work(index, content)) for index, content in piece]

    for results in ahead(pool, work_on, pieces(contents), 2 * workers):
        yield from results


class Watched:
    """Work on contents that notes during which of it compiled libraries wrote to standard error."""

    def __init__(self, work: Callable[[int, Content], Result], output: NativeOutput) -> None:
        self.work, self.output = work, output
        self.suspects: list[int] = []

    def __call__(self, index: int, content: Content) -> Any:
        before = self.output.size
        result = self.work(index, content)
        if self.output.size != before:
            self.suspects.append(index)
        return result

    def reports(self, contents: Callable[[Collection[int]], Iterable[tuple[int, Content]]]) -> list[tuple[int, str]]:
        """The contents about which libraries write something, found by doing the work on the suspects one by one."""
        if not self.suspects:
            return []
        reports = []
        self.output.new_lines()
        for index, content in contents(set(self.suspects[:MOST_SUSPECTS])):
            self.work(index, content)
            if lines := self.output.new_lines():
                reports.append((index, in_one_line(lines)))
        return reports


def ahead(pool: Executor, work: Callable[[Piece], Result], pieces: Iterable[Piece], most: int) -> Iterator[Result]:
    """Does `work` on each piece, in order, with at most `most` of them waiting; shuts the pool down at the end."""
    waiting: deque[Future[Result]] = deque()
    try:
        for piece in pieces:
            waiting.append(pool.submit(work, piece))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def pieces(contents: Iterable[Key], together: int = TOGETHER) -> Iterator[list[Key]]:
    """Contents with their names in pieces of work: at most `together`, and about BYTES_TOGETHER bytes."""
    piece: list[Key] = []
    weight = 0
    for entry in contents:
        piece.append(entry)
        weight += len(entry[1]) if isinstance(entry[1], bytes) else 0
        if len(piece) == together or weight >= BYTES_TOGETHER:
            yield piece
            piece, weight = [], 0
    if piece:
        yield piece


def processors() -> int:
    """The number of processors that this process may use; in a container they are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Worker(SpawnProcess):
    """A process that imports what its work needs, but not the main script, which then needs no `__main__` guard.

    Spawned processes find the script by its file or its name (`multiprocessing.spawn.get_preparation_data`).
    """

    def start(self) -> None:
        script = vars(sys.modules["__main__"])
        names: dict[str, Any] = {name: script[name] for name in ("__file__", "__spec__") if name in script}
        script.update(dict.fromkeys(names))
        try:
            super().start()
        finally:
            script.update(names)


class Workers(SpawnContext):
    """The context that makes a ProcessPoolExecutor use Worker processes."""

    Process = Worker
