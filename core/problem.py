"""Problem: an error of the user, shown without a traceback; Bad: an unusable file; exit codes."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

FAILED, USAGE, DATA, INTERRUPTED = 1, 2, 3, 130  # exit codes of every command


class Problem(Exception):
    """An error of the user. The message says what was found, what was expected and what to do next.

    `code` is the exit code: FAILED, USAGE (wrong command line), DATA (an unusable file: data or model) or INTERRUPTED.
    A word that no terminal has room for, such as an argument of 5,000 characters, is shortened.
    """

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(_LONG_WORD.sub(lambda word: f"{word[0][:200]}…{word[0][-50:]}", message))
        self.code = code


_LONG_WORD = re.compile(r"\S{400,}")


@contextmanager
def unusable(subject: Path | str | None) -> Iterator[None]:
    """Turns wrong use inside the context into a file that cannot be used: what is wrong stands in that file, if any."""
    try:
        yield
    except Problem as problem:
        if subject is None or problem.code != USAGE:
            raise
        raise Problem(f"{subject} cannot be used: {problem}", DATA) from None


class Bad(NamedTuple):
    """A file that could not be used, and why."""

    file: str
    reason: str


def did_you_mean(word: str, words: Iterable[str], before: str = "") -> str:
    """Returns `" (did you mean conv?)"` if one of `words` is close to `word`, else the empty string.

    `before` stands in front of the suggestion, such as the folder of a file name.
    """
    if len(word) > 100:  # of no name; comparing it would take long
        return ""
    matches = get_close_matches(word.lower(), list(words), n=1, cutoff=0.6)
    return f" (did you mean {before}{matches[0]}?)" if matches else ""


def shortened(text: str, most: int = 60) -> str:
    """Returns a text of any length as messages quote it."""
    return text if len(text) <= most else text[: most - 1] + "…"
