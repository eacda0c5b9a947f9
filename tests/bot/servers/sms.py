"""A server with Twilio's messages interface on loopback, that can be told to misbehave."""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from aiohttp import web

ACCOUNT = "AC00000000000000000000000000000001"
TOKEN = "sms-token-canary-51c0"


@dataclass
class SmsFault:
    """What the next message meets. `swallow`: it is taken, but the answer never comes."""

    status: int = 0
    code: int = 0
    retry_after: str = ""
    swallow: bool = False
    body: str | None = None


class SmsServer:
    """Start it; `messages` holds what was sent, `faults` what happens to the next ones."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.faults: list[SmsFault] = []
        self.account_status = "active"
        self.asked = 0
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        app = web.Application()
        base = f"/2010-04-01/Accounts/{ACCOUNT}"
        app.router.add_post(f"{base}/Messages.json", self._post)
        app.router.add_get(f"{base}/Messages.json", self._list)
        app.router.add_get(f"{base}.json", self._account)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _refused(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization", "")
        if given != "Basic " + b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode():
            return web.json_response({"code": 20003, "message": "Authenticate", "status": 401}, status=401)
        return None

    async def _post(self, request: web.Request) -> web.Response:
        if (refused := self._refused(request)) is not None:
            return refused
        form = await request.post()
        fault = self.faults.pop(0) if self.faults else SmsFault()
        if fault.status:
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            text = {"code": fault.code, "message": "refused", "status": fault.status}
            if fault.body is not None:
                return web.Response(text=fault.body, status=fault.status, headers=headers)
            return web.json_response(text, status=fault.status, headers=headers)
        sid = f"SM{next(self._numbers):032d}"
        message = {"sid": sid, "status": "queued", "to": form["To"], "from": form["From"], "body": form["Body"]}
        self.messages.append(message)
        if fault.swallow:
            assert request.transport is not None
            request.transport.close()
            await asyncio.sleep(0)
        return web.json_response(message, status=201)

    async def _list(self, request: web.Request) -> web.Response:
        if (refused := self._refused(request)) is not None:
            return refused
        self.asked += 1
        wanted = [one for one in self.messages if one["to"] == request.query["To"]]
        return web.json_response({"messages": wanted[::-1][: int(request.query["PageSize"])]})

    async def _account(self, request: web.Request) -> web.Response:
        return self._refused(request) or web.json_response({"sid": ACCOUNT, "status": self.account_status})
