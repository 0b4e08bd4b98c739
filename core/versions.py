"""Which versions a model was made with."""

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version


def own() -> str:
    with suppress(PackageNotFoundError):
        return version("neocog")
    return "0"


def all_of_them() -> dict[str, str]:
    return {"neocog": own(), "torch": version("torch"), "python": platform.python_version()}
