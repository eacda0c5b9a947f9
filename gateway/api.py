"""The small public API: the desk's views as JSON, and one door for commands.

    GET  /health/live, /health/ready                        open to everybody on this machine
    GET  /metrics                                           Prometheus; with the token of the file metrics.token
    GET  /api/v1/status|positions|orders|strategies|pnl|pending|venues|breakers|trades|equity|risk|stress
    POST /api/v1/command  {"line": "/status", "person": ""}
    WS   /ws/feed                                           see docs/api.md

Amounts are strings of decimals, times are nanoseconds UTC (beyond 2**53: read them as integers, not doubles).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import structlog
from fastapi import APIRouter, Query, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.feed import serve_feed
from gateway.gateway import Gateway, NotAllowed
from gateway.metrics import CONTENT_TYPE, exposition

router = APIRouter()
log = structlog.get_logger(__name__)

Limit = Annotated[int, Query(ge=1, le=2000)]


class CommandLine(BaseModel):
    """A line of the verb table; in paper, `person` is who says it (default: who logged in)."""

    model_config = ConfigDict(extra="forbid")

    line: str = Field(min_length=1, max_length=1000)
    person: str = Field(default="", max_length=100)


def _json(value: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.state.gateway
    return gateway


async def misunderstood(_: Request, error: Exception) -> Response:
    """Say in a sentence what is wrong with a request, without repeating what was sent: it may be no text at all."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    said = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in problems]
    text = f"Not understood: {'; '.join(said) or 'the request'}."
    return _json({"error": text.encode("utf-8", "replace").decode()}, 422)


@router.get("/health/live")
async def live() -> Response:
    """Answer while the engine's loop turns."""
    return _json({"status": "live"})


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Say whether the service can do what it is told, and if not, why (503).

    The trading state and the chat channels stand beside it: HALTED is ready, and trading goes on without chat.
    """
    gateway = _gateway(request)
    is_ready, reasons = gateway.desk.ready()
    reasons = [*reasons, *gateway.health()]
    view = gateway.desk.status()
    beside = {"trading": view.trading_state, "chat": {door.name: door.text for door in view.doors}}
    if is_ready and not reasons:
        return _json({"status": "ready", "reasons": [], **beside})
    return _json({"status": "not ready", "reasons": reasons, **beside}, 503)


@router.get("/api/v1/status")
async def status(request: Request) -> Response:
    """The service at a glance (`StatusView`)."""
    return _json(_gateway(request).desk.status())


@router.get("/api/v1/positions")
async def positions(request: Request) -> Response:
    """Open positions (list of `PositionView`)."""
    return _json(_gateway(request).desk.positions())


@router.get("/api/v1/orders")
async def orders(request: Request, recent: bool = False) -> Response:
    """Open orders, with `recent=true` also the newest closed ones (list of `OrderView`)."""
    return _json(_gateway(request).desk.orders(recent=recent))


@router.get("/api/v1/strategies")
async def strategies(request: Request) -> Response:
    """Loaded strategies (list of `StrategyView`)."""
    return _json(_gateway(request).desk.strategies())


@router.get("/api/v1/pnl")
async def pnl(request: Request) -> Response:
    """Profit per account; the day is UTC (list of `PnlView`)."""
    return _json(_gateway(request).desk.pnl())


@router.get("/api/v1/pending")
async def pending(request: Request) -> Response:
    """Requests that wait for votes (list of `RequestView`)."""
    return _json(_gateway(request).desk.pending())


@router.get("/api/v1/venues")
async def venues(request: Request) -> Response:
    """Connections to exchanges, their limits and what waits for them (list of `VenueView`)."""
    return _json(_gateway(request).desk.venues())


@router.get("/api/v1/breakers")
async def breakers(request: Request) -> Response:
    """Every breaker: state, measure against threshold, until when, actions (list of `BreakerView`)."""
    return _json(_gateway(request).desk.breakers())


@router.get("/api/v1/trades")
async def trades(request: Request, limit: Limit = 100) -> Response:
    """The newest own fills (list of `TradeRow`)."""
    return _json(_gateway(request).desk.trades(limit))


@router.get("/api/v1/equity")
async def equity(request: Request, limit: Limit = 2000) -> Response:
    """The newest points of the equity curve (list of `EquityPoint`)."""
    return _json(_gateway(request).desk.equity_curve(limit))


@router.get("/api/v1/risk")
async def risk(request: Request) -> Response:
    """The portfolio's risk at a glance (`RiskView`)."""
    return _json(_gateway(request).desk.risk())


@router.get("/api/v1/stress")
async def stress(request: Request, what: Annotated[str, Query(max_length=200)] = "") -> Response:
    """What shocks would do (list of `StressView`): every named one, or `what`, such as `BTC -20`; else 422 and why."""
    found = _gateway(request).desk.stress(what)
    return _json({"error": found}, 422) if isinstance(found, str) else _json(found)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Risk, for Prometheus."""
    return Response(exposition(_gateway(request).reader.risk()), media_type=CONTENT_TYPE)


@router.post("/api/v1/command")
async def command(request: Request, body: CommandLine) -> Response:
    """Run one line as the session's person; the answer is `{"text": ...}`."""
    gateway = _gateway(request)
    try:
        actor = gateway.actor(request.state.caller, body.person)
    except NotAllowed as refusal:
        return JSONResponse({"error": str(refusal)}, 403)
    return _json({"text": await gateway.console(actor, body.line)})


@router.websocket("/ws/feed")
async def feed(socket: WebSocket) -> None:
    """A snapshot, then facts as they happen."""
    gateway: Gateway = socket.state.gateway
    caller: Caller = socket.state.caller

    async def alive() -> bool:
        return await gateway.still(caller)

    await serve_feed(socket, gateway.hub, caller.key, alive)


@router.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False)
async def unknown(path: str) -> Response:
    """Say that there is no such route, instead of showing a program the dashboard's error page."""
    return JSONResponse({"error": f"There is no /api/{path}"}, 404)
