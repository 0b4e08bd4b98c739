"""Runs a command line in a forked process: its exit code, its output, and what it took."""

import contextlib
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

CPU_SECONDS = 20
MEMORY = 2_000_000_000  # bytes beyond the imports
HARD_MEMORY = MEMORY + 500_000_000  # an allocation beyond raises MemoryError
LARGEST_FILE = 1_000_000_000
IDLE_SECONDS = 60  # without any work: a process that waits takes no CPU seconds
WALL_SECONDS = 1800


class Outcome(NamedTuple):
    """How a process ended."""

    code: int  # its exit code; minus the number of the signal that ended it
    stdout: bytes
    stderr: bytes
    seconds: float  # user and system, its descendants too
    memory: int  # bytes at its peak, beyond what it began with
    waited: bool  # whether it waited for something for IDLE_SECONDS


def run(
    arguments: Sequence[str],
    folder: Path,
    logs: Path,
    stdin: bytes = b"",
    environment: Mapping[str, str | None] | None = None,
    seconds: int = CPU_SECONDS,
) -> Outcome:
    """Runs `neocog ARGUMENTS` in `folder`, with standard streams in `logs`; a variable that is None is removed."""
    (logs / "stdin").write_bytes(stdin)

    def work() -> int:
        for name, value in (environment or {}).items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        os.chdir(folder)
        return command_line(arguments)

    before = resident()
    process = fork(work, logs, seconds)
    ended = wait(process, WALL_SECONDS)
    _, status, usage = os.wait4(process, 0)
    return Outcome(
        os.waitstatus_to_exitcode(status),
        (logs / "stdout").read_bytes(),
        (logs / "stderr").read_bytes(),
        usage.ru_utime + usage.ru_stime,
        max(0, usage.ru_maxrss * 1024 - before),
        not ended,
    )


def command_line(arguments: Sequence[str]) -> int:
    """Runs a command line in this process and returns its exit code."""
    from neocog.__main__ import main

    sys.argv = ["neocog", *arguments]
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


def fork(work: Callable[[], int], logs: Path, seconds: int = CPU_SECONDS) -> int:
    """Starts a function in a forked process with limits; its result is the exit code. Returns the process."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.setsid()  # its workers are ended with it
        _redirect(logs)
        _limit(seconds)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        os._exit(code)


def _redirect(logs: Path) -> None:
    """Makes files the standard streams, for Python too."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        descriptor = os.open(logs / name, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115


def _limit(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_DATA, (_status("VmData") + HARD_MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait(process: int, seconds: float) -> bool:
    """Waits for the end of a process; ends it and its workers after so many seconds, or IDLE_SECONDS without work.

    Returns True if it ended itself. It remains to be collected by `os.wait4`.
    """
    descriptor = os.pidfd_open(process)
    start = active = time.monotonic()
    work = -1
    try:
        while not (
            ended := bool(
                select.select([descriptor], [], [], max(0.0, min(1.0, start + seconds - time.monotonic())))[0]
            )
        ):
            now = time.monotonic()
            if now - start >= seconds or now - active >= IDLE_SECONDS:
                break
            if (current := _work(process)) != work:
                work, active = current, now
    finally:
        os.close(descriptor)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    return ended


def _work(process: int) -> int:
    """Clock ticks that a process and its workers have used; grows as well while one of them is ready to run."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == process:
                ticks += sum(map(int, fields[11:15])) + (time.monotonic_ns() if fields[0] == "R" else 0)
    return ticks


def resident() -> int:
    """The memory of this process in bytes that a forked process begins with."""
    return _status("RssAnon") + _status("RssShmem")


def _status(name: str) -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(f"{name}:"))
