"""The gate in front of every route and WebSocket: host, origin, session, and the headers of the answer.

A page elsewhere in the same browser can reach a loopback port, so loopback alone protects nothing:

- `Host` must be a loopback name with the port that was really dialled (stops DNS rebinding);
- `Origin`, where sent, must be this very address, and must be sent by whatever changes state and by WebSockets
  (stops cross-site requests; cookies do not tell ports apart, so SameSite alone would not);
- everything but the login page and the health checks needs a session; `/metrics` may be read with its own token.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.auth import Session

OPEN_PATHS = frozenset({"/login", "/health/live", "/health/ready"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

FindSession = Callable[[str], Session | None]
MayScrape = Callable[[str], bool]
METRICS_PATH = "/metrics"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def cookie_name(scope: Scope) -> str:
    """Name the session cookie after the port: browsers share cookies between the ports of a host."""
    return f"moondev_{_port(scope)}"


def _port(scope: Scope) -> int:
    server = scope.get("server") or ("", 0)
    return int(server[1] or 0)


def _foreign(scope: Scope, headers: Headers) -> str:
    """Say what is wrong with a request's host or origin; "" when nothing is."""
    port = _port(scope)
    host = headers.get("host", "").lower()
    hosts = {f"{name}:{port}" for name in LOOPBACK_NAMES} | (set(LOOPBACK_NAMES) if port == 80 else set())
    if host not in hosts:
        return f"Host {host!r} is refused: open the dashboard as http://127.0.0.1:{port}"
    origin = headers.get("origin")
    if origin is None:
        changes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        return f"The Origin header is required here: send Origin: http://{host}" if changes else ""
    if origin.lower() != f"http://{host}":
        return f"Origin {origin!r} is refused: only the dashboard's own pages may do this"
    return ""


class Guard:
    """ASGI middleware: lets through what may pass, with the session in `request.state.session`."""

    def __init__(self, app: ASGIApp, find_session: FindSession, may_scrape: MayScrape) -> None:
        self._app = app
        self._find_session = find_session
        self._may_scrape = may_scrape

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check one request or WebSocket handshake, then hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        answer = self._check(scope)
        if scope["type"] == "websocket":
            if answer is None:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 4401 if answer.status_code == 401 else 4403})
            return
        await (answer or self._app)(scope, receive, HeaderSender(send))

    def _check(self, scope: Scope) -> Response | None:
        """The answer that refuses a request, or None when it may pass."""
        headers = Headers(scope=scope)
        if problem := _foreign(scope, headers):
            return JSONResponse({"error": problem}, 403)
        secret = cookie_parser(headers.get("cookie", "")).get(cookie_name(scope), "")
        session = self._find_session(secret) if secret else None
        scope.setdefault("state", {})["session"] = session
        path = scope["path"]
        if session is not None or path in OPEN_PATHS or path.startswith(("/login/", "/static/style/")):
            return None
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if path == METRICS_PATH and scope["type"] == "http" and scope["method"] == "GET" and self._may_scrape(token):
            return None
        if scope["type"] == "http" and path == "/" and scope["method"] == "GET":
            return RedirectResponse("/login", 303)
        return JSONResponse({"error": "Not logged in: open a login link first"}, 401)


class HeaderSender:
    """Adds the security headers to an answer: nothing inline, nothing evaluated, nothing from elsewhere."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        """Pass one ASGI message on."""
        if message["type"] == "http.response.start":
            self._secure(MutableHeaders(scope=message))
        await self._send(message)

    def _secure(self, headers: MutableHeaders) -> None:
        headers["content-security-policy"] = POLICY
        headers["x-content-type-options"] = "nosniff"
        headers["x-frame-options"] = "DENY"
        headers["cross-origin-opener-policy"] = "same-origin"
        headers["cross-origin-resource-policy"] = "same-origin"
        # under no-referrer a browser sends `Origin: null` with the login form, and with the one that logs out
        headers["referrer-policy"] = "same-origin"
        headers.setdefault("cache-control", "no-store")
