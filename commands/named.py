"""The meaning of an argument of `describe`: a network's text, a recipe or a model."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from .. import DOMAINS, RUN_NAMES, find
from .. import domain as domain_of
from ..core.checkpoint import Card
from ..core.constants import network_constants
from ..core.data import DataSpec
from ..core.domain import Domain
from ..core.layer import Layers
from ..core.model import card_network
from ..core.network import Network, parse
from ..core.plan import Plan, find_recipe
from ..core.problem import USAGE, Problem, shortened

RECIPE_NAME = re.compile(r"\s*([\w-]+)\s*(\(|$)")


class Described(NamedTuple):
    """A network, its name for a drawing, its card if it is a model's, and what else the text could have meant."""

    network: Network
    name: str
    card: Card | None = None
    remarks: tuple[str, ...] = ()


def described(text: str, shape: str | None, classes: int, domain_name: str | None) -> Described:
    """Returns the network that a text stands for: a recipe, layers, or a model file or run folder.

    The file system is asked only for a text that is neither a recipe nor layers. Raises Problem.
    """
    input_shape = shape_of(shape) if shape else None
    if text in DOMAINS or text in RUN_NAMES:
        return _model(text, input_shape)
    if domains := recipe_domains(text, domain_name):
        return _recipe(text, domains, input_shape, classes)
    constants = network_constants(domain_of(domain_name), {}) if domain_name else {}
    try:
        layers = parse(text, classes=classes, **constants)
    except Problem:
        if os.path.exists(text) or text.endswith(".safetensors") or ("/" in text and "(" not in text):
            return _model(text, input_shape)
        raise
    return _layers(text, layers, input_shape)


def recipe_domains(text: str, domain_name: str | None) -> list[Domain]:
    """Returns the domains that have the recipe that a text names; of one domain only, if it is named."""
    match = RECIPE_NAME.match(text)
    domains = map(domain_of, [domain_name] if domain_name else DOMAINS) if match or domain_name else ()
    return [domain for domain in domains if match and match[1] in domain.recipes]


def _recipe(text: str, domains: list[Domain], input_shape: tuple[int, int, int] | None, classes: int) -> Described:
    domain, *others = domains
    recipe, _, _ = find_recipe(domain, text)
    layers = Plan.of(domain, DataSpec(""), text).layers(classes, network_constants(domain, {}))
    remarks = _remarks(text, "a recipe")
    if others:
        names = " and ".join(other.name for other in others)
        remarks = (f"this is {text} of {domain.name}; for that of {names}: --domain {others[0].name}", *remarks)
    return Described(Network(input_shape or recipe.input, layers), text, remarks=remarks)


def _layers(text: str, layers: Layers, input_shape: tuple[int, int, int] | None) -> Described:
    if input_shape is None:
        raise Problem("a network text needs its input, as in --input 1x28x28 (channels, height, width)", USAGE)
    return Described(Network(input_shape, layers), text, remarks=_remarks(text, "a layer"))


def _model(text: str, input_shape: tuple[int, int, int] | None) -> Described:
    card = find(text).card
    network = card_network(card)
    return Described(Network(input_shape, network.layers) if input_shape else network, card.recipe or text, card)


def _remarks(text: str, meaning: str) -> tuple[str, ...]:
    """A remark if a file or folder has the name of a recipe or a layer."""
    return (f"{text} is {meaning} here; the file or folder of that name is ./{text}",) * os.path.exists(text)


def shape_of(text: str) -> tuple[int, int, int]:
    """Reads `3x32x32`. Raises Problem for anything else."""
    parts = [part.strip() for part in text.lower().replace("×", "x").replace(",", "x").split("x")]
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 9 for part in parts):
        raise Problem(f"--input is channels x height x width, as in 3x32x32; got {shortened(text)}", USAGE)
    channels, height, width = map(int, parts)
    return channels, height, width
