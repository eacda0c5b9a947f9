"""Puts the gateway together: guard, login, API and dashboard on one FastAPI app.

app = create_app(GatewayConfig(...), Front(...), DeskSource(...))
server = GatewayServer(app, host, port)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from domain.settings import Environment
from gateway import api, login, routes_verbs, routes_views
from gateway.access.answers import StoredAnswers
from gateway.dashboard.assets import Assets, page
from gateway.gateway import Gateway, GatewayConfig
from gateway.guard import Front, Guard
from gateway.headers import SecurityHeaders
from gateway.hot import HotSource
from gateway.hub import Hub
from gateway.idempotency import Once
from gateway.problem import add_handlers
from gateway.source import Source
from gateway.verb_table import VerbTable
from gateway.watched import RiskReader

MAX_BODY_BYTES = 128 * 1024
"""Nobody sends more; routes take less, and say so."""


class Provide:
    """ASGI middleware: puts the gateway where routes and pages find it, `request.state.gateway`."""

    def __init__(self, app: ASGIApp, gateway: Gateway) -> None:
        self._app = app
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on with the gateway in its state."""
        if scope["type"] != "lifespan":
            scope.setdefault("state", {})["gateway"] = self._gateway
        await self._app(scope, receive, send)


def create_app(config: GatewayConfig, front: Front, source: Source) -> FastAPI:
    """Make the app; it knows nothing of the service but its source."""
    hub = Hub(source)
    gateway = Gateway(
        config=config,
        access=front.access,
        network=front.network,
        risk=RiskReader(source),
        source=HotSource(source, hub),
        hub=hub,
        verbs=VerbTable(source),
        once=Once(StoredAnswers(front.access)),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        following = asyncio.create_task(hub.run(), name="gateway feed")
        yield
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan, max_body_size=MAX_BODY_BYTES)
    app.state.hub = hub
    add_handlers(app)
    app.include_router(login.router)
    app.include_router(api.router)
    app.router.routes.extend([*routes_views.ROUTES, *routes_verbs.ROUTES])
    app.mount("/api", api.unknown)
    app.mount("/static", Assets())
    app.add_route("/", page)
    is_play = config.environment is Environment.PAPER
    app.add_middleware(Guard, front=front, persons=source.persons, is_play=is_play)
    app.add_middleware(Provide, gateway=gateway)
    app.add_middleware(SecurityHeaders, network=front.network)
    return app
