"""A GTP program in a process of its own, asked with a time limit; whatever it does wrong is a Fault that says what."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import shlex
import signal
import subprocess
import tempfile
import threading
import time
from typing import IO

from ...core.problem import USAGE, Problem

GRACE = 3.0  # seconds that a program has to end once it is told to
LONGEST = 1 << 20  # characters of a line
SIGN = re.compile(r"^[=?]\d*")


class Fault(Exception):
    """What a program did wrong: `kind` is crash, timeout or refused."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Client:
    """A running program. Raises Problem where it cannot be started."""

    def __init__(self, command: str) -> None:
        self.command, called = command, words(command)
        self.remarks: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115  closed with the program
        try:
            self.process = subprocess.Popen(
                called,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.remarks,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # Ctrl-C is for us; and what a shell started ends with it
            )
        except OSError as error:
            self.remarks.close()
            reason = error.strerror or str(error)
            raise Problem(f"{command} cannot be started: {reason}; expected a GTP program", USAGE) from None
        self.read: queue.Queue[str | None] = queue.Queue()
        self.reader = threading.Thread(target=self._fill, daemon=True)
        self.reader.start()

    def _fill(self) -> None:
        assert self.process.stdout
        with self.process.stdout as answers:
            while line := answers.readline(LONGEST):
                self.read.put(line)
        self.read.put(None)

    def ask(self, command: str, timeout: float) -> str:
        """The answer to a command, without its sign. Raises Fault for no answer in `timeout` seconds, or for a `?`."""
        assert self.process.stdin
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except OSError:
            raise self._crash(command) from None
        answer = self._answer(command, time.monotonic() + timeout, timeout)
        if answer.startswith("?"):
            raise Fault("refused", f"{command}: {answer}")
        return SIGN.sub("", answer).strip()

    def _answer(self, command: str, end: float, timeout: float) -> str:
        lines: list[str] = []
        while True:
            try:
                line = self.read.get(timeout=max(end - time.monotonic(), 0))
            except queue.Empty:
                raise Fault("timeout", f"{command}: no answer in {timeout:g} s") from None
            if line is None:
                raise self._crash(command)
            if line.strip():
                if lines or line[0] in "=?":  # some print remarks before their answers
                    lines.append(line.strip())
            elif lines:
                return "\n".join(lines)

    def _crash(self, command: str) -> Fault:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        code = self.process.poll()
        how = "closed its output" if code is None else f"ended by signal {-code}" if code < 0 else f"ended with {code}"
        last = self.last_remark()
        return Fault("crash", f"{command}: {how}{f' ({last})' if last else ''}")

    def last_remark(self) -> str:
        """The last line that the program wrote on its standard error."""
        if self.remarks.closed:
            return ""
        size = self.remarks.seek(0, os.SEEK_END)
        self.remarks.seek(max(size - 2000, 0))
        lines = self.remarks.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    def close(self) -> None:
        """Asks the program to quit, and ends it and what it started if it does not."""
        assert self.process.stdin
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write("quit\n")
            self.process.stdin.flush()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        self.kill()

    def kill(self) -> None:
        """Ends the program, and what it started, at once."""
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.wait()
        self.reader.join(GRACE)
        assert self.process.stdin
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.remarks.close()


def words(command: str) -> list[str]:
    """A command line as a shell divides it. Raises Problem."""
    try:
        found = shlex.split(command)
    except ValueError as error:
        raise Problem(f"{command}: {str(error).lower()}; expected a command that starts a GTP program", USAGE) from None
    if not found:
        raise Problem("a command is empty; expected one that starts a GTP program", USAGE)
    return found
