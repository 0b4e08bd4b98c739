"""Rendering of texts with tokens coloured by relevance, for terminals, HTML and images."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..core import charts
from ..core.data import Preprocessing
from ..core.format import visible
from ..core.inputs import Input
from ..core.presentation import TextToken
from .data import text_of, vocabulary_of
from .options import cutting_of
from .tokens import Token, tokenize_with_spans
from .vocabulary import PADDING, UNKNOWN

POSITIVE, NEGATIVE = (200, 60, 30), (40, 90, 200)  # RGB colours of relevance
MAX_WIDTH, MIN_WIDTH, MARGIN, LINE = 640, 200, 12, 22  # pixels
MAX_TOKENS = 200  # of an image

Strength = NDArray[np.float64]


def ids_to_text(inputs: Tensor, preprocessing: Preprocessing) -> str:
    """Returns the tokens of (1, 1, L) ids as a line of text."""
    words = vocabulary_of(preprocessing).words(inputs.flatten().tolist())
    return (" " if preprocessing["tokens"] == "words" else "").join(words)


def show(inputs: Tensor, relevance: Tensor | None = None, preprocessing: Preprocessing | None = None) -> Image.Image:
    """Renders the tokens of (1, 1, L) ids, coloured by relevance of the same size, as an image.

    Red tokens support the prediction, blue ones oppose it. Without `preprocessing`, tokens are shown as ids.
    """
    ids = [int(token_id) for token_id in inputs.flatten() if token_id != PADDING][:MAX_TOKENS]
    words = [f"#{token_id}" for token_id in ids] if preprocessing is None else vocabulary_of(preprocessing).words(ids)
    return draw_tokens(words, relevance)


def draw_tokens(words: Sequence[str], relevance: Tensor | None = None) -> Image.Image:
    """Renders the first MAX_TOKENS tokens, coloured by their relevance, as an image."""
    words = words[:MAX_TOKENS]
    strength = np.zeros(len(words)) if relevance is None else strengths(relevance.flatten().tolist()[: len(words)])
    font = charts.font(13)
    positions, height = _layout(words, font)
    right = max((x + font.getlength(word) for word, (x, _) in zip(words, positions, strict=True)), default=0)
    image = Image.new("RGB", (min(MAX_WIDTH, max(MIN_WIDTH, round(right) + MARGIN)), height), "white")
    draw = ImageDraw.Draw(image)
    for word, (x, y), value in zip(words, positions, strength, strict=True):
        width = draw.textlength(word, font)
        draw.rectangle((x - 3, y - 2, x + width + 3, y + LINE - 5), fill=colour_of(value))
        draw.text((x, y), word, "black", font)
    return image


def original_tokens(text: str, preprocessing: Preprocessing) -> list[TextToken]:
    """Returns the tokens of a text as its author wrote them; bytes in hexadecimal."""
    kind, vocabulary = preprocessing["tokens"], vocabulary_of(preprocessing)
    tokens = tokenize_with_spans(text, kind, preprocessing["lower"])
    ids = vocabulary.ids(token.text for token in tokens).tolist()
    return [
        TextToken(
            token.text if kind == "bytes" else text[token.start : token.end], token.start, token.end, index != UNKNOWN
        )
        for token, index in zip(tokens, ids, strict=True)
    ]


def describe_position(inputs: Tensor, row: int, column: int, preprocessing: Preprocessing) -> str:
    """Returns the token at a column."""
    return "".join(vocabulary_of(preprocessing).words([int(inputs.flatten()[column])]))


def patch(inputs: Tensor, maps: Tensor, rows: slice, columns: slice, preprocessing: Preprocessing) -> str:
    """Returns the text of a range of columns."""
    return ids_to_text(inputs.flatten()[columns], preprocessing)


def highlight(value: Input, relevance: Sequence[float], preprocessing: Preprocessing, form: str) -> str:
    """Returns the original text with tokens coloured by relevance, for "terminal" or "html"."""
    cutting = cutting_of(preprocessing)
    return {"terminal": terminal, "html": html}[form](text_of(value), relevance, cutting.tokens, cutting.lower)


def _layout(
    words: Sequence[str], font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> tuple[list[tuple[float, int]], int]:
    """Returns the position (x, y) of each word, and the height of the image, in pixels."""
    positions: list[tuple[float, int]] = []
    x, y = float(MARGIN), MARGIN
    for word in words:
        width = font.getlength(word)
        if x + width > MAX_WIDTH - MARGIN and x > MARGIN:
            x, y = float(MARGIN), y + LINE
        positions.append((x, y))
        x += width + 8
    return positions, y + LINE + MARGIN


def strengths(relevance: Sequence[float]) -> Strength:
    """Scales relevance to −1..1, keeping zero; NaN and infinities become zero."""
    values = np.nan_to_num(np.asarray(relevance, np.float64), nan=0, posinf=0, neginf=0)
    return values / max(1e-30, float(np.abs(values).max(initial=0)))


def colour_of(strength: float) -> tuple[int, int, int]:
    """Returns the background colour of a strength from −1 to 1: white for zero."""
    colour = POSITIVE if strength > 0 else NEGATIVE
    red, green, blue = (round(255 + (channel - 255) * 0.7 * abs(float(strength))) for channel in colour)
    return red, green, blue


def split_by_tokens(text: str, relevance: Sequence[float], kind: str, lower: bool) -> list[tuple[str, float]]:
    """Splits the original text at token boundaries, each part with its strength; parts between tokens have 0."""
    tokens: list[Token] = tokenize_with_spans(text, kind, lower)
    parts, end = [], 0
    for token, strength in zip(tokens, strengths(relevance), strict=False):
        if token.start > end:
            parts.append((text[end : token.start], 0.0))
        if token.end > end:
            parts.append((text[max(end, token.start) : token.end], float(strength)))
        end = max(end, token.end)
    return parts + ([(text[end:], 0.0)] if end < len(text) else [])


def terminal(text: str, relevance: Sequence[float], kind: str = "words", lower: bool = True) -> str:
    """Returns the text with coloured backgrounds, as ANSI escape sequences with 24-bit colours."""
    output = []
    for part, strength in split_by_tokens(text, relevance, kind, lower):
        red, green, blue = colour_of(strength)
        part = visible(part)
        output.append(f"\x1b[30;48;2;{red};{green};{blue}m{part}\x1b[0m" if abs(strength) > 0.05 else part)
    return "".join(output)


def html(text: str, relevance: Sequence[float], kind: str = "words", lower: bool = True) -> str:
    """Returns the text with tokens in coloured spans, escaped for HTML."""
    output = []
    for part, strength in split_by_tokens(text, relevance, kind, lower):
        red, green, blue = colour_of(strength)
        style = f'style="background: rgb({red}, {green}, {blue})" title="{strength:+.2f}"'
        output.append(f"<span {style}>{escape(part)}</span>" if abs(strength) > 0.05 else escape(part))
    return "".join(output)
