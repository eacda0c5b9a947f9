"""The small public API: the desk's views as JSON, and one door for commands.

    GET  /health/live, /health/ready                        open to everybody on this machine
    GET  /metrics                                           Prometheus; with the token of the file metrics.token
    GET  /api/v1/openapi.json                               everything below /api/v1, for programs
    GET  /api/v1/<view>                                     see gateway/views.py
    POST /api/v1/verbs/<verb>, /api/v1/line                 see gateway/routes_verbs.py
    WS   /ws/feed                                           see docs/api.md

Amounts are strings of decimals, times are nanoseconds UTC (beyond 2**53: read them as integers, not doubles).
"""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from gateway.access.caller import Caller
from gateway.access.refuse import refuse
from gateway.feed import serve_feed
from gateway.gateway import Gateway
from gateway.metrics import CONTENT_TYPE, exposition
from gateway.openapi import document
from gateway.problem import method_not_allowed
from gateway.source import SourceLost
from gateway.watched import READY, ReadyView, read

router = APIRouter()


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.state.gateway
    return gateway


@router.get("/health/live")
async def live() -> Response:
    """Answer while this process's loop turns."""
    return _json({"status": "live"})


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Say whether the service can do what it is told, and if not, why (503).

    The trading state and the chat channels stand beside it: HALTED is ready, and trading goes on without chat.
    """
    try:
        found = await read(_gateway(request).source, READY, ReadyView)
    except SourceLost as error:
        found = ReadyView(reasons=[str(error)], trading="unknown", chat={})
    word = "not ready" if found.reasons else "ready"
    said = {"status": word, "reasons": found.reasons, "trading": found.trading, "chat": found.chat}
    return _json(said, 503 if found.reasons else 200)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Risk, for Prometheus."""
    return Response(exposition(await _gateway(request).risk.risk()), media_type=CONTENT_TYPE)


@router.websocket("/ws/feed")
async def feed(socket: WebSocket) -> None:
    """A snapshot, then facts as they happen."""
    gateway: Gateway = socket.state.gateway
    caller: Caller = socket.state.caller

    async def alive() -> bool:
        return await gateway.still(caller)

    await serve_feed(socket, gateway.hub, caller.key, alive)


@router.get("/api/v1/openapi.json")
async def openapi(request: Request) -> Response:
    """The document that says all this to programs."""
    gateway = _gateway(request)
    verbs = await gateway.verbs.all()
    if gateway.verbs.document is None:
        gateway.verbs.document = msgspec.json.encode(document(verbs.values(), gateway.config.version))
    return Response(gateway.verbs.document, media_type="application/json")


async def unknown(scope: Scope, receive: Receive, send: Send) -> None:
    """What is below /api and no route: other methods of a route, or nothing at all."""
    app: FastAPI = scope["app"]
    asked = {**scope, "path": scope["path"], "root_path": scope.get("app_root_path", "")}
    allowed = {
        method
        for route in app.routes
        if isinstance(route, Route) and route.matches(asked)[0] is Match.PARTIAL
        for method in route.methods or ()
    }
    answer = method_not_allowed(allowed) if allowed else refuse(404, "not_found", "There is nothing at this address")
    await answer(scope, receive, send)
