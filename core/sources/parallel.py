"""Work on many files at once, in threads: decoders and the hash let go of the interpreter while they compute.

What does not let go of it is for processes.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, TypeVar

from .content import Content

Key = TypeVar("Key", bound=tuple[Any, Any])  # what names a content, and the content
Piece = TypeVar("Piece")
Result = TypeVar("Result")

TOGETHER = 32  # files in one piece of work: one alone costs less than handing it to a thread
BYTES_TOGETHER = 4 << 20  # in one piece of work, so that the pieces that wait stay below some 30 MB a processor
MOST_WORKERS = 16  # beyond it the disk is what one waits for


def in_parallel(
    contents: Iterable[tuple[int, Content]], work: Callable[[int, Content], Result]
) -> Iterator[tuple[int, Result]]:
    """`work` done on each content and its position, in the order of the contents, a bounded number of them ahead."""
    workers = min(processors(), MOST_WORKERS)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="neocog-files")
    done = ahead(pool, lambda piece: [(at, work(at, content)) for at, content in piece], pieces(contents), 2 * workers)
    for results in done:
        yield from results


def ahead(pool: Executor, work: Callable[[Piece], Result], pieces: Iterable[Piece], most: int) -> Iterator[Result]:
    """`work` done on each piece, in their order, at most so many of them waiting; the pool ends with it."""
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
    """Contents with what names them, at most `together` in a piece of work, and no more bytes than BYTES_TOGETHER."""
    piece: list[Key] = []
    weight = 0
    for each in contents:
        piece.append(each)
        weight += len(each[1]) if isinstance(each[1], bytes) else 0
        if len(piece) == together or weight >= BYTES_TOGETHER:
            yield piece
            piece, weight = [], 0
    if piece:
        yield piece


def processors() -> int:
    """The processors that this process may use, which in a container are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Worker(SpawnProcess):
    """A process that imports what its work needs, but not the script that asked for it, which then needs no guard.

    Spawned processes find the script by its file or its name (`multiprocessing.spawn.get_preparation_data`).
    """

    def start(self) -> None:
        script = vars(sys.modules["__main__"])
        told: dict[str, Any] = {name: script[name] for name in ("__file__", "__spec__") if name in script}
        script.update(dict.fromkeys(told))
        try:
            super().start()
        finally:
            script.update(told)


class Workers(SpawnContext):
    """What a ProcessPoolExecutor takes for its workers to be such processes."""

    Process = Worker
