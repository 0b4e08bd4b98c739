"""What a person may say of a domain's own options: each check once, and in the same words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .problem import USAGE, Problem, did_you_mean
from .sources.cache import default_cache


def said(options: Mapping[str, Any], names: Sequence[str], domain: str) -> dict[str, Any]:
    """The options that somebody gave. Raises Problem for one that the domain does not have."""
    for name in options:
        if name not in names:
            hint = did_you_mean(name, names)
            raise Problem(f"{name} is not an option of {domain}; the options are {', '.join(names)}{hint}", USAGE)
    return {name: value for name, value in options.items() if value is not None}


def one_of(option: str, value: Any, choices: Sequence[str]) -> str:
    """The value, where it is one of the choices."""
    if value not in choices:
        hint = did_you_mean(str(value), choices)
        raise Problem(f"{option} {value} is not known; it can be {', '.join(choices)}{hint}", USAGE)
    return str(value)


def truth(option: str, value: Any) -> bool:
    """The value, where it is true or false."""
    if not isinstance(value, bool):
        raise Problem(f"{option} is true or false; got {value}", USAGE)
    return value


def number(option: str, value: Any, least: float, most: float) -> float:
    """A number, or the text of one, from `least` to `most`."""
    found = _read(value)
    if not least <= found <= most:
        raise Problem(f"{option} is a number from {least:,} to {most:,}; got {value}", USAGE)
    return found


def whole(option: str, value: Any, least: int, most: int) -> int:
    """A whole number, or the text of one, from `least` to `most`."""
    found = _read(value)
    if not least <= found <= most or found != int(found):
        raise Problem(f"{option} is a whole number from {least:,} to {most:,}; got {value}", USAGE)
    return int(found)


def _read(value: Any) -> float:
    try:
        return float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError):
        return float("nan")


def cache_in(options: Mapping[str, Any]) -> Path:
    """Where decoded examples are kept: as somebody said, or where they usually are."""
    return Path(options["cache"]).expanduser() if options.get("cache") else default_cache()
