"""Predictions for many requests: a bounded queue, decoding in a pool, and one thread that predicts in batches.

The thread takes what is there, up to a batch, and never waits for more. All models share it, so that two of them never
compete for the same cores.
"""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ..core.inputs import BoundedInputs, Input, TooLarge
from ..core.model import Model
from ..core.problem import Problem
from ..core.progress import say
from ..core.windows import Windows
from .problems import Refused

DECODERS = 2  # threads: decoding a picture takes longer than a small network
MAX_WINDOWS = 2000  # of all inputs of a request: more would keep the thread from others for seconds
Row = dict[str, Any]


@dataclass(eq=False)
class Job:
    """One request: its inputs, what became of them, and who waits for the rows."""

    model: Model
    inputs: Sequence[Input]
    top: int
    deadline: float  # of time.monotonic
    future: asyncio.Future[Any]
    work: Callable[[], Any] | None = None  # instead of a prediction, such as an explanation
    rows: list[Row] = field(default_factory=list)
    waiting: list[tuple[Row, Windows]] = field(default_factory=list)
    windows: int = 0

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits for it."""
        return not self.future.done() and time.monotonic() < self.deadline

    def batches_with(self, other: Job) -> bool:
        return self.work is None and other.work is None and self.model is other.model and self.top == other.top


class Engine:
    """The queue, the pool and the thread. `open` and methods with `async` are called on the event loop.

    `batch` bounds the inputs that are predicted together, `queue` the requests; `observe` is called with the number of
    requests of each batch.
    """

    def __init__(self, batch: int, queue: int, seconds: float, observe: Callable[[int], object]) -> None:
        self.batch, self.limit, self.seconds, self.observe = batch, queue, seconds, observe
        self.admitted = 0  # requests that are being read, decoded, predicted or waiting
        self.closing = False
        self._jobs: deque[Job] = deque()
        self._ready = threading.Condition()

    def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(DECODERS, "decode")
        self._thread = threading.Thread(target=self._predict_all, name="predict", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the threads after the jobs that are there."""
        self._pool.shutdown(wait=True)
        with self._ready:
            self.closing = True
            self._ready.notify()
        self._thread.join()

    @property
    def full(self) -> bool:
        return self.admitted >= self.limit

    def admit(self) -> None:
        """Raises Refused (503) while the queue is full."""
        if self.full:
            raise busy()
        self.admitted += 1

    def release(self) -> None:
        self.admitted -= 1

    # --- on the event loop

    async def predict(self, model: Model, inputs: Sequence[Input], top: int, deadline: float) -> list[Row]:
        """The rows of `predict --json`, one for each input. Raises Refused."""
        job = Job(model, inputs, top, deadline, self._loop.create_future())
        rows: list[Row] = await self._result(job)
        return rows

    async def run(self, model: Model, work: Callable[[], Any], deadline: float) -> Any:
        """Runs other work with a model in its thread. Raises Refused."""
        return await self._result(Job(model, (), 0, deadline, self._loop.create_future(), work))

    async def _result(self, job: Job) -> Any:
        timer = self._loop.call_at(self._loop.time() + job.deadline - time.monotonic(), self._expire, job)
        self._pool.submit(self._decode, job)
        try:
            return await job.future
        finally:
            timer.cancel()

    def _expire(self, job: Job) -> None:
        if not job.future.done():
            job.future.set_exception(too_late(self.seconds))

    def _deliver(self, results: Sequence[tuple[Job, Any]]) -> None:
        for job, result in results:
            if job.future.done():
                continue
            if isinstance(result, Exception):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)

    # --- in the pool

    def _decode(self, job: Job) -> None:
        try:
            if job.wanted and job.work is None:
                decode(job)
        except Exception as error:
            return self._send([(job, failure(error))])
        if job.work is None and not job.waiting:
            return self._send([(job, job.rows)])
        with self._ready:
            self._jobs.append(job)
            self._ready.notify()

    def _send(self, results: Sequence[tuple[Job, Any]]) -> None:
        self._loop.call_soon_threadsafe(self._deliver, results)

    # --- in the model thread

    def _predict_all(self) -> None:
        while jobs := self._next_jobs():
            wanted = [job for job in jobs if job.wanted]
            results: list[tuple[Job, Any]] = [(job, too_late(self.seconds)) for job in jobs if job not in wanted]
            if wanted:
                results += self._answers(wanted)
            self._send(results)

    def _next_jobs(self) -> list[Job]:
        """The jobs of the next batch; none when the engine is closed."""
        with self._ready:
            while not self._jobs and not self.closing:
                self._ready.wait()
            jobs: list[Job] = []
            count = 0
            while self._jobs and (not jobs or self._fits(jobs[0], self._jobs[0], count)):
                count += self._jobs[0].windows
                jobs.append(self._jobs.popleft())
            return jobs

    def _fits(self, first: Job, following: Job, count: int) -> bool:
        return count + following.windows <= self.batch and first.batches_with(following)

    def _answers(self, jobs: list[Job]) -> list[tuple[Job, Any]]:
        """What each job gives; the jobs of a batch go through the network together."""
        try:
            if jobs[0].work is not None:
                return [(jobs[0], jobs[0].work())]
            self.observe(len(jobs))
            jobs[0].model.fill([entry for job in jobs for entry in job.waiting], jobs[0].top)
        except Exception as error:
            return [(job, failure(error)) for job in jobs]
        return [(job, job.rows) for job in jobs]


def decode(job: Job) -> None:
    """Reads the inputs of a job as `predict` does; one that cannot be read has a row with its problem."""
    for value in job.inputs:
        row: Row = {"input": value.name}
        job.rows.append(row)
        try:
            check_size(job.model, value)
            windows = job.model.windows(value)
        except Problem as problem:
            row["problem"] = str(problem)
            continue
        job.windows += len(windows.inputs)
        if job.windows > MAX_WINDOWS:
            raise Refused(413, f"the inputs are too long: more than {MAX_WINDOWS:,} windows; send shorter ones")
        job.waiting.append((row, windows))


def check_size(model: Model, value: Input) -> None:
    """Raises Refused (413) for an input that would take too much memory when it is decoded."""
    bounded = model.domain.capability(BoundedInputs)
    try:
        if bounded:
            bounded.check(value)
    except TooLarge as problem:
        raise Refused(413, str(problem)) from None


def failure(error: Exception) -> Exception:
    """What a request is told of an error: a sentence for a Problem, nothing of what is inside for any other."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, Problem):
        return Refused(422, str(error))
    say("".join(traceback.format_exception(error)).rstrip())
    return Refused(500, "the prediction failed; the server's log says why")


def busy() -> Refused:
    return Refused(503, "the server is busy; try again in a second", {"Retry-After": "1"})


def too_late(seconds: float) -> Refused:
    return Refused(504, f"no result within {seconds:g} seconds; send fewer or shorter inputs, or try again")
