"""Parameterisation of texts for feature visualisation: sequences of known tokens."""

from __future__ import annotations

from torch import nn

from ..core.data import Preprocessing
from ..core.imagine.parameterization import Tokens
from .vocabulary import FIRST, Vocabulary


def parameterize(preprocessing: Preprocessing, frontend: nn.Module) -> Tokens:
    """Returns all ids of the vocabulary except padding and the unknown token."""
    return Tokens(FIRST, len(Vocabulary(preprocessing["vocabulary"])))
