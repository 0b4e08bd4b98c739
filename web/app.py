"""The application: what each address answers. Models are those of a fixed list; no request names a path."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ..core.inputs import Input
from ..core.problem import Problem, did_you_mean, shortened
from ..core.progress import say
from . import bodies
from .engine import Engine, busy
from .guard import SAFE_HEADERS, Guard, Rules
from .metrics import CONTENT_TYPE, Metrics
from .openapi import openapi
from .problems import Refused, response
from .served import Served

TOP = 5  # labels that are listed unless a request says otherwise
MAX_TOP = 1000
MAX_EXPLAINED = 4  # inputs of a request to /explain
ADMITTED = ("/predict", "/explain")  # of which a bounded number of requests is answered at once
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Limits:
    """What a request may cost."""

    body: int = 20_000_000  # bytes
    seconds: float = 10.0
    queue: int = 256  # requests that are being answered or wait
    batch: int = 64  # inputs that are predicted together


@dataclass
class Server:
    """The models, and the answers about them."""

    served: Sequence[Served]
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        limits = self.limits
        self.engine = Engine(limits.batch, limits.queue, limits.seconds, self.metrics.batches.observe)
        self.models = {served.name: served for served in self.served}

    # --- answers

    async def predict(self, request: Request) -> Response:
        served, top = self.chosen(request.query_params), top_of(request.query_params)
        deadline = time.monotonic() + self.limits.seconds
        inputs = await self.inputs(request, served, deadline)
        rows = await self.engine.predict(served.model, inputs, top, deadline)
        if len(rows) == 1 and "problem" in rows[0]:
            raise Refused(422, rows[0]["problem"])
        return json_response(rows)

    async def explain(self, request: Request) -> Response:
        served, query = self.chosen(request.query_params), request.query_params
        deadline = time.monotonic() + self.limits.seconds
        inputs = await self.inputs(request, served, deadline)
        if len(inputs) > MAX_EXPLAINED:
            raise Refused(413, f"the request has {len(inputs)} inputs; send at most {MAX_EXPLAINED} to /explain")
        labels = [query["label"]] if "label" in query else []
        method = query.get("method", "saliency")

        def work() -> list[dict[str, Any]]:
            from ..core.explain import explained

            return [row.to_dict() for row in explained.explain(served.model, inputs, method, labels)]

        return json_response(await self.engine.run(served.model, work, deadline))

    async def list_models(self, request: Request) -> Response:
        return json_response([served.to_dict() for served in self.served])

    async def health(self, request: Request) -> Response:
        return json_response({"status": "ok", "models": list(self.models)})

    async def counted(self, request: Request) -> Response:
        self.metrics.active.set(self.engine.admitted)
        return Response(self.metrics.text(), media_type=CONTENT_TYPE)

    async def described(self, request: Request) -> Response:
        return json_response(openapi(self.served))

    # --- requests

    def refusal(self, target: bytes) -> bytes | None:
        """The whole answer to a request that cannot be admitted now; None for others. See web.server.Protocol."""
        path = target.partition(b"?")[0].decode("ascii", "replace")
        if path not in ADMITTED or not self.engine.full:
            return None
        self.metrics.observe(path, 503, 0.0)
        return BUSY_BYTES

    def chosen(self, query: Mapping[str, str]) -> Served:
        """The model that a request names; the first by default. Raises Refused."""
        name = query.get("model", self.served[0].name)
        if name not in self.models:
            hint = did_you_mean(name, self.models)
            raise Refused(404, f"{shortened(name)!r} is not a model here{hint}; GET /models lists them")
        return self.models[name]

    async def inputs(self, request: Request, served: Served, deadline: float) -> list[Input]:
        body = await bodies.read_body(request, self.limits.body, deadline)
        return await bodies.inputs_of(request, body, served.model)

    def admitted(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, of which a bounded number of requests is answered at once."""

        async def answer(request: Request) -> Response:
            self.engine.admit()
            try:
                return await endpoint(request)
            finally:
                self.engine.release()

        return self.measured(answer)

    def measured(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, with problems as answers in JSON, counted and timed."""

        async def answer(request: Request) -> Response:
            start = time.perf_counter()
            try:
                result = await endpoint(request)
            except Refused as refused:
                result = response(refused)
            except Problem as problem:
                result = response(Refused(422, str(problem)))
            except Exception as error:
                say("".join(traceback.format_exception(error)).rstrip())
                result = response(Refused(500, "the request failed; the server's log says why"))
            self.metrics.observe(request.url.path, result.status_code, time.perf_counter() - start)
            return result

        return answer

    def routes(self) -> list[Route]:
        return [
            Route("/predict", self.admitted(self.predict), methods=["POST"]),
            Route("/explain", self.admitted(self.explain), methods=["POST"]),
            Route("/models", self.measured(self.list_models)),
            Route("/health", self.measured(self.health)),
            Route("/metrics", self.measured(self.counted)),
            Route("/openapi.json", self.measured(self.described)),
        ]

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.engine.open()
        try:
            yield
        finally:
            self.engine.close()


def written(answer: Response, headers: Mapping[str, str]) -> bytes:
    """An answer as it goes over the connection, with more headers."""
    answer.headers.update(headers)
    lines = [b"HTTP/1.1 %d %s" % (answer.status_code, HTTPStatus(answer.status_code).phrase.encode())]
    lines += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + bytes(answer.body)


BUSY_BYTES = written(response(busy()), SAFE_HEADERS)


def application(server: Server, rules: Rules, pages: Sequence[BaseRoute] = ()) -> Starlette:
    """The ASGI application of a server; `pages` are further addresses, of a page for people."""
    return Starlette(
        routes=[*server.routes(), *pages],
        middleware=[Middleware(Guard, rules=rules)],
        exception_handlers={HTTPException: http_error},
        lifespan=server.lifespan,
    )


async def http_error(request: Request, error: Exception) -> Response:
    """Unknown addresses and methods, in the shape of all problems."""
    assert isinstance(error, HTTPException)
    messages = {404: "there is nothing at this address; GET /openapi.json lists what there is",
                405: f"{request.method} is not for this address; GET /openapi.json says which methods are"}  # fmt: skip
    message = messages.get(error.status_code, "the request cannot be answered")
    return response(Refused(error.status_code, message, dict(error.headers or {})))


def json_response(value: Any) -> Response:
    return Response(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), media_type="application/json")


def top_of(query: Mapping[str, str]) -> int:
    """How many labels a request wants. Raises Refused."""
    text = query.get("top", str(TOP))
    if not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= MAX_TOP):
        raise Refused(400, f"top is from 1 to {MAX_TOP:,}; got {shortened(text)!r}")
    return int(text)
