"""The process of a command: standard streams that may be closed or full, and arguments that are bytes."""

from __future__ import annotations

import codecs
import os
import signal
import sys
import warnings
from contextlib import suppress
from types import FrameType
from typing import NoReturn, TextIO

from .problem import INTERRUPTED

IMPORT_SYSTEM = "<frozen importlib._bootstrap>"  # the file name of the frames that import


SPINS = "3000"  # of a waiting thread of OpenMP before it sleeps; libgomp's own number is 300,000 (docs/tried.md)


def prepare() -> None:
    """Makes text UTF-8 and interrupts certain, hides warnings of libraries, opens standard streams that are closed."""
    use_utf8()
    limit_spinning()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
    if not sys.warnoptions:  # they are for developers: PYTHONWARNINGS=default shows them
        warnings.simplefilter("ignore")
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # closed: the next file that is opened would get its number, and what is printed
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def limit_spinning() -> None:
    """Lets the waiting threads of torch spin for a short time only on a machine whose cores are all in use.

    There, threads that spin take the time of those that they wait for; on a quiet machine, spinning is faster. libgomp
    reads the variable when torch is imported. What the user says of waiting is left as it is.
    """
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        return
    with suppress(OSError, AttributeError):  # a system without a load average
        if os.getloadavg()[0] >= (os.cpu_count() or 1):
            os.environ["GOMP_SPINCOUNT"] = SPINS


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raises KeyboardInterrupt; during an import it ends the process, since libraries catch everything there.

    Nothing is written while modules are imported that a next start would not remove.
    """
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_SYSTEM:
            os.write(2, b"interrupted\n")
            os._exit(INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def end(code: int) -> NoReturn:
    """Ends the process at once, with nothing left to write but its standard streams.

    Where threads are still inside native code, such as a prediction whose request was given up, Python's own end aborts
    ("terminate called without an active exception").
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def use_utf8() -> None:
    """Starts Python again in UTF-8 mode if it takes the bytes of arguments and file names for ASCII.

    It does so with LC_ALL=C and PYTHONUTF8=0; ä in a text or a path would be two unknown characters.
    """
    if os.name == "posix" and codecs.lookup(sys.getfilesystemencoding()).name == "ascii":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def drop_output() -> None:
    """Discards what is left to print on a standard output that takes no more."""
    discard(sys.stdout)


def drop_errors() -> None:
    """Discards what standard error has not taken: Python would flush it at its end, fail, and exit with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        discard(sys.stderr)
    except ValueError:  # it is closed
        pass


def discard(stream: TextIO) -> None:
    """Points a standard stream to nowhere."""
    with suppress(OSError, ValueError, AttributeError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, stream.fileno())
        os.close(descriptor)
