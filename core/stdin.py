"""Standard input, which may be closed or never end."""

from __future__ import annotations

import sys
from typing import BinaryIO

from .problem import DATA, USAGE, Problem

MOST = 1 << 30  # bytes; read whole, so that an input that never ends cannot take the memory


def standard_input() -> BinaryIO:
    """The bytes of standard input. Raises Problem if it is closed."""
    if sys.stdin is None or sys.stdin.closed:
        raise Problem("standard input is closed; expected an input there for the argument -", USAGE)
    return sys.stdin.buffer


def read_standard_input(most: int = MOST) -> bytes:
    """All of standard input. Raises Problem if it is closed, or longer than `most` bytes."""
    content = standard_input().read(most + 1)
    if len(content) > most:
        raise Problem(f"standard input has more than {most / 1e6:,.0f} MB; give the file by its name", DATA)
    return content
