"""The security headers of every answer, those that refuse and those that failed included.

The policy forbids everything that the dashboard does not need: no inline script or style, no evaluation, no frame, no
other host.
"""

from __future__ import annotations

import traceback
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access.network import Network
from gateway.access.refuse import refuse

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
FIXED: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "permissions-policy": "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
    "microphone=(), midi=(), payment=(), usb=()",
    # under no-referrer a browser sends `Origin: null` with the forms that log in and out
    "referrer-policy": "same-origin",
    "x-permitted-cross-domain-policies": "none",
}
MOST_FRAMES: Final = 12
HSTS: Final = "max-age=31536000"
"""A year. Without includeSubDomains: the names beside ours are not ours."""
log = structlog.get_logger("gateway")


class SecurityHeaders:
    """ASGI middleware, the outermost: what fails inside becomes a 500 here, so that it carries the headers too."""

    def __init__(self, app: ASGIApp, network: Network) -> None:
        self._app = app
        self._network = network

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand one request on, and its answer back with the headers."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        is_tls = self._network.scheme(scope) == "https"
        sender = Sender(send, is_tls=is_tls)
        try:
            await self._app(scope, receive, sender)
        except Exception as error:  # whatever it was, the answer says nothing of the inside
            if scope["type"] != "http" or sender.has_started:
                raise
            # a traceback that is rendered may show locals, and among them the request's headers
            where = "".join(traceback.format_tb(error.__traceback__)[-MOST_FRAMES:])
            log.error("a route failed", path=route_of(scope), error=type(error).__name__, where=where)  # noqa: TRY400
            answer = refuse(500, "failed", "It failed inside and may or may not have been carried out: see /status")
            await answer(scope, receive, sender)


def route_of(scope: Scope) -> str:
    """The route's template, for logs: the address itself may hold a login link."""
    return str(getattr(scope.get("route"), "path", "")) or "unknown"


class Sender:
    """Adds the headers to an answer."""

    def __init__(self, send: Send, *, is_tls: bool) -> None:
        self.has_started = False
        self._send = send
        self._is_tls = is_tls

    async def __call__(self, message: Message) -> None:
        """Pass one ASGI message on."""
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            self.has_started = True
            self.secure(MutableHeaders(scope=message))
        await self._send(message)

    def secure(self, headers: MutableHeaders) -> None:
        """The headers of this answer."""
        for name, value in FIXED.items():
            headers[name] = value
        if self._is_tls:
            headers["strict-transport-security"] = HSTS
        headers.setdefault("cache-control", "no-store")
