"""What a service serves whose vault is sealed: that it is. Nothing is traded, and nothing here unlocks anything."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.responses import JSONResponse

from domain.errors import ConfigError
from gateway.access.network import Network
from gateway.headers import SecurityHeaders
from gateway.server import NOWHERE, GatewayServer, Outside

LOOK_S = 1.0
WORDS = (
    "sealed: the vault waits for its passphrase, which is typed at a terminal of the machine (./moondev signer), never "
    "here or in a chat. Nothing is traded until then."
)


def sealed_page() -> FastAPI:
    """Alive, not ready, and every other address says why."""
    page = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    page.add_middleware(SecurityHeaders, network=Network())

    @page.get("/health/live")
    async def live() -> JSONResponse:
        return JSONResponse({"status": "live", "sealed": True})

    @page.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def anything(path: str) -> JSONResponse:  # noqa: ARG001 - all the same
        headers = {"Cache-Control": "no-store", "Retry-After": "5"}
        return JSONResponse({"status": "sealed", "sealed": True, "reasons": [WORDS]}, 503, headers)

    return page


async def serve_until(is_open: Callable[[], bool], address: tuple[str, int] | None, outside: Outside = NOWHERE) -> bool:
    """Serve the page at `address`, if any, until `is_open` says so; False when the process is asked to stop instead."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    serving = None
    with contextlib.suppress(ConfigError):  # the port may be held by the page of a run that was killed
        server = GatewayServer(sealed_page(), *address, outside) if address is not None else None
        serving = asyncio.create_task(server.run(), name="sealed page") if server is not None else None
    try:
        while not await asyncio.to_thread(is_open):
            try:
                await asyncio.wait_for(stop.wait(), LOOK_S)
            except TimeoutError:
                continue
            return False
        return True
    finally:
        if serving is not None:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
