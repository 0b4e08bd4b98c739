"""A text for people: its words, coloured by what a network looked at, in a terminal, a page or a picture."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..core import charts
from ..core.data import Preprocessing
from ..core.inputs import Input
from .data import text_of, vocabulary_of
from .options import cutting_of
from .tokens import Token, placed
from .vocabulary import PADDING

FOR, AGAINST = (200, 60, 30), (40, 90, 200)  # the colours of what speaks for an answer and against it
WIDE, NARROW, MARGIN, LINE = 640, 200, 12, 22  # pixels
SHOWN = 200  # tokens of a picture

Strength = NDArray[np.float64]


def spell(inputs: Tensor, preprocessing: Preprocessing) -> str:
    """The tokens of (1, 1, L) ids as a line of text."""
    words = vocabulary_of(preprocessing).words(inputs.flatten().tolist())
    return (" " if preprocessing["tokens"] == "words" else "").join(words)


def show(inputs: Tensor, relevance: Tensor | None = None, preprocessing: Preprocessing | None = None) -> Image.Image:
    """(1, 1, L) ids, and relevance of as many numbers, as a picture of the words; of the ids where no facts are given.

    Red words speak for the answer and blue ones against it, the stronger the more.
    """
    ids = [int(at) for at in inputs.flatten() if at != PADDING][:SHOWN]
    words = [f"#{at}" for at in ids] if preprocessing is None else vocabulary_of(preprocessing).words(ids)
    strength = np.zeros(len(words)) if relevance is None else strengths(relevance.flatten().tolist()[: len(words)])
    font = charts.font(13)
    places, height = _laid_out(words, font)
    end = max((x + font.getlength(word) for word, (x, _) in zip(words, places, strict=True)), default=0)
    picture = Image.new("RGB", (min(WIDE, max(NARROW, round(end) + MARGIN)), height), "white")
    pen = ImageDraw.Draw(picture)
    for word, (x, y), force in zip(words, places, strength, strict=True):
        width = pen.textlength(word, font)
        pen.rectangle((x - 3, y - 2, x + width + 3, y + LINE - 5), fill=tint(force))
        pen.text((x, y), word, "black", font)
    return picture


def place(inputs: Tensor, row: int, column: int, preprocessing: Preprocessing) -> str:
    """The token that lies there."""
    return "".join(vocabulary_of(preprocessing).words([int(inputs.flatten()[column])]))


def patch(inputs: Tensor, maps: Tensor, rows: slice, columns: slice, preprocessing: Preprocessing) -> str:
    """The phrase that lies there."""
    return spell(inputs.flatten()[columns], preprocessing)


def written(value: Input, relevance: Sequence[float], preprocessing: Preprocessing, form: str) -> str:
    """A text as it was, its tokens coloured by relevance, for "terminal" or "html"."""
    cutting = cutting_of(preprocessing)
    return {"terminal": terminal, "html": html}[form](text_of(value), relevance, cutting.tokens, cutting.lower)


def _laid_out(
    words: Sequence[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> tuple[list[tuple[float, int]], int]:
    """Where each word begins, and the height that all lines take."""
    places: list[tuple[float, int]] = []
    x, y = float(MARGIN), MARGIN
    for word in words:
        width = font.getlength(word)
        if x + width > WIDE - MARGIN and x > MARGIN:
            x, y = float(MARGIN), y + LINE
        places.append((x, y))
        x += width + 8
    return places, y + LINE + MARGIN


def strengths(relevance: Sequence[float]) -> Strength:
    """Relevance from −1 to 1, zero kept at zero; what is not a number counts as zero."""
    values = np.nan_to_num(np.asarray(relevance, np.float64), nan=0, posinf=0, neginf=0)
    return values / max(1e-30, float(np.abs(values).max(initial=0)))


def tint(force: float) -> tuple[int, int, int]:
    """White, towards one of the two colours by as much as the force says."""
    colour = FOR if force > 0 else AGAINST
    red, green, blue = (round(255 + (part - 255) * 0.7 * abs(float(force))) for part in colour)
    return red, green, blue


def pieces(text: str, relevance: Sequence[float], kind: str, lower: bool) -> list[tuple[str, float]]:
    """The text as it was, cut where its tokens begin and end, each piece with its strength; what is between has 0."""
    tokens: list[Token] = placed(text, kind, lower)
    found, at = [], 0
    for token, force in zip(tokens, strengths(relevance), strict=False):
        if token.start > at:
            found.append((text[at : token.start], 0.0))
        if token.end > at:
            found.append((text[max(at, token.start) : token.end], float(force)))
        at = max(at, token.end)
    return found + ([(text[at:], 0.0)] if at < len(text) else [])


def terminal(text: str, relevance: Sequence[float], kind: str = "words", lower: bool = True) -> str:
    """The text with its words on coloured ground, in the escape sequences of a terminal with 24-bit colours."""
    told = []
    for piece, force in pieces(text, relevance, kind, lower):
        red, green, blue = tint(force)
        told.append(f"\x1b[30;48;2;{red};{green};{blue}m{piece}\x1b[0m" if abs(force) > 0.05 else piece)
    return "".join(told)


def html(text: str, relevance: Sequence[float], kind: str = "words", lower: bool = True) -> str:
    """The text with its words in coloured spans; what the text holds is never taken for a tag."""
    told = []
    for piece, force in pieces(text, relevance, kind, lower):
        red, green, blue = tint(force)
        style = f'style="background: rgb({red}, {green}, {blue})" title="{force:+.2f}"'
        told.append(f"<span {style}>{escape(piece)}</span>" if abs(force) > 0.05 else escape(piece))
    return "".join(told)
