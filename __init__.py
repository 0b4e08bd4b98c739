"""Neocog: one CNN core, and the domains that stand on it.

model = neocog.load("runs/vision-swift-…")      a Model: .predict, .evaluate, .network, .labels, .module
model = neocog.train("vision", "photos/", recipe="swift", epochs=8)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core.domain import Domain
    from .core.model import Model

DOMAINS = ("vision", "speech", "text")
BEGUN = ("go",)  # domains that cannot train yet; `check`, and commands of their own

__all__ = ["DOMAINS", "domain", "load", "train"]


def domain(name: str) -> Domain:
    """A domain by its name. Raises Problem for one that this neocog does not know."""
    from .core.problem import USAGE, Problem, did_you_mean

    if name not in (*DOMAINS, *BEGUN):
        known = ", ".join((*DOMAINS, *BEGUN))
        hint = did_you_mean(name, (*DOMAINS, *BEGUN))
        raise Problem(f"{name} is not a domain of this neocog{hint}; there is {known}", USAGE)
    found: Domain = import_module(f".{name}", __name__).DOMAIN
    return found


def load(model: str, device: str = "auto") -> Model:
    """The model in a file or a run's folder, on a device."""
    from .core import checkpoint
    from .core import model as models

    path = checkpoint.find(model)
    return models.load(path, domain(checkpoint.card(path).domain), device)


def train(
    name: str,
    data: str,
    recipe: str | None = None,
    network: str | None = None,
    out: str | None = None,
    force: bool = False,
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> Model:
    """Train a network of a domain on `data` and give the best one; the run is kept in the folder `out`.

    `settings` are those of core/settings.py (epochs, batch, lr, …), `options` the domain's own (size, colour, …).
    """
    from .core import device as devices
    from .core import run as runs
    from .core.domain import Source
    from .core.plan import Plan

    plan = Plan.of(domain(name), Source(data, options=options or {}), recipe, network, settings)
    device = devices.choose(plan.settings.device)
    with devices.world(device) as world:
        run = runs.begin(plan, out, force, world, device)
        for _ in run.go():
            pass
        run.close()
    return load(str(run.folder))
