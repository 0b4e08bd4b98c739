"""KaTrain's settings for our engine: the entries of its config.json that start it and that suit a CPU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...core import files
from ...core.problem import DATA, Problem

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


def write_config(path: Path, command: str = COMMAND) -> None:
    """Writes KaTrain's configuration. In an existing file, only the entries of the engine change.

    Raises Problem if the file is not a configuration of KaTrain.
    """
    values: dict[str, Any] = {}
    if path.is_file():
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            engine = dict(values.get("engine", {}))
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise Problem(f"{path} is not KaTrain's config.json ({error}); expected a table in JSON", DATA) from None
    else:
        engine = {}
    values["engine"] = engine | ENGINE | {"altcommand": command}
    files.write_text(path, json.dumps(values, indent=2) + "\n")
