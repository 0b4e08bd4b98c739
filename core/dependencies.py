"""Reports a dependency that cannot be imported as a Problem: the package, the reason, the command that installs it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata

from .problem import Problem

DISTRIBUTIONS = {"PIL": "pillow", "sklearn": "scikit-learn"}  # where the import name differs by more than - and _
TORCH = ("torch", "torchvision", "torchaudio")  # built for each other: installed together


def import_problem(error: BaseException) -> Problem | None:
    """Returns the Problem behind an exception raised while a dependency was imported; None for any other exception.

    A package may fail with more than ImportError: a compiled library that does not load raises OSError or RuntimeError.
    """
    requirements = dict(_requirements())
    missing = _distribution(error.name) if isinstance(error, ModuleNotFoundError) and error.name else None
    broken = next((name for name in _importing(error) if name in requirements), None)
    if name := broken or (missing if missing in requirements else None):
        names = [other for other in TORCH if other in requirements] if name in TORCH else [name]
        install = "pip install " + " ".join(f"'{requirements[other]}'" for other in names)
        if missing == name:
            return Problem(f"the package {name} is not installed; install it with: {install}")
        install = install.replace("install", "install --force-reinstall", 1)
        return Problem(f"{_installed(name)} cannot be imported ({_reason(error)}); install it again with: {install}")
    return None


def _requirements() -> Iterator[tuple[str, str]]:
    """Distribution name and what pip installs for it: "torchaudio==2.11.0", or "neocog[demo]" for one of an extra."""
    try:
        lines = metadata.requires("neocog") or []
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return
    for line in reversed(lines):  # a requirement of every installation comes first in the list, and so wins
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        match = re.match(r"[\w.-]+", requirement)
        if match and (name := _normalised(match[0])) != "neocog":  # an extra may name other extras
            extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
            yield name, f"neocog[{extra[1]}]" if extra else requirement


def _importing(error: BaseException) -> Iterator[str]:
    """Distributions whose module-level code was running when the exception was raised, outermost first."""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_code.co_name == "<module>":
            yield _distribution(str(frame.f_globals.get("__name__", "")))
        trace = trace.tb_next


def _distribution(module: str) -> str:
    package = module.partition(".")[0]
    return DISTRIBUTIONS.get(package, _normalised(package))


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _installed(name: str) -> str:
    """Name and version: "torchaudio 2.11.1"."""
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return name


def _reason(error: BaseException) -> str:
    """First line of the exception that began the chain."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]
