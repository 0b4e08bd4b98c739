"""What a word of the command line stands for: a network text, a recipe, a model."""

from __future__ import annotations

from pathlib import Path

from .. import DOMAINS, find
from .. import domain as domain_of
from ..core import checkpoint
from ..core.checkpoint import Card
from ..core.constants import network_constants
from ..core.data import DataSpec
from ..core.network import Network, parse
from ..core.plan import Plan, find_recipe
from ..core.problem import USAGE, Problem


def network_of(text: str, shape: str | None, classes: int, whose: str | None) -> tuple[Network, str]:
    """The network that a text, a recipe or a model means, and a name for it."""
    given = shape_of(shape) if shape else None
    if (card := card_of(text)) is not None:
        return Network(given or card.input, parse(card.network)), card.recipe or text
    word = text.partition("(")[0].strip()
    for name in [whose] if whose else DOMAINS:
        if word in (domain := domain_of(name)).recipes:
            recipe, _, _ = find_recipe(domain, text)
            layers = Plan.of(domain, DataSpec(""), text).layers(classes, network_constants(domain, {}))
            return Network(given or recipe.input, layers), text
    if text.endswith(".safetensors") or ("/" in text and "(" not in text):
        checkpoint.find(text)  # says that it does not exist, and what is near
    numbers = network_constants(domain_of(whose), {}) if whose else {}
    layers = parse(text, classes=classes, **numbers)
    if given is None:
        raise Problem("a network text needs its input, as in --input 1x28x28 (channels, height, width)", USAGE)
    return Network(given, layers), text


def card_of(text: str) -> Card | None:
    """The card of a model; None for a network text or a recipe."""
    return checkpoint.card(find(text)) if text in DOMAINS or Path(text).exists() else None


def shape_of(text: str) -> tuple[int, int, int]:
    parts = text.lower().replace("×", "x").replace(",", "x").split("x")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
        raise Problem(f"--input is channels x height x width, as in 3x32x32; got {text}", USAGE)
    channels, height, width = map(int, parts)
    return channels, height, width
