"""Values of JSON and TOML against types: what stands in a file is checked as a whole before any of it is used.

A schema is a dataclass or a TypedDict; `Annotated[int, Between(1, 4096)]` bounds a number, `Length` a list.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NotRequired, TypeVar, Union, get_args, get_origin, get_type_hints

from . import files
from .capability import Capability
from .problem import DATA, Problem, did_you_mean, shortened
from .ranges import RANGES

T = TypeVar("T")


@dataclass(frozen=True)
class PreprocessingSchema(Capability):
    """What a domain keeps in a model file: the entries of its preprocessing, a TypedDict, and their consequences."""

    entries: type
    maps: Callable[[dict[str, Any]], tuple[int, ...]]  # (C, H, W) of the maps that the frontend gives


LARGEST = 2**62  # of a whole number without bounds of its own


class Mismatch(ValueError):
    """A value that is not of its type. The message names the value."""


@dataclass(frozen=True)
class Between:
    """The range of a number, both ends included."""

    low: float
    high: float


def in_range(name: str) -> Between:
    """The range of a number that users set, by its name in core/ranges.py."""
    return Between(*RANGES[name])


@dataclass(frozen=True)
class Length:
    """The range of a list's length, both ends included."""

    low: int
    high: int


@dataclass(frozen=True)
class Entries:
    """The types of some entries of a table, as a TypedDict; others may have any."""

    schema: type


@dataclass(frozen=True)
class Key:
    """The type of an entry, and whether it must be there."""

    hint: Any
    required: bool


def check(schema: type, values: Any, exact: bool = False, name: str = "") -> None:
    """Raises Mismatch unless `values` has the keys of a schema with values of their types.

    `exact` refuses further keys; otherwise they are ignored, as a newer version may have added them.
    """
    if not isinstance(values, Mapping):
        raise Mismatch(f"{name or 'the content'} is a table; got {_quoted(values)}")
    keys = _keys(schema)
    for key, entry in keys.items():
        if key in values:
            _check(values[key], entry.hint, _join(name, key), exact)
        elif entry.required:
            raise Mismatch(f"{_join(name, key)} is missing")
    unknown = [key for key in values if key not in keys] if exact else []
    if unknown:
        raise Mismatch(f"{_join(name, unknown[0])} is unknown{did_you_mean(str(unknown[0]), keys)}")


def read(schema: type[T], values: Any) -> T:
    """A dataclass whose fields are `values`; further keys are ignored. Raises Mismatch."""
    check(schema, values)
    return schema(**{name: value for name, value in values.items() if name in _keys(schema)})


MOST = 1_000_000_000  # bytes of a JSON file


def read_json(path: Path, schema: type, expected: str, advice: str) -> dict[str, Any]:
    """The table in a JSON file. Raises Problem, ending with `advice`, if it has another content than the schema."""
    try:
        values = json.loads(files.read_text(path, expected, MOST))
        check(schema, values)
    except (ValueError, RecursionError) as error:  # Mismatch is a ValueError
        raise Problem(f"{path} is damaged ({shortened(str(error), 200)}); {advice}", DATA) from None
    return dict(values)


def _keys(schema: Any) -> dict[str, Key]:
    hints = get_type_hints(schema, include_extras=True)
    if is_dataclass(schema):
        required = {f.name for f in fields(schema) if f.default is MISSING and f.default_factory is MISSING}
        return {f.name: Key(hints[f.name], f.name in required) for f in fields(schema)}
    optional = {name for name, hint in hints.items() if get_origin(hint) is NotRequired}
    return {
        name: Key(get_args(hint)[0] if name in optional else hint, name not in optional) for name, hint in hints.items()
    }


def _check(value: Any, hint: Any, name: str, exact: bool) -> None:
    if hint is Any:
        return
    bound = None
    if get_origin(hint) is Annotated:
        hint, bound = get_args(hint)[:2]
    origin, arguments = get_origin(hint), get_args(hint)
    if isinstance(hint, type) and (is_dataclass(hint) or typing.is_typeddict(hint)):
        check(hint, value, exact, name)
    elif origin in (Union, UnionType):
        _check_union(value, arguments, name, exact)
    elif origin is Literal:
        if value not in arguments:
            choices = ", ".join(map(str, arguments))
            raise Mismatch(f"{name} is one of {choices}{did_you_mean(str(value), arguments)}; got {_quoted(value)}")
    elif origin in (list, tuple):
        _check_list(value, hint, bound, name, exact)
    elif origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise Mismatch(f"{name} is a table; got {_quoted(value)}")
        for key, entry in value.items():
            _check(entry, arguments[1], _join(name, key), exact)
        if isinstance(bound, Entries):
            check(bound.schema, value, name=name)
    else:
        _check_scalar(value, hint, bound, name)


def _check_union(value: Any, hints: tuple[Any, ...], name: str, exact: bool) -> None:
    if value is None and NoneType in hints:
        return
    errors: list[Mismatch] = []
    for hint in hints:
        if hint is NoneType:
            continue
        try:
            return _check(value, hint, name, exact)
        except Mismatch as error:
            errors.append(error)
    raise errors[0]


def _check_list(value: Any, hint: Any, bound: Any, name: str, exact: bool) -> None:
    if not isinstance(value, list | tuple):
        raise Mismatch(f"{name} is a list; got {_quoted(value)}")
    arguments = get_args(hint)
    if get_origin(hint) is tuple and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise Mismatch(f"{name} is a list of {len(arguments)}; got {_quoted(value)}")
        hints = arguments
    else:
        hints = (arguments[0],) * len(value)
    if isinstance(bound, Length) and not bound.low <= len(value) <= bound.high:
        raise Mismatch(f"{name} has {bound.low:,} to {bound.high:,} entries; got {len(value):,}")
    for index, (entry, entry_hint) in enumerate(zip(value, hints, strict=True)):
        _check(entry, entry_hint, f"{name}[{index}]", exact)


WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _check_scalar(value: Any, hint: Any, bound: Any, name: str) -> None:
    real = hint is float and type(value) in (int, float)
    if not real and type(value) is not hint:
        raise Mismatch(f"{name} is {WORDS.get(hint, 'another type')}; got {_quoted(value)}")
    if hint is float and not (-1e300 < value < 1e300 and isfinite(value)):
        raise Mismatch(f"{name} is a finite number; got {_quoted(value)}")
    if hint in (int, float):
        limits = bound if isinstance(bound, Between) else Between(-LARGEST, LARGEST) if hint is int else None
        if limits is not None and not limits.low <= value <= limits.high:
            raise Mismatch(f"{name} is from {limits.low:g} to {limits.high:g}; got {_quoted(value)}")


def _join(name: str, key: Any) -> str:
    return f"{name}.{shortened(str(key))}" if name else shortened(str(key))


def _quoted(value: Any) -> str:
    try:
        return shortened(repr(value))
    except ValueError:  # an integer of thousands of digits
        return "a number of thousands of digits"
