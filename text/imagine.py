"""Texts that a network imagines are made of the tokens it knows."""

from __future__ import annotations

from torch import nn

from ..core.data import Preprocessing
from ..core.imagine.canvas import Tokens
from .vocabulary import FIRST, Vocabulary


def tokens(preprocessing: Preprocessing, frontend: nn.Module) -> Tokens:
    """All ids of the vocabulary but padding and the one for what it does not know."""
    return Tokens(FIRST, len(Vocabulary(preprocessing["vocabulary"])))
