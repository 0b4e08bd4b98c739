"""What goes wrong with a request: a status, a sentence, and headers. All of them have one shape in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse

from ..core.format import visible


@dataclass
class Refused(Exception):
    """A request that is answered with an error."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


def response(refused: Refused) -> JSONResponse:
    """The answer: {"error": {"status": 413, "message": "the body is larger than …"}}."""
    return JSONResponse(document(refused), refused.status, dict(refused.headers))


def document(refused: Refused) -> dict[str, Any]:
    return {"error": {"status": refused.status, "message": visible(refused.message)}}
