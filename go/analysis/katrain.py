"""KaTrain's settings for our engine: the entries of its config.json that start it and that suit a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core import files
from ...core.problem import DATA, USAGE, Problem

COMMAND = "neocog go analysis"
ENGINE: dict[str, Any] = {
    "backend": "custom",
    "altcommand": COMMAND,
    "max_visits": 20,
    "fast_visits": 4,
    "max_time": 8.0,
    "wide_root_noise": 0.0,
    "_enable_ownership": True,
}


def write_config(path: Path, command: str = COMMAND) -> Path:
    """Changes the entries of the engine in KaTrain's configuration, and returns the path of a copy of the file before.

    Raises Problem if the file is not there or is not a configuration of KaTrain: one without KaTrain's version would be
    replaced by KaTrain at its next start.
    """
    if not path.is_file():
        raise Problem(f"{path} does not exist; start KaTrain once, which writes it, and run this again", USAGE)
    try:
        content = path.read_bytes()
        values: dict[str, Any] = json.loads(content)
        version, engine = values["general"]["version"], dict(values["engine"])
    except (OSError, ValueError, TypeError, LookupError) as error:
        reason = type(error).__name__ if isinstance(error, TypeError) else error
        raise Problem(f"{path} is not KaTrain's config.json ({reason}); expected what KaTrain wrote", DATA) from None
    if not isinstance(version, str):
        raise Problem(f"{path} is not KaTrain's config.json: its version is no text", DATA)
    copy = path.with_name(path.name + ".before-neocog")
    files.write(copy, lambda temporary: temporary.write_bytes(content))
    values["engine"] = engine | ENGINE | {"altcommand": command}
    files.write_text(path, json.dumps(values, indent=4) + "\n")
    return copy
