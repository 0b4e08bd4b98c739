"""Versions of Neocog, PyTorch and Python, as recorded in model files."""

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version


def neocog_version() -> str:
    """Returns the installed version of Neocog, "0" if it is not installed as a package."""
    with suppress(PackageNotFoundError):
        return version("neocog")
    return "0"


def versions() -> dict[str, str]:
    """Returns the versions of Neocog, PyTorch and Python by name."""
    return {"neocog": neocog_version(), "torch": version("torch"), "python": platform.python_version()}
