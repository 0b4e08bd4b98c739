"""The meaning of an argument of `describe`: a network's text, a recipe or a model."""

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


def network_of(text: str, shape: str | None, classes: int, domain_name: str | None) -> tuple[Network, str]:
    """Returns the network that a text, a recipe or a model stands for, and a name for it."""
    input_shape = shape_of(shape) if shape else None
    if (card := card_of(text)) is not None:
        return Network(input_shape or card.input, parse(card.network)), card.recipe or text
    recipe_name = text.partition("(")[0].strip()
    for name in [domain_name] if domain_name else DOMAINS:
        if recipe_name in (domain := domain_of(name)).recipes:
            recipe, _, _ = find_recipe(domain, text)
            layers = Plan.of(domain, DataSpec(""), text).layers(classes, network_constants(domain, {}))
            return Network(input_shape or recipe.input, layers), text
    if text.endswith(".safetensors") or ("/" in text and "(" not in text):
        checkpoint.find(text)  # raises a Problem that names similar files
    constants = network_constants(domain_of(domain_name), {}) if domain_name else {}
    layers = parse(text, classes=classes, **constants)
    if input_shape is None:
        raise Problem("a network text needs its input, as in --input 1x28x28 (channels, height, width)", USAGE)
    return Network(input_shape, layers), text


def card_of(text: str) -> Card | None:
    """Returns the card of a model; None for a network's text or a recipe."""
    return checkpoint.card(find(text)) if text in DOMAINS or Path(text).exists() else None


def shape_of(text: str) -> tuple[int, int, int]:
    """Reads `3x32x32`. Raises Problem for anything else."""
    parts = text.lower().replace("×", "x").replace(",", "x").split("x")
    if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
        raise Problem(f"--input is channels x height x width, as in 3x32x32; got {text}", USAGE)
    channels, height, width = map(int, parts)
    return channels, height, width
