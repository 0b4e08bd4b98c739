"""A GTP program in a separate process, with a time limit for each response; its errors are raised as Fault."""

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

GRACE = 3.0  # seconds that a program has to end after `quit`
MAX_LINE = 1 << 20  # characters
STATUS = re.compile(r"^[=?]\d*")


class Fault(Exception):
    """An error of a program; `kind` is crash, timeout or refused."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Client:
    """A running program. Raises Problem if it cannot be started."""

    def __init__(self, command: str) -> None:
        self.command, arguments = command, split_command(command)
        self.stderr: IO[bytes] = tempfile.TemporaryFile("a+b")  # noqa: SIM115  closed with the program
        try:
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.stderr,
                text=True,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # Ctrl-C reaches only this process; the children of a shell end with it
            )
        except OSError as error:
            self.stderr.close()
            reason = error.strerror or str(error)
            raise Problem(f"{command} cannot be started: {reason}; expected a GTP program", USAGE) from None
        self.started = time.monotonic()
        self.responses = 0
        self.lines: queue.Queue[str | None] = queue.Queue()
        self.reader = threading.Thread(target=self._read_lines, daemon=True)
        self.reader.start()

    def _read_lines(self) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            while line := output.readline(MAX_LINE):
                self.lines.put(line)
        self.lines.put(None)

    def send(self, command: str, timeout: float) -> str:
        """Returns the response to a command, without its status sign.

        Raises Fault if there is none within `timeout` seconds, the first one counted from the start of the program,
        or for an error response (`?`).
        """
        start = time.monotonic() if self.responses else self.started
        assert self.process.stdin
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except OSError:
            raise self._crash(command) from None
        response = self._response(command, start + timeout, timeout)
        self.responses += 1
        if response.startswith("?"):
            raise Fault("refused", f"{command}: {response}")
        return STATUS.sub("", response).strip()

    def _response(self, command: str, deadline: float, timeout: float) -> str:
        lines: list[str] = []
        while True:
            try:
                line = self.lines.get(timeout=max(deadline - time.monotonic(), 0))
            except queue.Empty:
                raise Fault("timeout", f"{command}: no response in {timeout:g} s") from None
            if line is None:
                raise self._crash(command)
            if line.strip():
                if lines or line[0] in "=?":  # some programs print remarks before their responses
                    lines.append(line.strip())
            elif lines:
                return "\n".join(lines)

    def _crash(self, command: str) -> Fault:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        code = self.process.poll()
        end = "closed its output" if code is None else f"ended by signal {-code}" if code < 0 else f"ended with {code}"
        last = self.last_error_line()
        return Fault("crash", f"{command}: {end}{f' ({last})' if last else ''}")

    def last_error_line(self) -> str:
        """The last line that the program wrote to its standard error."""
        if self.stderr.closed:
            return ""
        size = self.stderr.seek(0, os.SEEK_END)
        self.stderr.seek(max(size - 2000, 0))
        lines = self.stderr.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:200] if lines else ""

    def close(self) -> None:
        """Asks the program to quit, then kills it and its children if they are still running."""
        assert self.process.stdin
        with contextlib.suppress(OSError, ValueError):
            self.process.stdin.write("quit\n")
            self.process.stdin.flush()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE)
        self.kill()

    def kill(self) -> None:
        """Kills the program and its children."""
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
        self.stderr.close()


def split_command(command: str) -> list[str]:
    """Splits a command line as a shell does. Raises Problem."""
    try:
        arguments = shlex.split(command)
    except ValueError as error:
        raise Problem(f"{command}: {str(error).lower()}; expected a command that starts a GTP program", USAGE) from None
    if not arguments:
        raise Problem("a command is empty; expected one that starts a GTP program", USAGE)
    return arguments
