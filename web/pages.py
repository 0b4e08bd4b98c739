"""The addresses of the page: its files, explanations as pictures, the forward pass, and the playground."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..core.explain import explained
from ..core.explain.methods import METHODS
from ..core.inputs import Input
from . import bodies, forward, lessons
from .app import Server, json_response
from .problems import Refused, response
from .trainings import Trainings

FOLDER = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# A report is one file with its styles and pictures inside, and without scripts.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'"
MAX_JSON = 100_000  # bytes of a request to the playground
MAX_UNIT = 1_000_000


class Pages:
    """The page of a server, and its playground."""

    def __init__(self, server: Server, trainings: Trainings | None = None) -> None:
        self.server, self.lessons, self.trainings = server, lessons.Lessons(), trainings
        self.files = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in TYPES}

    def routes(self) -> list[BaseRoute]:
        """The page's own addresses; everything that a model computes goes through the server's queue."""
        server = self.server
        return [
            Route("/", self.file),
            *(Route(f"/{name}", self.file) for name in self.files),
            Route("/page/explain", server.admitted(self.explain), methods=["POST"]),
            Route("/page/forward", server.admitted(self.forward), methods=["POST"]),
            Route("/page/window", server.admitted(self.window), methods=["POST"]),
            Route("/page/playground", server.admitted(self.playground), methods=["POST"]),
            Route("/page/exercises", server.measured(self.exercises)),
            Route("/page/methods", server.measured(self.methods)),
            Route("/page/trainings", server.measured(self.training), methods=["POST"]),
            Route("/page/report/{number:int}", self.report),
        ]

    async def file(self, request: Request) -> Response:
        name = request.url.path.lstrip("/") or "index.html"
        return Response(self.files[name], media_type=TYPES[Path(name).suffix])

    async def methods(self, request: Request) -> Response:
        return json_response([{"name": method.name, "about": method.about} for method in METHODS.values()])

    async def exercises(self, request: Request) -> Response:
        return json_response(lessons.listed())

    async def explain(self, request: Request) -> Response:
        method = request.query_params.get("method", "saliency")
        if "," in method or method == "all":
            raise Refused(400, "the page asks for one method at a time")
        return await self._of_model(request, lambda value, model: picture(model, value, method))

    async def forward(self, request: Request) -> Response:
        return await self._of_model(request, lambda value, model: forward.answer(model, value))

    async def window(self, request: Request) -> Response:
        query = request.query_params
        unit, row, column = (whole(query, name) for name in ("unit", "row", "column"))
        layer = query.get("layer", "")
        return await self._of_model(
            request, lambda value, model: forward.window(model, value, layer, unit, row, column)
        )

    async def _of_model(self, request: Request, work: Callable[[Input, Any], dict[str, Any]]) -> Response:
        """What `work` makes of the one input of a request and the model that it names, in the model's thread."""
        served = self.server.chosen(request.query_params)
        deadline = time.monotonic() + self.server.limits.seconds
        (value, *others) = await self.server.inputs(request, served, deadline)
        if others:
            raise Refused(413, "the page shows one input at a time")
        return json_response(await self.server.engine.run(served.model, lambda: work(value, served.model), deadline))

    async def playground(self, request: Request) -> Response:
        deadline = time.monotonic() + self.server.limits.seconds
        values = await self._json(request, deadline)
        model = self.server.served[0].model
        return json_response(await self.server.engine.run(model, lambda: self.lessons.answer(values), deadline))

    async def training(self, request: Request) -> Response:
        values = await self._json(request, time.monotonic() + self.server.limits.seconds)
        if self.trainings is None:
            raise Refused(404, "this server has no data to train on; name some with --data")
        return json_response(await asyncio.to_thread(self.trainings.answer, values))

    async def report(self, request: Request) -> Response:
        page = self.trainings.report(request.path_params["number"]) if self.trainings else None
        if page is None:
            return response(Refused(404, "there is no report of this training"))
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": REPORT_POLICY})

    async def _json(self, request: Request, deadline: float) -> Any:
        """The JSON of a request of the page."""
        body = await bodies.read_body(request, MAX_JSON, deadline)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise Refused(400, "the body is not JSON") from None


def picture(model: Any, value: Input, method: str) -> dict[str, Any]:
    """An explanation without its numbers, and its picture as base64 of a PNG; of a text, relevance by token."""
    (row, *_) = explained.explain(model, [value], method)
    answer = row.to_dict()
    relevance = answer.pop("relevance")
    file = io.BytesIO()
    row.picture(row.relevance).save(file, "PNG")
    answer["picture"] = base64.b64encode(file.getvalue()).decode()
    if row.tokens is not None:
        answer["relevance"] = relevance[0]
    return answer


def whole(query: Any, name: str) -> int:
    """A whole number of a query. Raises Refused."""
    text = query.get(name, "0")
    if not (text.isascii() and text.isdecimal() and int(text[:9]) <= MAX_UNIT):
        raise Refused(400, f"{name} is a whole number up to {MAX_UNIT:,}")
    return int(text)
