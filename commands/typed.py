"""What was typed, as a plan of training and as a source of data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import DOMAINS, find
from ..core.problem import USAGE, Problem, did_you_mean

if TYPE_CHECKING:
    from ..core.data import DataSpec
    from ..core.domain import Domain
    from ..core.inputs import Input
    from ..core.plan import Plan


def plan(
    settings: Path | None,
    domain: str | None,
    data: str | None,
    recipe: str | None,
    network: str | None,
    weights: str | None,
    changes: dict[str, Any],
    assignments: list[str],
    own: dict[str, Any],
    told: dict[str, Any],
) -> Plan:
    """What is to be trained, where None is what nobody has typed.

    `changes` are settings of training, `own` options of the domain, `assignments` what --set says of both, and `told`
    how the data are divided. Raises Problem where they do not go together.
    """
    from .. import domain as domain_of
    from ..core.plan import Plan, plan_from, read_settings

    assigned = assigned_by(assignments)
    if settings is not None:
        fixed = {"DOMAIN": domain, "DATA": data, "--recipe": recipe, "--network": network, "--weights": weights}
        fixed |= {f"--{name.replace('_', '-')}": value for name, value in (own | told).items()}
        if typed := ", ".join(given(fixed)):
            raise Problem(f"--settings says all of the data and the network: leave out {typed}", USAGE)
        tables = read_settings(settings)
        return plan_from(tables, domain_of(tables["domain"]), changes | assigned)
    if domain is None or data is None:
        raise Problem("train takes a domain and data, as in: neocog train vision photos/", USAGE)
    found = domain_of(domain)
    known(assigned, found)
    own |= {name: assigned.pop(name) for name in set(assigned) & set(found.options)}
    where = source(data, own, **told)
    return Plan.of(found, where, recipe, network, changes | assigned, weights and weights_of(weights))


def weights_of(text: str) -> str:
    """The file that --weights means: a model by its file, its run's folder or its name, or others' weights."""
    if text in DOMAINS or Path(text).is_dir():
        return str(find(text).absolute())
    return str(Path(text).absolute())


def source(data: str, options: dict[str, Any], **told: Any) -> DataSpec:
    """Where examples come from; what is None was not typed. `options` are the domain's own."""
    from ..core.data import DataSpec

    if told.get("unknown") not in (None, "stop", "skip"):
        raise Problem(f"--unknown is stop or skip; got {told['unknown']}", USAGE)
    for name, most in (("max_bad", 1), ("test_share", 0.9), ("valid_share", 0.9)):
        if not 0 <= (told.get(name) or 0) <= most:
            raise Problem(f"--{name.replace('_', '-')} is a share from 0 to {most}; got {told[name]:g}", USAGE)
    own = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    return DataSpec(data, options=given(own), **given(told))


def given(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def assigned_by(texts: list[str]) -> dict[str, Any]:
    """`smoothing=0.1` as {"smoothing": 0.1}: numbers and true/false as such, all else as text."""
    told: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise Problem(f"--set takes NAME=VALUE, as in --set smoothing=0.1; got {text}", USAGE)
        try:
            told[name.strip()] = json.loads(value)
        except ValueError:
            told[name.strip()] = value.strip()
    return told


def known(assigned: dict[str, Any], domain: Domain) -> None:
    """Raises Problem for a name after --set that is neither a setting of training nor an option of the domain."""
    from dataclasses import fields

    from ..core.settings import Settings

    settings = sorted(each.name for each in fields(Settings))
    for name in assigned:
        if name not in (*settings, *domain.options):
            hint = did_you_mean(name, (*settings, *domain.options))
            own = f"; {domain.name} has {', '.join(sorted(domain.options))}" if domain.options else ""
            raise Problem(f"{name} is not a setting{hint}; the settings are {', '.join(settings)}{own}", USAGE)


def model_and_inputs(model: str, inputs: list[str]) -> tuple[str, list[str]]:
    """What predict was given: a game record in the place of the model is for the network that comes with neocog."""
    if model.lower().endswith(".sgf"):
        model, inputs = "go", [model, *inputs]
    if not inputs:
        raise Problem("predict takes a model and inputs, as in: neocog predict runs/vision-… photo.jpg", USAGE)
    return model, inputs


def reading(domain: Domain, told: dict[str, Any]) -> dict[str, Any]:
    """What is meant of each input. Raises Problem for a flag that the domain does not know."""
    from ..core.inputs import InputOptions

    for name in given(told):
        options = domain.capability(InputOptions)
        if options is None or name not in options.names:
            raise Problem(f"--{name.replace('_', '-')} is not for {domain.name}", USAGE)
    return given(told)


def with_options(inputs: Sequence[Input], options: Mapping[str, Any]) -> list[Input]:
    """The inputs with what is meant of each of them."""
    return [replace(value, options={**value.options, **options}) for value in inputs]
