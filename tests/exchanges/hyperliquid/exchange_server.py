"""A local Hyperliquid that trades: /exchange, /info and the WebSocket, with faults on demand.

What it does with a request is in `exchange_room`, what it tells everybody in `public`. Proved only against recordings
and documentation, never against the venue itself.
"""

import asyncio
import json
from typing import Any

from aiohttp import WSMsgType, web

from domain.market import MarketEvent
from tests.exchanges.hyperliquid.exchange_limits import told
from tests.exchanges.hyperliquid.exchange_room import Room
from tests.exchanges.hyperliquid.public import PUBLIC, Public, key_of
from tests.exchanges.loopback import Faults, Loopback, break_off, tell


class HyperliquidFaults(Faults):
    """Requests to /exchange with a status of `statuses` are not carried out, over either road."""

    def __init__(self) -> None:
        super().__init__()
        self.mute_pongs = False
        self.words = ""
        """The next action is refused with these words."""


class ExchangeServer(Loopback):
    """The whole venue."""

    def __init__(self, cash: str = "100000", port: int = 0) -> None:
        super().__init__(port)
        self.room: Room = Room(cash)
        self.public: Public = Public(self.room.instruments)
        self.faults: HyperliquidFaults = HyperliquidFaults()
        self.asked: list[str] = []
        self.sockets: dict[web.WebSocketResponse, set[str]] = {}
        self.connections = 0

    def route(self, router: web.UrlDispatcher) -> None:
        router.add_get("/ws", self._ws)
        router.add_post("/info", self._info)
        router.add_post("/exchange", self._exchange)

    @property
    def ws_url(self) -> str:
        return super().ws_url + "/ws"

    def sockets_of(self, kind: str) -> list[web.WebSocketResponse]:
        return list(self.sockets)

    # the market

    async def market(self, event: MarketEvent) -> None:
        """Move the market; whatever it fills is told, and everybody hears of the market."""
        self.room.on_market(event)
        await self._flush()
        for key, message in self.public.tell(event):
            for socket in [socket for socket, keys in self.sockets.items() if key in keys]:
                await tell(socket, message)

    async def poll(self) -> None:
        """Let time pass: dead men's switches fire."""
        self.room.pass_time()
        await self._flush()

    async def _flush(self) -> None:
        """Tell the streams what has happened since the last time."""
        streams, self.room.streams = self.room.streams, []
        for message in self.faults.told(streams):
            for socket, kinds in list(self.sockets.items()):
                if message["channel"] in kinds and not socket.closed:
                    await tell(socket, message)

    # the doors

    async def _requested(self, body: dict[str, Any], road: str) -> tuple[int, dict[str, Any] | None]:
        """HTTP status and answer; None = there is none."""
        faults = self.faults
        if faults.statuses:
            status = faults.statuses.pop(0)
            if status != 200:
                return status, None
        if faults.lose_requests:
            faults.lose_requests -= 1
            return 0, None
        if faults.words:
            words, faults.words = faults.words, ""
            return 200, {"status": "err", "response": words}
        answer = self.room.act(body, road)
        if faults.delay_s:
            await asyncio.sleep(faults.delay_s)
        if faults.drop_answers:
            faults.drop_answers -= 1
            return 0, None
        return 200, answer

    async def _exchange(self, asked: web.Request) -> web.StreamResponse:
        body = await asked.json()
        if not self.room.quota.request(body["action"]):
            return web.Response(status=429, text="too many requests")
        status, answer = await self._requested(body, "rest")
        await self._flush()
        if status == 0:
            return break_off(asked)
        return web.json_response(answer) if answer is not None else web.Response(status=status, text="busy")

    async def _ws(self, asked: web.Request) -> web.StreamResponse:
        if self.faults.refuse_ws:
            return web.Response(status=503)
        self.connections += 1
        socket = web.WebSocketResponse()
        await socket.prepare(asked)
        self.sockets[socket] = set()
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await self._heard(socket, json.loads(frame.data))
        finally:
            del self.sockets[socket]
        return socket

    async def _heard(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        if message["method"] == "ping" and self.faults.mute_pongs:
            return
        if message["method"] == "ping":
            await tell(socket, {"channel": "pong"})
        elif message["method"] == "subscribe":
            wanted = message["subscription"]
            if wanted["type"] in PUBLIC and not self.public.lists(wanted["coin"]):
                await tell(socket, {"channel": "error", "data": f"Invalid subscription {json.dumps(wanted)}"})
                return
            self.sockets[socket].add(key_of(wanted))
            more = {"nSigFigs": None, "mantissa": None} if wanted["type"] == "l2Book" else {}
            said = {"method": "subscribe", "subscription": wanted | more}
            await tell(socket, {"channel": "subscriptionResponse", "data": said})
            if (newest := self.public.newest(key_of(wanted))) is not None:
                await tell(socket, newest)
            if wanted["type"] == "userFills":
                mine = [told(f) for f in self.room.fills if f["user"] == wanted["user"]]
                data = {"isSnapshot": True, "user": wanted["user"], "fills": mine}
                await tell(socket, {"channel": "userFills", "data": data})
        else:
            await self._posted(socket, message)

    async def _posted(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        status, answer = await self._requested(message["request"]["payload"], "ws")
        response = {"type": "action", "payload": answer}
        if answer is None:
            response = {"type": "error", "payload": f"{status} busy"}
        if self.faults.streams_first:
            await self._flush()
        for _ in range((1 + self.faults.duplicate) if status and not socket.closed else 0):
            await tell(socket, {"channel": "post", "data": {"id": message["id"], "response": response}})
        await self._flush()

    async def _info(self, asked: web.Request) -> web.Response:
        question = await asked.json()
        self.asked.append(question["type"])
        if not self.room.quota.question(question["type"]):
            return web.Response(status=429, text="too many requests")
        if self.faults.read_statuses:
            status = self.faults.read_statuses.pop(0)
            if status != 200:
                return web.Response(status=status, text="busy")
        found = self.public.answer(question)
        return web.json_response(self.room.tell(question) if found is None else found)
