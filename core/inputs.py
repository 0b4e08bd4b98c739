"""Inputs to predict, typed as files, texts or contents of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .capability import Capability
from .problem import DATA, Problem


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input; `options` select a part of it, such as the move of a game record (InputOptions)."""

    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the input in results and messages."""
        raise NotImplementedError


@dataclass(frozen=True)
class FileInput(Input):
    """A file on disk."""

    path: str

    @property
    def name(self) -> str:
        return self.path


@dataclass(frozen=True)
class TextInput(Input):
    """A text itself: a command-line argument, a line of standard input, a cell of a table."""

    text: str

    @property
    def name(self) -> str:
        return self.text


@dataclass(frozen=True)
class BytesInput(Input):
    """The content of a file that has no name, such as standard input, or that has its place in another file."""

    content: bytes
    title: str = ""  # the place, such as `train.parquet:7`

    @property
    def name(self) -> str:
        return self.title or "-"


@dataclass(frozen=True)
class InputOptions(Capability):
    """The names of Input.options in a domain, such as `move`."""

    names: Sequence[str]


@dataclass(frozen=True)
class LineInputs(Capability):
    """Inputs that are lines of text: standard input holds one per line, predicted as they arrive."""


class TooLarge(Problem):
    """An input that would take too much memory or time when it is decoded."""

    def __init__(self, message: str) -> None:
        super().__init__(message, DATA)


@dataclass(frozen=True)
class BoundedInputs(Capability):
    """Inputs of strangers: how much memory one takes is found before it is decoded."""

    check: Callable[[Input], None]  # raises TooLarge
