"""Running the server: the socket, uvicorn, and the end after a signal."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..core.problem import FAILED, USAGE, Problem
from .problems import Refused, response

BACKLOG = 2048  # connections that wait to be accepted
HEAD_SECONDS = 5  # that the head of a request may take to arrive
CONNECTIONS = 1000  # open at once; requests of further ones are answered with 503
SMALL = 1 << 16  # bytes of a body that is read and dropped, so that its connection can go on after a refusal
Refusal = Callable[[bytes], bytes | None]


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises Problem for a port that is in use, or an address that is not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise bind_problem(error, host, port) from None
    return listener


def bind_problem(error: OSError, host: str, port: int) -> Problem:
    if error.errno == errno.EADDRINUSE:
        return Problem(f"port {port} of {host} is in use; choose another with --port, or 0 for a free one", FAILED)
    if error.errno == errno.EACCES:
        return Problem(f"port {port} needs the rights of an administrator; choose one from 1024 on with --port", FAILED)
    return Problem(f"{host} is not an address of this machine ({os.strerror(error.errno or 0).lower()})", USAGE)


def allow_files() -> None:
    """Raises the number of open files to what the system allows: each connection is one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


crowded = response(Refused(503, "the server has too many connections; try again in a second", {"Retry-After": "1"}))


class Protocol(HttpToolsProtocol):
    """uvicorn's connection, closed when the head of a request takes longer than HEAD_SECONDS to arrive.

    uvicorn waits for it without an end, so that a thousand clients that send a byte now and then would be all it has.
    Requests that a busy server refuses never reach the application: under overload they are most of all requests, and
    what they cost is taken from those that are answered.
    """

    head: asyncio.TimerHandle | None = None
    refused: bytes | None = None  # the answer to the request that is arriving

    @staticmethod
    def refusal(target: bytes) -> bytes | None:
        """The whole answer to a request for `target` that is refused at once; None for one that goes on."""
        return None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.head = self.loop.call_later(HEAD_SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        between = self.cycle is None or self.cycle.response_complete
        if self.head is None and between and not self.transport.is_closing():
            self.head = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        self.stop_waiting()
        self.refused = self.refusal(self.url) if self.refusable() else None
        if self.refused is None:
            self.app = crowded if len(self.connections) > CONNECTIONS else self.config.loaded_app
            super().on_headers_complete()

    def refusable(self) -> bool:
        """Whether an answer can be written as soon as the body is there: a small one, and nothing else to answer."""
        fields = dict(self.headers)
        length = fields.get(b"content-length", b"")
        small = length.isdigit() and len(length) < 9 and int(length) <= SMALL
        idle = self.cycle is None or self.cycle.response_complete
        return small and idle and self.parser.should_keep_alive() and not self.expect_100_continue

    def on_body(self, body: bytes) -> None:
        if self.refused is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self.refused is None:
            return super().on_message_complete()
        self.transport.write(self.refused)
        self.refused = None
        self.on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_waiting()
        super().connection_lost(exc)

    def stop_waiting(self) -> None:
        if self.head is not None:
            self.head.cancel()
            self.head = None


class Uvicorn(uvicorn.Server):
    """uvicorn's server, which after a signal finishes what it has and then returns the signal."""

    signal_number = 0

    def __init__(self, config: uvicorn.Config, started: Callable[[], object]) -> None:
        super().__init__(config)
        self.when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self.when_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.stop, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    def stop(self, number: int) -> None:
        """The first signal stops after the requests that are there, the second at once."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self.signal_number = self.signal_number or number


def run(
    app: Starlette, listener: socket.socket, seconds: float, started: Callable[[], object], refusal: Refusal
) -> int:
    """Serves until a signal, which it returns. A request gets `seconds` to finish, and two more.

    `started` is called when the first request can come; `refusal` is Protocol's.
    """
    allow_files()
    gc.collect()
    gc.freeze()  # a collection that walks the objects of torch and of the models stops every thread for 100 ms
    config = uvicorn.Config(
        app,
        log_level="error",  # a client that sends no HTTP is no event for the log
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=int(seconds) + 2,
        timeout_keep_alive=5,
        http=type("Connection", (Protocol,), {"refusal": staticmethod(refusal)}),
        ws="none",
    )
    server = Uvicorn(config, started)
    server.run(sockets=[listener])
    return server.signal_number
