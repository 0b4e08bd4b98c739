"""Who may ask: hosts, origins and the token are checked before anything is read, and every answer has safe headers."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.problem import shortened
from .problems import Refused, response

SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OPEN_PATHS = ("/health",)  # that need no token
LOCAL = ("localhost",)


@dataclass(frozen=True)
class Rules:
    """Host names beside addresses and localhost, origins of other pages, and the token, if there is one."""

    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    token: str | None = None


class Guard:
    """ASGI middleware. A page of another site can reach a server on this machine: by its address, which Origin tells,
    or by a name of its own that points here (DNS rebinding), which Host tells; an IP address is no such name.
    """

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        origin = headers.get("origin")

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in SAFE_HEADERS.items():
                    answer.setdefault(name, value)
                if origin in self.rules.origins:
                    allow(answer, str(origin))
            await send(message)

        try:
            self.check(scope, headers)
        except Refused as refused:
            return await response(refused)(scope, receive, send_safely)
        if scope["method"] == "OPTIONS" and origin in self.rules.origins:
            return await response(Refused(200, "allowed"))(scope, receive, send_safely)
        await self.app(scope, receive, send_safely)

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raises Refused for a request that is not allowed."""
        host = headers.get("host", "")
        if not self.host_allowed(host):
            raise Refused(403, f"the host {shortened(host)!r} is not this server; --allow-host adds a name")
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}", *self.rules.origins):
            raise Refused(403, f"pages of {shortened(origin)!r} may not ask; --allow-origin adds one")
        preflight = scope["method"] == "OPTIONS" and origin is not None
        if self.rules.token and scope["path"] not in OPEN_PATHS and not preflight:
            expected = f"Bearer {self.rules.token}".encode()
            if not hmac.compare_digest(headers.get("authorization", "").encode("utf-8", "replace"), expected):
                message = "the token is missing or wrong; send it as Authorization: Bearer TOKEN"
                raise Refused(401, message, {"WWW-Authenticate": "Bearer"})

    def host_allowed(self, host: str) -> bool:
        name = name_of(host)
        return name in LOCAL or name in map(str.lower, self.rules.hosts) or is_address(name)


def allow(headers: MutableHeaders, origin: str) -> None:
    """Lets a page of another origin read the answer."""
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Allow-Methods"] = "GET, POST"
    headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    headers.add_vary_header("Origin")


def name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    return host in LOCAL or (is_address(host) and ipaddress.ip_address(host).is_loopback)
