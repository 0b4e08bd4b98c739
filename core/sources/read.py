"""Reading one input for prediction, with problems that name it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..inputs import BytesInput, FileInput, Input
from ..native_output import in_one_line, native_stderr
from ..problem import DATA, USAGE, Problem
from ..progress import say
from .content import Content, Unreadable, fetched
from .expand import missing


def source_of(value: Input, noun: str) -> Path | bytes:
    """The path of a file, or the bytes themselves. Raises Problem for a text, which is neither."""
    if isinstance(value, FileInput):
        return Path(value.path)
    if isinstance(value, BytesInput):
        return value.content
    raise Problem(f"{value.name[:40]!r} is a text; expected a {noun}", USAGE)


def title_of(value: Input, noun: str) -> str:
    """The name of an input in messages: its path, or "the picture" for bytes without a name."""
    if isinstance(value, BytesInput) and value.title:
        return value.title
    return value.path if isinstance(value, FileInput) else f"the {noun}"


@contextmanager
def named_problems(value: Input, noun: str) -> Iterator[None]:
    """Turns Unreadable into a Problem that names the input, as remarks of its decoder do that compiled code prints."""
    try:
        with native_stderr() as output:
            yield
            lines = output.new_lines()
        if lines:
            say(f"{title_of(value, noun)}: its decoder reports: {in_one_line(lines)}")
    except Unreadable as error:
        if isinstance(value, FileInput) and not os.path.lexists(value.path):
            raise missing(value.path) from error
        raise Problem(f"{title_of(value, noun)} {error}", DATA) from error


def content_bytes(content: Content, title: str) -> bytes:
    """The bytes of one file of a source. Raises Problem, which begins with the title, if it cannot be read."""
    try:
        content = fetched(content)
    except Unreadable as error:
        raise Problem(f"{title} {error}", DATA) from error
    assert isinstance(content, bytes)
    return content
