"""Presentation of inputs and predictions beyond a picture of the input: drawings and texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from .capability import Capability
from .data import DataSpec, Preprocessing
from .inputs import Input

UNKNOWN = "[{}]"  # how a token outside the vocabulary is marked


class Drawing(Protocol):
    """A drawing of an input with its prediction."""

    def text(self, colour: bool, unicode: bool) -> str: ...

    def svg(self) -> str: ...

    def png(self) -> Any: ...  # a Pillow image


@dataclass(frozen=True)
class Drawable(Capability):
    """Inputs whose predictions are drawn, such as a board with the most likely moves."""

    draw: Callable[[Input, dict[str, Any], Preprocessing], Drawing]  # an input and its row of `predict`


Outline = tuple[str, list[float], str]  # a label, its box in pixels of an input, and "true" or "predicted"


@dataclass(frozen=True)
class Outlined(Capability):
    """Inputs on which boxes are drawn."""

    # A compact input, its outlines and all labels, which decide the colours -> a Pillow image.
    draw: Callable[[Tensor, Sequence[Outline], Sequence[str]], Any]
    # A file, the "boxes" of its row of `predict` and all labels -> a Pillow image of the file's own size.
    draw_file: Callable[[Input, Sequence[Mapping[str, Any]], Sequence[str]], Any]


class Track(NamedTuple):
    """A row of coloured intervals under a recording: start and end in seconds, label and colour of each."""

    title: str
    intervals: Sequence[tuple[float, float, str, str]]


@dataclass(frozen=True)
class Tracked(Capability):
    """Inputs under which events are drawn."""

    draw: Callable[[Tensor, Sequence[Track], Preprocessing], Any]  # a compact input -> a Pillow image


@dataclass(frozen=True)
class Surveyed(Capability):
    """Examples whose targets are drawn on one sheet before any training."""

    sheet: Callable[[DataSpec], Any]  # a Pillow image


class TextToken(NamedTuple):
    """A token as the author of a text wrote it, and where: text[start:end]; `known` if the vocabulary holds it."""

    text: str
    start: int
    end: int
    known: bool

    def __str__(self) -> str:
        return self.text if self.known else UNKNOWN.format(self.text)


@dataclass(frozen=True)
class Readable(Capability):
    """Inputs that are texts."""

    to_text: Callable[[Tensor, Preprocessing], str]  # a compact input -> the text of its tokens
    content: Callable[[Input], str]  # an input -> its text
    tokens: Callable[[str, Preprocessing], list[TextToken]]  # a text -> its tokens
    draw: Callable[..., Any]  # tokens, and their relevance if there is any -> a Pillow image

    def marked(self, text: str, preprocessing: Preprocessing) -> str:
        """Returns a text with brackets around the tokens that the vocabulary does not hold."""
        parts, end = [], 0
        for token in self.tokens(text, preprocessing):
            if not token.known and token.start >= end:
                parts += [text[end : token.start], str(token)]
                end = token.end
        return "".join(parts) + text[end:]
