"""The security headers of every answer, those that refuse and those that failed included.

The policy forbids everything that the dashboard does not need: no inline script or style, no evaluation, no frame, no
other host. Pages of NiceGUI cannot live with it; while there are any, `OLD_PAGES` is true and they have their own.
"""

from __future__ import annotations

import secrets
from collections.abc import MutableMapping
from typing import Any, Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.access.network import Network
from gateway.access.refuse import refuse

OLD_PAGES: Final = True
"""Whether the pages at `/` and `/_nicegui` are NiceGUI's. False: the strict policy is everywhere."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
FIXED: Final = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "permissions-policy": "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
    "microphone=(), midi=(), payment=(), usb=()",
    "x-permitted-cross-domain-policies": "none",
}
HSTS: Final = "max-age=31536000"
"""A year. Without includeSubDomains: the names beside ours are not ours."""
STATIC: Final = ("/static/", "/_nicegui/")
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
        sender: Sender = (
            OldPage(scope, send, is_tls=is_tls) if is_old_page(scope) else Sender(scope, send, is_tls=is_tls)
        )
        try:
            await self._app(scope, receive, sender)
        except Exception as error:  # whatever it was, the answer says nothing of the inside
            if scope["type"] != "http" or sender.has_started:
                raise
            log.exception("a route failed", path=route_of(scope), error=type(error).__name__)
            answer = refuse(500, "failed", "It failed inside and may or may not have been carried out: see /status")
            await answer(scope, receive, sender)


def route_of(scope: Scope) -> str:
    """The route's template, for logs: the address itself may hold a login link."""
    return str(getattr(scope.get("route"), "path", "")) or "unknown"


def is_old_page(scope: Scope) -> bool:
    """Whether this is answered by NiceGUI."""
    path = scope["path"]
    return OLD_PAGES and scope["type"] == "http" and (path == "/" or path.startswith("/_nicegui"))


class Sender:
    """Adds the headers to an answer."""

    def __init__(self, scope: Scope, send: Send, *, is_tls: bool) -> None:
        self.has_started = False
        self._send = send
        self._path = scope["path"]
        self._is_tls = is_tls

    async def __call__(self, message: Message) -> None:
        """Pass one ASGI message on."""
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            self.has_started = True
            self.secure(MutableHeaders(scope=message))
        await self._send(message)

    def secure(self, headers: MutableHeaders) -> None:
        """The headers of this answer."""
        headers["content-security-policy"] = self.policy()
        for name, value in FIXED.items():
            headers[name] = value
        # under no-referrer a browser sends `Origin: null` with the login form
        headers["referrer-policy"] = "same-origin" if self._path.startswith("/login") else "no-referrer"
        if self._is_tls:
            headers["strict-transport-security"] = HSTS
        if not self._path.startswith(STATIC):
            headers["cache-control"] = "no-store"
        elif "cache-control" not in headers:
            headers["cache-control"] = "no-cache"  # kept, but asked for again each time: a new build counts at once

    def policy(self) -> str:
        """The content security policy."""
        return POLICY


class OldPage(Sender):
    """Of NiceGUI's pages: its inline scripts get a nonce, and it evaluates its own event handlers."""

    def __init__(self, scope: Scope, send: Send, *, is_tls: bool) -> None:
        super().__init__(scope, send, is_tls=is_tls)
        self._nonce = secrets.token_urlsafe(16)
        self._socket = f"{'wss' if is_tls else 'ws'}://{Headers(scope=scope).get('host', '')}"
        self._start: MutableMapping[str, Any] | None = None
        self._page = b""

    async def __call__(self, message: Message) -> None:
        """Pass one ASGI message on; a page is held back until it is whole."""
        if message["type"] == "http.response.start":
            self.has_started = True
            headers = MutableHeaders(scope=message)
            self.secure(headers)
            del headers["cross-origin-embedder-policy"]
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
        elif message["type"] == "http.response.body" and self._start is not None:
            self._page += message.get("body", b"")
            if message.get("more_body"):
                return
            page = self._page.replace(b"<script", f'<script nonce="{self._nonce}"'.encode())
            MutableHeaders(scope=self._start)["content-length"] = str(len(page))
            await self._send(self._start)
            message = {"type": "http.response.body", "body": page}
        await self._send(message)

    def policy(self) -> str:
        """NiceGUI's own."""
        return "; ".join(
            (
                "default-src 'none'",
                f"script-src 'self' 'nonce-{self._nonce}' 'unsafe-eval'",
                "style-src 'self' 'unsafe-inline'",
                "img-src 'self' data:",
                "font-src 'self' data:",
                f"connect-src 'self' {self._socket}",
                "form-action 'self'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            )
        )
