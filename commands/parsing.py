"""The arguments of commands as plans, data specifications and inputs."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import find
from ..core.problem import DATA, USAGE, Problem, did_you_mean, unusable
from ..core.stdin import read_standard_input

if TYPE_CHECKING:
    from ..core.data import DataSpec
    from ..core.domain import Domain
    from ..core.inputs import Input
    from ..core.model import Model
    from ..core.plan import Plan
    from ..core.shard import Shard
    from ..core.targets import TargetSpec


SEPARATORS = {"comma": ",", "blank": " ", "space": " ", "semicolon": ";", "bar": "|"}  # names for --label-separator


def plan(
    settings: Path | None,
    domain: str | None,
    data: str | None,
    recipe: str | None,
    network: str | None,
    initial: dict[str, Any],
    changes: dict[str, Any],
    assignments: list[str],
    options: dict[str, Any],
    split: dict[str, Any],
) -> Plan:
    """The plan of a training; None stands for what was not given.

    `changes` are settings of training, `options` those of the domain, `assignments` the texts after --set, for both.
    `initial` says what the initial weights are (weights, keep, freeze), and `split` the fields of DataSpec. Raises
    Problem if they do not go together.
    """
    from .. import domain as domain_of
    from ..core import device as devices
    from ..core.plan import Plan, plan_from, read_settings

    assigned = parse_assignments(assignments)
    if settings is not None:
        fixed = {"DOMAIN": domain, "DATA": data, "--recipe": recipe, "--network": network}
        fixed |= {f"--{name.replace('_', '-')}": value for name, value in (initial | options | split).items()}
        fixed["--task, --label-column and other options of targets"] = fixed.pop("--targets", None)
        if names := ", ".join(without_none(fixed)):
            raise Problem(f"--settings fixes the data and the network: leave out {names}", USAGE)
        tables = read_settings(settings)
        with unusable(settings):
            settings_domain = domain_of(tables["domain"])
        if changes.get("device"):  # wrong use, not a fault of the file
            devices.choose(changes["device"])
        return plan_from(tables, settings_domain, changes | assigned, find, settings)
    if domain is None or data is None:
        raise Problem("train takes a domain and data, as in: neocog train vision photos/", USAGE)
    value = domain_of(domain)
    check_names(assigned, value)
    options |= {name: assigned.pop(name) for name in set(assigned) & set(value.options)}
    spec = source(data, options, **split)
    weights = find(initial["weights"]) if initial["weights"] else None
    keep, freeze = initial["keep"], bool(initial["freeze"])
    return Plan.of(value, spec, recipe, network, changes | assigned, weights, keep=keep, freeze=freeze)


def source(data: str, options: dict[str, Any], **fields: Any) -> DataSpec:
    """Where examples come from; None stands for what was not given. `options` are those of the domain."""
    from ..core.data import DataSpec
    from ..core.ranges import check_range

    if fields.get("unknown") not in (None, "stop", "skip"):
        raise Problem(f"--unknown is stop or skip; got {fields['unknown']}", USAGE)
    for name in ("max_bad", "test_share", "valid_share", "split"):
        if fields.get(name) is not None:
            check_range(name, fields[name], f"--{name.replace('_', '-')}")
    texts = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    return DataSpec(data, options=without_none(texts), **without_none(fields))


def conditioned(model: Model, source: str, like: str | None) -> None:
    """Makes a model, which `source` names, predict as --like says. Raises Problem if it cannot."""
    if like is not None:
        from ..core.condition import Condition

        model.domain.require(Condition, "--like").apply(model, find(source).path, like)


def targets(
    task: str | None = None,
    columns: Sequence[str] | None = None,
    split_column: str | None = None,
    file_path: str | None = None,
    separator: str | None = None,
    label_names: Path | None = None,
) -> TargetSpec | None:
    """The targets as --task, --label-column and so on describe them; None if none was given. Raises Problem."""
    from ..core.targets import TargetSpec
    from ..core.tasks import task_class

    if task is not None:
        task_class(task)
    names = names_in(label_names) if label_names is not None else ()
    separator = SEPARATORS.get(separator, separator) if separator is not None else None
    spec = TargetSpec(task, tuple(columns or ()), separator, names, split_column, file_path)
    return spec if spec.to_dict() else None


def names_in(path: Path) -> tuple[str, ...]:
    """The names in a file, one in each line. Raises Problem for a file without any."""
    from ..core import files

    names = [line.strip() for line in files.read_text(path, "a name in each line").splitlines()]
    while names and not names[-1]:
        names.pop()
    if not names or not all(names) or len(set(names)) < len(names):
        raise Problem(f"{path} holds {len(names)} lines, some empty or alike; expected a different name in each", DATA)
    return tuple(names)


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def parse_assignments(texts: list[str]) -> dict[str, Any]:
    """`smoothing=0.1` as {"smoothing": 0.1}: numbers and true/false as such, other values as text."""
    values: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise Problem(f"--set takes NAME=VALUE, as in --set smoothing=0.1; got {text}", USAGE)
        try:
            values[name.strip()] = json.loads(value)
        except ValueError:
            values[name.strip()] = value.strip()
    return values


def domain_options(texts: Sequence[str] | None, domain: Domain) -> dict[str, Any]:
    """The options of a domain in the texts after --set. Raises Problem for a name that is none of them."""
    from ..core.options import set_options

    return set_options(parse_assignments(list(texts or ())), domain.options, domain.name)


def check_names(assigned: dict[str, Any], domain: Domain) -> None:
    """Raises Problem for a name after --set that is neither a setting of training nor an option of the domain."""
    from dataclasses import fields

    from ..core.settings import Settings

    settings = sorted(setting.name for setting in fields(Settings))
    for name in assigned:
        if name not in (*settings, *domain.options):
            hint = did_you_mean(name, (*settings, *domain.options))
            options = f"; {domain.name} has {', '.join(sorted(domain.options))}" if domain.options else ""
            raise Problem(f"{name} is not a setting{hint}; the settings are {', '.join(settings)}{options}", USAGE)


def model_and_inputs(model: str, inputs: list[str], texts: Sequence[str]) -> tuple[str, list[str]]:
    """The model and inputs of predict; a game record in the place of the model is for the included Go network."""
    if model.lower().endswith(".sgf"):
        model, inputs = "go", [model, *inputs]
    if not inputs and not texts:
        raise Problem("predict takes a model and inputs, as in: neocog predict runs/vision-… photo.jpg", USAGE)
    return model, inputs


def shard(text: str | None, out: Path | None) -> Shard | None:
    """The part of the inputs that --shard names. Raises Problem unless it is written to a file of JSON Lines."""
    from ..core.shard import parse

    if text is None:
        return None
    if out is None or out.suffix.lower() != ".jsonl":
        raise Problem("--shard writes JSON Lines, whose parts can be joined; add --out FILE.jsonl", USAGE)
    return parse(text)


def inputs_of(domain: Domain, arguments: Sequence[str], texts: Sequence[str] = ()) -> list[Input]:
    """The inputs of a command: files, folders and globs, the content of stdin for `-`, and the texts of --text.

    Raises Problem for --text in a domain whose inputs are not texts.
    """
    from ..core.inputs import BytesInput, LineInputs, TextInput

    if texts:
        domain.require(LineInputs, "--text")
    paths = [argument for argument in arguments if argument != "-"]
    inputs = list(domain.expand_paths(paths)) if paths else []
    if "-" in arguments:
        inputs.append(BytesInput(read_standard_input()))
    return [*inputs, *map(TextInput, texts)]


def input_options(domain: Domain, values: dict[str, Any]) -> dict[str, Any]:
    """The options of inputs that were given. Raises Problem for one that the domain does not have."""
    from ..core.inputs import InputOptions

    options = domain.capability(InputOptions)
    for name in without_none(values):
        if options is None or name not in options.names:
            raise Problem(f"--{name.replace('_', '-')} is not for {domain.name}", USAGE)
    return without_none(values)


def with_options(inputs: Sequence[Input], options: Mapping[str, Any]) -> list[Input]:
    """The inputs, each with these options."""
    return [replace(value, options={**value.options, **options}) for value in inputs]


def absolute_if_exists(path: str | None) -> str | None:
    """The absolute path of a file that exists; any other text, such as a name, as it is."""
    return os.path.abspath(path) if path and os.path.exists(path) else path
