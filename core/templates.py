"""The templates of HTML pages, which lie beside core/ and core/tasks; small pages extend page.html."""

from __future__ import annotations

from importlib.resources import files as package_files
from typing import Any

import jinja2

from .format import count, ending, figure, percent, probability
from .progress import duration

FILTERS: dict[str, Any] = {
    "percent": percent,
    "count": count,
    "duration": duration,
    "figure": figure,
    "probability": probability,
    "ending": ending,
}


def template(name: str) -> jinja2.Template:
    """A template by the name of its file. Texts are escaped, and what it names has to be given."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    return environment.get_template(name)


def _source(name: str) -> str:
    core = package_files(__package__)
    folder = core if core.joinpath(name).is_file() else core.joinpath("tasks")
    return str(folder.joinpath(name).read_text(encoding="utf-8"))
