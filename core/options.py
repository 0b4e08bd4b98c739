"""Checks of a domain's options, shared by all domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .problem import USAGE, Problem, did_you_mean
from .ranges import RANGES, name_in
from .sources.cache import default_cache, home_expanded


def set_options(options: Mapping[str, Any], names: Sequence[str], domain: str) -> dict[str, Any]:
    """Returns the options that are not None. Raises Problem for one that the domain does not have."""
    for name in options:
        if name not in names:
            hint = did_you_mean(name, names)
            raise Problem(f"{name} is not an option of {domain}; the options are {', '.join(names)}{hint}", USAGE)
    return {name: value for name, value in options.items() if value is not None}


def choice(option: str, value: Any, choices: Sequence[str]) -> str:
    """Returns the value. Raises Problem if it is none of the choices."""
    if value not in choices:
        hint = did_you_mean(str(value), choices)
        raise Problem(f"{option} {value} is not known; it can be {', '.join(choices)}{hint}", USAGE)
    return str(value)


def boolean(option: str, value: Any) -> bool:
    """Returns the value. Raises Problem if it is neither true nor false."""
    if not isinstance(value, bool):
        raise Problem(f"{option} is true or false; got {value}", USAGE)
    return value


def number(domain: str, option: str, value: Any) -> float:
    """Returns a number, or text of one, as a float. Raises Problem unless it is in its range (core/ranges.py)."""
    result, (low, high) = _to_float(value), RANGES[name_in(domain, option)]
    if not low <= result <= high:
        raise Problem(f"{option} is a number from {low:,} to {high:,}; got {value}", USAGE)
    return result


def integer(domain: str, option: str, value: Any) -> int:
    """Returns a whole number, or text of one. Raises Problem unless it is in its range (core/ranges.py)."""
    result, (low, high) = _to_float(value), RANGES[name_in(domain, option)]
    if not low <= result <= high or result != int(result):
        raise Problem(f"{option} is a whole number from {low:,} to {high:,}; got {value}", USAGE)
    return int(result)


def _to_float(value: Any) -> float:
    """The value as a float; NaN, which no range contains, if it is none."""
    try:
        return float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def cache_folder(options: Mapping[str, Any]) -> Path:
    """Returns the folder of decoded examples: the option `cache`, or the default."""
    return home_expanded(options["cache"]) if options.get("cache") else default_cache()
