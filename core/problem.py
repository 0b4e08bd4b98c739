"""Problem: a mistake of the user, told in one sentence; Bad: a file that is no use. All else keeps its traceback."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NamedTuple

FAILED, USAGE, DATA, INTERRUPTED = 1, 2, 3, 130  # exit codes of every command


class Problem(Exception):
    """What was found, what was expected, what to do next.

    `code` is the exit code: FAILED, USAGE (the command line is wrong) or DATA (the data cannot be used).
    """

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class Bad(NamedTuple):
    """A file that could not be used, and why."""

    file: str
    reason: str


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`" (did you mean conv?)"` where a word is close, else the empty string."""
    close = get_close_matches(word.lower(), list(words), n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""
