"""The receiving end of a webhook on loopback: checks signatures as a receiver would, and can misbehave."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

SECRET = "whsec_" + base64.b64encode(b"hook-secret-canary-0f9d").decode()
KEY = b"hook-secret-canary-0f9d"


@dataclass
class HookFault:
    """What the next delivery meets. `swallow`: it is taken, but the answer never comes."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    swallow: bool = False


class HookServer:
    """Start it; `taken` holds each body by its id, `deliveries` every arrival."""

    def __init__(self) -> None:
        self.taken: dict[str, dict[str, Any]] = {}
        self.deliveries: list[dict[str, str]] = []
        self.elsewhere: list[dict[str, str]] = []
        self.faults: list[HookFault] = []
        self.forged = 0
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._post)
        app.router.add_route("*", "/elsewhere", self._elsewhere)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.deliveries.append(headers)
        number = headers["webhook-id"]
        content = f"{number}.{headers['webhook-timestamp']}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.digest(KEY, content, "sha256")).decode()
        if not hmac.compare_digest(wanted, headers.get("webhook-signature", "")):
            self.forged += 1
            return web.Response(status=401)
        fault = self.faults.pop(0) if self.faults else HookFault()
        if fault.status:
            return web.Response(status=fault.status, headers=dict(fault.headers))
        self.taken[number] = json.loads(body)
        if fault.swallow:
            assert request.transport is not None
            request.transport.close()
        return web.Response(status=204)

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.elsewhere.append(dict(request.headers))
        return web.Response()
